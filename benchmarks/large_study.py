"""How a study's memory and time grow to 200,000 images, stage by stage.

Every stage is the real one, one after the other in one process for each number of images, on a
folder that the stages before have filled; the most memory held is counted anew for each.

With `--explained 1000` so many images are explained (a `split` file names them), and all are fitted
on and predicted. The images are as many different pictures, rolled and mirrored from a few hundred
rendered ones. Two things are replaced, and with `--real` nothing: images that are not explained are
not decoded (their digests are made up of their names), and random numbers stand for embeddings.
Explaining, ensembles, faithfulness and all that follows run the networks. The stage `report of all`
then writes the report once more, with made-up tables of agreement as if all images were explained.

Otherwise every image is explained, and three things are replaced, so that 200,000 can be tried on
two cores: images are hard links to a few hundred rendered ones (their digests are made up of their
names), the networks' arithmetic in `embed` and `explain` is random numbers of the right shapes, and
nothing is flushed to the disk. All else (tasks, chunks, ledger, tables, statistics) is what a run
does.

    python benchmarks/large_study.py --explained 1000 --images 5000 200000 [--real] [--folder DIR]
    python benchmarks/large_study.py [--images 5000 20000 200000] [--stages ...] [--folder DIR]

Writes `results/large_study.json` and `results/large_study.md`.
"""

from __future__ import annotations

import argparse
import csv
import gc
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from unittest import mock

RENDERED = 256
SIZE_PX = 64
STUDY = """images = "images"
ratings = "ratings.csv"
out = "study"
masks = "masks"
{explained}
metrics = ["cosine", "pearson", "mse"]
seeds = {seeds}
bootstrap = 1000
randomised = 0
ensemble = true
keep_activations = "never"
[faithfulness]
images = {tested}
steps = 5
cascade_images = 1
squares = 10
[fit]
epochs = 2
batch_size = 256
learning_rate = 1e-3
[[backbones]]
name = "miniature:vgg16"
input_px = {size}
[[backbones]]
name = "miniature:resnet152"
input_px = {size}
"""
EVERY = 'explain = "all"'
SAMPLE = (
    'explain = "test"\nsplit = "split.csv"\nhuman_maps = { path = "masks/raising", kind = "masks" }'
)
STAGES = (
    "check", "fit", "explain", "agree", "methods", "channels", "ensemble maps", "localise",
    "human maps", "faithfulness", "report", "report of all",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[5000, 20_000, 200_000])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--folder", type=Path, help="where to fill and run (default: temporary)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--explained", type=int, default=0, help="so many of the images")
    parser.add_argument("--real", action="store_true", help="with --explained, replace nothing")
    parser.add_argument("--parts", type=int, nargs="*", help="steps alone, of so many images")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child and options.child[0] == "parts":
        parts(int(options.child[1]))
        return
    if options.child:
        in_child(Path(options.child[0]), options.child[1:], real=options.real)
        return
    file = options.out / "large_study.json"
    results = json.loads(file.read_text()) if file.is_file() else {}
    for n in options.parts or ():
        for part, found in measured("parts", [str(n)]):
            results.setdefault("parts", {}).setdefault(part, {})[str(n)] = found
            print(n, part, found, flush=True)
    if options.parts is not None:
        options.images = []
        file.write_text(json.dumps(results, indent=1) + "\n")
        (options.out / "large_study.md").write_text(in_words(results))
    with tempfile.TemporaryDirectory() as temporary:
        for n in options.images:
            kind = f"sample-{options.explained}" if options.explained else "large"
            folder = (options.folder or Path(temporary)) / f"{kind}-{n}"
            if not (folder / "study.toml").is_file():
                fill(folder, n, options.seeds, options.explained)
            held = results.setdefault("sample", {}) if options.explained else results
            for stage, found in measured(folder, options.stages, real=options.real):
                held.setdefault(stage, {})[str(n)] = found
                print(n, stage, found, flush=True)
                options.out.mkdir(exist_ok=True)
                file.write_text(json.dumps(results, indent=1) + "\n")
                (options.out / "large_study.md").write_text(in_words(results))


def fill(folder: Path, n: int, seeds: int, explained: int) -> None:
    """Put images, masks, ratings and a study file of `n` images into a folder."""
    from aisthesis.miniature import render_study

    rendered = folder.parent / "rendered"
    if not (rendered / "ratings.csv").is_file():
        render_study(rendered, RENDERED, seed=1, size_px=SIZE_PX)
    names = sorted(path.name for path in (rendered / "images").iterdir())
    for kind in ("images", "masks/raising", "masks/lowering"):
        place = folder / kind
        place.mkdir(parents=True, exist_ok=True)
        for i in range(n if kind == "images" else explained or n):
            source, target = rendered / kind / names[i % len(names)], place / f"{i:07d}.png"
            if explained:
                moved(source, i // len(names), target)
            elif not target.exists():
                os.link(source, target)
    with (folder / "ratings.csv").open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["image", "rating"])
        for i in range(n):
            table.writerow([f"{i:07d}.png", round(3 + 2 * _uniform(f"{i:07d}.png"), 4)])
    if explained:
        with (folder / "split.csv").open("w", newline="") as opened:
            table = csv.writer(opened)
            table.writerow(["image", "split"])
            table.writerows(
                [f"{i:07d}.png", "test" if i < explained else "train"] for i in range(n)
            )
    study = STUDY.format(
        size=SIZE_PX, seeds=seeds, explained=SAMPLE if explained else EVERY,
        tested=8 if explained else 0,
    )  # fmt: skip
    (folder / "study.toml").write_text(study)


def moved(source: Path, number: int, target: Path) -> None:
    """Write one of the pictures that a picture becomes by rolling it and mirroring it."""
    import numpy as np
    from PIL import Image

    with Image.open(source) as opened:
        pixels = np.roll(np.asarray(opened), divmod(number // 2, SIZE_PX), axis=(0, 1))
    Image.fromarray(pixels[:, ::-1] if number % 2 else pixels).save(target, compress_level=1)


def _uniform(text: str) -> float:
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8


def measured(
    folder: Path | str, stages: list[str], *, real: bool = False
) -> Iterator[tuple[str, dict]]:
    """Run stages in a process of their own: processor time and the most memory held, of each."""
    command = [sys.executable, __file__, *["--real"] * real, "--child", str(folder), *stages]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            stage, found = json.loads(line)
            yield stage, found
    if process.returncode:
        raise SystemExit(f"the stages of {folder} failed; what they said is above")


def in_child(folder: Path, stages: list[str], *, real: bool) -> None:
    """Do stages and print what each took."""
    import torch

    torch.set_num_threads(1)
    from aisthesis.execution.progress import Silent
    from aisthesis.studies.ratings.study import Study

    study = Study.from_toml(folder / "study.toml", reporter=Silent())
    stand_ins = nullcontext() if real else replaced(study.config)
    if study.config.split is None and "check" in stages:  # afterwards digests are made up
        with counted("check"):
            _ = study.inputs
        study = Study.from_toml(folder / "study.toml", reporter=Silent())
    with stand_ins, ExitStack() as stack:
        if study.config.split is not None and "check" in stages:
            with counted("check"):
                _ = study.inputs
        executor = stack.enter_context(study._at_work(here=True))
        found = {}
        for one in study._stages():  # a later one is asked for when those before are done
            found[one.name] = one
            if one.name in stages:
                with counted(one.name):
                    one.do(executor)
        if "report" in stages:
            with counted("report"):
                study.report()
        if "report of all" in stages and study.config.split is not None:
            made_up_tables(study)
            with counted("report of all"):
                study.report()
    unknown = set(stages) - {*found, "check", "report", "report of all"}
    if unknown:
        raise SystemExit(f"the study has no stage {', '.join(sorted(unknown))}")


def made_up_tables(study) -> None:
    """Write `agreement_images.csv` and `images.csv` as if all images were explained."""
    import numpy as np
    import pandas as pd

    from aisthesis.names.explainers import BASE
    from aisthesis.store.files import write_csv_parts

    names, folder = np.array(study.inputs.names), study.folder
    pair = dict(zip(("backbone_a", "backbone_b"), folder.backbone_records(), strict=True))

    def rows(columns: Callable) -> Iterator[pd.DataFrame]:
        rng = np.random.default_rng(0)
        for kind in BASE:
            for some in np.array_split(names, len(names) // 1000):
                cosine = np.tanh(rng.normal(size=len(some)))
                values = np.stack([cosine, cosine, 2 - 2 * cosine], axis=1).ravel()
                metric = np.tile(["cosine", "pearson", "mse"], len(some))
                table = {"image": np.repeat(some, 3), "map": kind, "metric": metric}
                yield pd.DataFrame(table | columns(values))

    write_csv_parts(folder.agreement_images, lambda: rows(lambda v: pair | {"value": v}))
    facts = ("prediction", "prediction_sd", "same_rating_other_evidence")
    write_csv_parts(
        folder.images,
        lambda: rows(
            lambda v: (
                {"consensus": v, "controversy": 0.0, "n_pairs": 1, "rating": 3.0}
                | dict.fromkeys(facts, v)
            )
        ),
    )


def parts(n: int) -> None:
    """Do the steps that once held most, of random numbers."""
    import numpy as np
    import pandas as pd
    import torch

    from aisthesis.agreement import summarise
    from aisthesis.agreement.summary import ByImage
    from aisthesis.heads import FitOptions, RowsOnDisk, evaluate, fit_mlp, fit_ridge

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    rating = rng.normal(size=n)
    fit_mlp(torch.randn(99, 4), torch.randn(99), np.arange(50), np.arange(50, 99))  # loads the rest
    with tempfile.TemporaryDirectory() as folder:
        rows = RowsOnDisk(n, 192, Path(folder))
        for start in range(0, n, 4096):
            some = np.arange(start, min(start + 4096, n))
            rows.put(some, rng.normal(size=(len(some), 192)).astype(np.float32))
        order = rng.permutation(n)
        train, stop = np.sort(order[: n * 64 // 100]), np.sort(order[n * 64 // 100 : n * 8 // 10])
        options = FitOptions(epochs=1, batch_size=256)
        with counted("a head, 192 entries an image, one epoch"):
            fit_mlp(rows, torch.from_numpy(rating), train, stop, options)
        with counted("ridge, 192 entries an image"):
            fit_ridge(rows, rating, train, stop)
    with counted("scores of a fifth as test images"):
        evaluate(rating[: n // 5], rating[: n // 5] + rng.normal(size=n // 5), n_boot=1000)
    groups = pd.DataFrame({"metric": ["cosine"] * 3, "backbone_a": list("aab"),
                           "backbone_b": list("bcc")})  # fmt: skip
    values = np.tanh(rng.normal(size=(n, 3)))
    held = ByImage(groups, values, np.broadcast_to(np.True_, values.shape), np.arange(n))
    with counted("agreement of three pairs, 1,000 draws"):
        summarise(held, n_boot=1000)


@contextmanager
def counted(stage: str) -> Iterator[None]:
    """Print what a stage takes: processor time, memory before and most while it is done."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the most memory held is now what is held
    before, started, begun = memory("VmRSS"), time.process_time(), time.perf_counter()
    yield
    found = {
        "cpu_seconds": round(time.process_time() - started, 1),
        "seconds": round(time.perf_counter() - begun, 1),
        "before_mb": before,
        "peak_mb": memory("VmHWM"),
    }
    print(json.dumps([stage, found]), flush=True)


def memory(which: str) -> float:
    """Memory of this process as Linux counts it, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(x.split()[1]) for x in lines if x.startswith(which)) / 1000, 1)


@contextmanager
def replaced(config) -> Iterator[None]:
    """Do without what takes hours: decoding, the networks' arithmetic, flushing to the disk."""
    import numpy as np

    from aisthesis.images import CheckedImages, check_images
    from aisthesis.names.explainers import BASE
    from aisthesis.studies.ratings.explaining import explain
    from aisthesis.studies.ratings.fitting.embed import EmbedJob
    from aisthesis.studies.ratings.inputs import reading

    explained: set[str] = set()
    if config.split is not None:
        with config.split.open(encoding="utf-8") as opened:
            explained = {row["image"] for row in csv.DictReader(opened) if row["split"] == "test"}

    def check(folder, names, **_options):
        found = check_images(folder, [name for name in names if name in explained])
        made_up = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
        sizes = dict.fromkeys(names, (SIZE_PX, SIZE_PX))
        return CheckedImages(list(names), made_up | found.digests, sizes | found.sizes_px)

    def rows(job, trunk, transform, chunk):
        width = {"miniature:vgg16": 128, "miniature:resnet152": 192}[job.spec.asked.name]
        return np.random.default_rng(chunk.number).normal(size=(len(chunk.names), width))

    def starts(spec, backbone, plans, chunk):
        yield None, np.array(chunk.ratings), None

    def both(backbone, plans, pixels, rating, carried=None):
        channels, rows, columns = backbone.map_shape
        rng, n, seeds = np.random.default_rng(len(rating)), len(rating), config.seeds
        drawn: Callable = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
        arrays = {kind: drawn(seeds, n, rows, columns) for kind in BASE}
        of_channels = {k: drawn(seeds, n, channels) for k in ("importance", "delta_prediction")}
        return arrays | of_channels | {"activation": drawn(n, rows, columns)}

    targets = [(reading, "check_images", check), (EmbedJob, "rows", rows)]
    if not explained:
        targets += [(explain, "starts_of", starts), (explain, "explain_both", both)]
    with ExitStack() as stack:
        for target, name, value in targets:
            stack.enter_context(mock.patch.object(target, name, value))
        if not explained:
            stack.enter_context(mock.patch("aisthesis.store.ledger.sync", return_value=None))
        yield


def in_words(results: dict) -> str:
    """The tables for people."""
    every = (
        f"Two miniature networks (VGG16, ResNet152), {SIZE_PX} px, every image explained, metrics "
        "that need no pixels, 1,000 bootstrap draws, one thread; all stages of one number of "
        "images in one process. Images are hard links to rendered ones; in `fit` and `explain` the "
        "networks' arithmetic is random numbers of the right shapes, and nothing is flushed to the "
        "disk. Memory is the most held during the stage, Python and libraries (about 900 MB) "
        "included; seconds are the processor's."
    )
    lines = ["# Large studies, stage by stage", "", "## A sample explained", ""]
    lines += [*results.get("sample_notes", ["Not run."]), ""]
    lines += stage_table(results.get("sample", {}))
    lines += ["", "## Every image explained", "", every, "", *stage_table(results)]
    if "parts" in results:
        lines += ["", "Steps alone, of random numbers:", ""]
        lines += ["| step | images | MB before | MB most | s |", "|---|---|---|---|---|"]
        lines += [
            f"| {part} | {int(n):,} | {one['before_mb']:,.0f} | {one['peak_mb']:,.0f} "
            f"| {one['cpu_seconds']:,.1f} |"
            for part, found in results["parts"].items()
            for n, one in found.items()
        ]
    for note in results.get("notes", []):
        lines += ["", note]
    return "\n".join(lines) + "\n"


def stage_table(results: dict) -> list[str]:
    """Memory and time of each stage for each number of images."""
    sizes = sorted({int(n) for stage in STAGES for n in results.get(stage, {})})
    if not sizes:
        return []
    lines = [
        "| stage | " + " | ".join(f"{n:,}: MB | s" for n in sizes) + " | most against fewest, MB |",
        "|---|" + "---|---|" * len(sizes) + "---|",
    ]
    for stage in (one for one in STAGES if results.get(one)):
        held = [results[stage].get(str(n)) for n in sizes]
        cells = [
            f"{one['peak_mb']:,.0f} | {one['cpu_seconds']:,.0f}" if one else "not run | "
            for one in held
        ]
        peaks = [one["peak_mb"] for one in held if one]
        ratio = f"{peaks[-1] / peaks[0]:.2f}" if len(peaks) > 1 else ""
        lines.append(f"| {stage} | {' | '.join(cells)} | {ratio} |")
    return lines


if __name__ == "__main__":
    main()
