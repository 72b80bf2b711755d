"""How a study scales: memory and time with images, throughput with workers, plan against run.

Every comparison is made in one call, one side after the other on the same machine:

    python benchmarks/scaling.py [--images 500 5000] [--folder DIR]

Writes `results/scaling.json` and `results/scaling.md`. Allow it half an hour on two cores.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARED = Path(__file__).parents[2] / "shared"
FULL = "the six AIS backbones, random weights, 64 photographs, all explained, five seeds"
STUDY = """images = "{planted}/images"
ratings = "{planted}/ratings.csv"
out = "{out}"
explain = "all"
seeds = 1
bootstrap = 1000
[fit]
epochs = 30
learning_rate = 1e-3
[[backbones]]
name = "miniature:{network}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs=2, default=[500, 5000])
    parser.add_argument("--folder", type=Path, help="where to render and run (default: temporary)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--only", choices=["growth", "plan", "workers"], nargs="*")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    file = options.out / "scaling.json"
    results = json.loads(file.read_text()) if file.is_file() else {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        asked = options.only or ["growth", "plan", "workers"]
        if "growth" in asked:
            results["growth"] = growth(folder, options.images)
        if "plan" in asked:
            results["plan"] = plan_against_run(folder, options.images[0])
            results.pop("plan_note", None)
        if "workers" in asked:
            results["workers"] = workers(folder)
    options.out.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n")
    table = in_words(results)
    (options.out / "scaling.md").write_text(table)
    print(table)


def rendered(folder: Path, n: int) -> Path:
    """Render `n` small images once."""
    place = folder / f"planted-{n}"
    if not (place / "ratings.csv").is_file():
        from aisthesis.miniature import render_study

        render_study(place, n, seed=1, size_px=64)
    return place


def study_file(folder: Path, n: int, name: str, network: str = "vgg16") -> Path:
    """Write a study of `n` images whose folder does not exist yet."""
    out = folder / name
    shutil.rmtree(out, ignore_errors=True)
    file = folder / f"{name}.toml"
    text = STUDY.format(planted=rendered(folder, n), out=out, network=network)
    file.write_text(text)
    return file


def run(file: Path, *more: str) -> dict:
    """Run a study as a user does: seconds of wall clock and peak memory of the process."""
    command = [sys.executable, "-m", "aisthesis.cli", "run", str(file), *more]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    record = json.loads((Path(tomlout(file)) / "provenance.json").read_text())
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": round(usage.ru_maxrss / 1000, 1),
        "stages": {name: one["seconds"] for name, one in record["stages"].items()},
    }


def tomlout(file: Path) -> str:
    """The folder that a study file names."""
    import tomllib

    return tomllib.loads(file.read_text())["out"]


def growth(folder: Path, sizes: list[int]) -> dict:
    """The same study with few, half as many as many, and many images."""
    few_n, many_n = sizes
    middle_n = many_n // 2
    order = (few_n, middle_n, many_n)
    found = {str(n): run(study_file(folder, n, f"growth-{n}")) for n in order}
    few, middle, many = (found[str(n)] for n in order)
    # Start, imports and report do not depend on the images: a line is laid through two sizes.
    slope = (middle["seconds"] - few["seconds"]) / (middle_n - few_n)
    linear = middle["seconds"] + slope * (many_n - middle_n)
    later = (many["seconds"] - middle["seconds"]) / (many_n - middle_n)
    return {
        "images": found,
        "memory_ratio": round(many["peak_mb"] / few["peak_mb"], 3),
        "linear_seconds": round(linear, 1),
        "time_against_linear": round(many["seconds"] / linear, 3),
        "per_image_ms": {"from few": round(1000 * slope, 2), "from many": round(1000 * later, 2)},
    }


def plan_against_run(folder: Path, n: int) -> dict:
    """What `aisthesis plan` expects, between what bounds, and what the study then takes."""
    files = {
        f"miniature {name}, {n} images": study_file(folder, n, f"plan-{name}", name)
        for name in ("vgg16", "densenet161")
    }
    if SHARED.is_dir():
        files["SqueezeNet and Lite0, 40 photographs, Grad-CAM, faithfulness of 4"] = real_study(
            folder
        )
    found = {name: plan_of(file) | {"took_s": took(file)} for name, file in files.items()}
    if SHARED.is_dir():  # that this takes long is the point: it is planned and not run
        found[FULL] = plan_of(full_study(folder))
    return found


def plan_of(file: Path) -> dict:
    """Plan as a user does; `wall_s` is the whole command, Python's start included."""
    command = [sys.executable, "-m", "aisthesis.cli", "plan", str(file), "--csv"]
    started = time.perf_counter()
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wall = time.perf_counter() - started
    rows = {row["stage"]: row for row in csv.DictReader(io.StringIO(told))}
    asked = [row for row in rows.values() if row["asked"] == "True"]
    each = {name: round(float(row["seconds"]), 2) for name, row in rows.items()}
    low, expected, high = (
        round(sum(float(row[name]) for row in asked), 1) for name in ("low_s", "seconds", "high_s")
    )
    return {"wall_s": round(wall, 1), "low_s": low, "expected_s": expected, "high_s": high,
            "by_stage": each}  # fmt: skip


def took(file: Path) -> float:
    """Seconds of all stages of a run."""
    stages = run(file)["stages"]
    stages["agree"] -= stages["compare"]
    return round(sum(stages.values()), 1)


def some_photographs(folder: Path, n: int) -> Path:
    """Copy photographs with their ratings."""
    import pandas as pd

    place = folder / f"raise-{n}"
    if not place.is_dir():
        table = pd.read_csv(SHARED / "data/raise/ratings.csv")
        names = sorted(table["image"].unique())[:n]
        place.mkdir()
        for name in names:
            shutil.copy(SHARED / "data/raise/images" / name, place / name)
        table[table["image"].isin(names)].to_csv(folder / f"raise-{n}.csv", index=False)
    return place


def real_study(folder: Path) -> Path:
    """Two really trained networks, another explainer, and whether the maps are faithful."""
    networks = (("torchvision:squeezenet1_0", "features.12", "squeezenet1_0"),
                ("timm:tf_efficientnet_lite0", "conv_head", "tf_efficientnet_lite0"))  # fmt: skip
    text = f"""images = "{some_photographs(folder, 40)}"
ratings = "{folder}/raise-40.csv"
out = "{folder}/plan-real"
explainers = ["ais", "evidence", "ais_place", "evidence_place", "grad_cam"]
faithfulness = {{images = 4}}
"""
    for name, layer, weights in networks:
        text += f"""[[backbones]]
name = "{name}"
label = "{weights}"
layer = "{layer}"
weights = "{SHARED}/weights/{weights}.safetensors"
"""
    return written(folder / "plan-real.toml", text)


def full_study(folder: Path) -> Path:
    """The default study, as `default_study.py` times it."""
    from aisthesis.config.common import AIS_BACKBONES

    text = f"""images = "{some_photographs(folder, 64)}"
ratings = "{folder}/raise-64.csv"
out = "{folder}/plan-full"
seeds = 5
explain = "all"
"""
    for name in AIS_BACKBONES:
        text += f"""[[backbones]]
name = "{name}"
weights = "random"
"""
    return written(folder / "plan-full.toml", text)


def written(file: Path, text: str) -> Path:
    """Write a study file whose folder does not exist yet."""
    file.write_text(text)
    shutil.rmtree(tomlout(file), ignore_errors=True)
    return file


def workers(folder: Path, n: int = 384) -> dict:
    """The chunks of one explain stage, serial with one thread and on two Dask workers."""
    import torch
    from distributed import LocalCluster

    from aisthesis.config import read_study_file
    from aisthesis.execution.cluster import DaskExecutor
    from aisthesis.execution.jobs import Serial, Task
    from aisthesis.execution.progress import ProgressReporter

    torch.set_num_threads(1)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    file = study_file(folder, n, "workers", "densenet161")
    from aisthesis.studies.ratings.study import Study

    Study(read_study_file(file)).run(until="explain")
    tasks = explain_tasks(file)
    tasks = tasks * 4  # long enough for a ratio
    serial, times = Serial(), {}
    next(serial.run(tasks[:1]))  # load the network
    started = time.perf_counter()
    done = sum(serial.run(tasks))
    times["serial_s"] = time.perf_counter() - started
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        executor = DaskExecutor(cluster.scheduler_address, 1, ProgressReporter())
        sum(executor.run(tasks[:16]))  # load the network in both workers
        started = time.perf_counter()
        done_by_dask = sum(executor.run(tasks))
        times["dask_s"] = time.perf_counter() - started
        sleeps = [Task(Sleeper(), task.chunk) for task in tasks[:20]]
        sum(executor.run(sleeps[:2]))
        started = time.perf_counter()
        sum(executor.run(sleeps))
        times["one_second_chunks_s"] = time.perf_counter() - started
        executor.close()
    if not done == done_by_dask == 4 * n:
        raise SystemExit("the engines did not do the same images")
    return {
        "images": 4 * n,
        "chunks": len(tasks),
        **{name: round(value, 2) for name, value in times.items()},
        "throughput_ratio": round(times["serial_s"] / times["dask_s"], 3),
        "overhead": round(times["one_second_chunks_s"] / (len(sleeps) / 2) - 1, 4),
    }


def explain_tasks(file: Path) -> list:
    """All chunks of the explain stage of a study, as if none were done."""
    from aisthesis.config import read_study_file
    from aisthesis.execution.jobs import Task
    from aisthesis.execution.progress import ProgressReporter
    from aisthesis.studies.ratings.explaining.explain import MapsJob, maps_store
    from aisthesis.studies.ratings.inputs.reading import read_inputs
    from aisthesis.studies.shared.network import NetworkSpec

    config = read_study_file(file)
    inputs = read_inputs(config, ProgressReporter())
    spec = NetworkSpec.of(config, config.backbones[0])
    store = maps_store(config, inputs, spec)
    import numpy as np

    chunks = inputs.chunks(np.arange(len(inputs.names)), store.chunk)
    return [Task(MapsJob(spec, store), chunk) for chunk in chunks]


class Sleeper:
    """A chunk of exactly one second, to see what the scheduling adds."""

    identity = "sleeper"

    def load(self) -> None:
        """Nothing is needed."""

    def work(self, loaded: None, chunk: object) -> None:
        """Take a second."""
        time.sleep(1.0)


def in_words(results: dict) -> str:
    """The tables for people."""
    lines = ["# Scaling", ""]
    if "growth" in results:
        g = results["growth"]
        lines += ["| images | seconds | CPU seconds | peak memory, MB |", "|---|---|---|---|"]
        lines += [
            f"| {n} | {one['seconds']} | {one['cpu_seconds']} | {one['peak_mb']} |"
            for n, one in g["images"].items()
        ]
        lines += [
            "",
            f"Memory, many against few: {g['memory_ratio']} (asked 0.9 to 1.1). Time against a "
            f"straight line through the smaller two: {g['time_against_linear']} (asked 0.9 to 1.1)"
            f"; per image {g['per_image_ms']['from few']} ms and "
            f"{g['per_image_ms']['from many']} ms.",
            "",
        ]
    if "plan" in results:
        lines += [
            "| study | planning takes, s | plan says, s | run takes, s | of what was expected |",
            "|---|---|---|---|---|",
        ]
        for name, one in results["plan"].items():
            ran = one.get("took_s")
            share = "" if ran is None else f"{ran / one['expected_s']:.2f}"
            inside = ran is None or one["low_s"] <= ran <= one["high_s"]
            lines += [
                f"| {name} | {one['wall_s']} | {one['expected_s']} ({one['low_s']} to "
                f"{one['high_s']}) | {'not run here' if ran is None else ran} | {share}"
                f"{'' if inside else ', outside'} |"
            ]
        note = results.get("plan_note", "Stages' times, without Python's start; planning with it.")
        lines += ["", note, ""]
    if "workers" in results:
        w = results["workers"]
        lines += [
            f"{w['chunks']} chunks of maps (DenseNet161, miniature, {w['images']} images): serial "
            f"with one thread {w['serial_s']} s, two Dask workers {w['dask_s']} s, "
            f"{w['throughput_ratio']} times the throughput (asked 1.7). Chunks of one second: "
            f"{100 * w['overhead']:.1f}% overhead (asked under 5%).",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
