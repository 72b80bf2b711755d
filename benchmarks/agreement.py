"""Agreement of six backbones against the plain loop, and how time and memory grow with images.

Run `python benchmarks/agreement.py [--threads 2]`; it writes results/agreement.json and .md.
The loop takes every pair and image in turn with scikit-image, SciPy and scikit-learn; it may be
timed on a sample of the images (`--loop-images`), and is then scaled to all of them. The whole
stage (both kinds of maps, five seeds, comparison, bootstrap, chance level, reliability, variance,
clusters) is timed on a study folder on disk, which it reads a few images at a time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import time
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity
from sklearn.metrics import mean_squared_error
from sklearn.metrics.pairwise import cosine_similarity

from aisthesis.agreement import ORIGINAL_METRICS, pair_values, summarise
from aisthesis.config import study_config
from aisthesis.execution.jobs import Serial
from aisthesis.execution.progress import ProgressReporter
from aisthesis.names.labels import slug
from aisthesis.store.chunk_store import ArraySpec, ChunkStore
from aisthesis.store.folder import StudyFolder
from aisthesis.store.maps_store import DIMENSIONS, IMAGES_A_CHUNK
from aisthesis.studies.ratings.comparing.agree import agree_backbones

RESULTS = Path(__file__).parent / "results"
NATIVE_SIDE = {
    "vgg16": 14,
    "vgg19": 14,
    "resnet152": 7,
    "densenet161": 7,
    "efficientnet_b3": 8,
    "barlow_twins": 7,
}
SIZE_PX = 224


def random_maps(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.normal(size=(n, side, side)).astype(np.float32)
        for name, side in NATIVE_SIDE.items()
    }


def plain_loop(maps: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Upsample and z-score each map once, then compare pair by pair and image by image."""
    pixels = {}
    for name, one in maps.items():
        large = torch.nn.functional.interpolate(
            torch.from_numpy(one).double()[:, None], size=(SIZE_PX, SIZE_PX), mode="bilinear"
        )[:, 0].numpy()
        centred = large - large.mean(axis=(1, 2), keepdims=True)
        pixels[name] = centred / large.std(axis=(1, 2), keepdims=True)
    rows = []
    for a, b in combinations(maps, 2):
        for image in range(len(maps[a])):
            x, y = pixels[a][image], pixels[b][image]
            data_range = max(x.max(), y.max()) - min(x.min(), y.min())
            row = {
                "cosine": cosine_similarity(x.reshape(1, -1), y.reshape(1, -1))[0, 0],
                "ssim": structural_similarity(x, y, data_range=data_range),
                "emd": wasserstein_distance(x.ravel(), y.ravel()),
                "mse": mean_squared_error(x.ravel(), y.ravel()),
            }
            names = {"image": image, "backbone_a": a, "backbone_b": b}
            rows += [{**names, "metric": name, "theirs": value} for name, value in row.items()]
    return rows


def against_loop(n: int, loop_images: int, repeats: int) -> dict[str, Any]:
    maps = random_maps(n)
    pair_values({name: one[:8] for name, one in maps.items()})  # both sides start warm
    plain_loop({name: one[:1] for name, one in maps.items()})
    ours_s, loop_s = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        ours = pair_values(maps)
        ours_s.append(time.perf_counter() - start)
        start = time.perf_counter()
        theirs = pd.DataFrame(plain_loop({name: one[:loop_images] for name, one in maps.items()}))
        loop_s.append((time.perf_counter() - start) * n / loop_images)
    both = ours.merge(theirs, on=["image", "metric", "backbone_a", "backbone_b"])
    difference = (both["value"] - both["theirs"]).abs().groupby(both["metric"], sort=False).max()
    return {
        "images": n,
        "loop_images_timed": loop_images,
        "comparisons": len(ours),
        "ours_s": min(ours_s),
        "loop_s": min(loop_s),
        "ratio": min(loop_s) / min(ours_s),
        "ratio_of_each_repeat": [b / a for a, b in zip(ours_s, loop_s, strict=True)],
        "largest_difference": difference.to_dict(),
    }


def peak_rss_mib() -> float:
    """Peak of this process alone: getrusage would hand on the parent's."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def one_size(n: int, metrics: tuple[str, ...], threads: int) -> dict[str, Any]:
    """Time and peak memory of a study of n images, in a fresh process."""
    torch.set_num_threads(threads)
    maps = random_maps(n)
    pair_values({name: one[:8] for name, one in maps.items()}, metrics)
    before = peak_rss_mib()
    start = time.perf_counter()
    values = pair_values(maps, metrics)
    compared = time.perf_counter() - start
    summarise(values)
    return {
        "images": n,
        "metrics": list(metrics),
        "pair_values_s": compared,
        "ms_per_image": 1000 * compared / n,
        "summarise_s": time.perf_counter() - start - compared,
        "maps_mib": sum(one.nbytes for one in maps.values()) / 2**20,
        "table_mib": float(values.memory_usage(deep=False).sum() / 2**20),
        "peak_rss_mib": peak_rss_mib(),
        "peak_rss_before_mib": before,
    }


def growth(sizes: list[int], threads: int) -> list[dict[str, Any]]:
    context = multiprocessing.get_context("spawn")
    results = []
    for metrics in (("cosine",), ORIGINAL_METRICS):
        for n in sizes:
            with context.Pool(1) as pool:
                results.append(pool.apply(one_size, (n, metrics, threads)))
            print(json.dumps(results[-1]), flush=True)
    return results


def store_maps(root: str, n: int, seeds: int) -> None:
    """Write the maps and predictions of a made-up study, a few images at a time."""
    folder = StudyFolder(Path(root))
    names = [f"{i:05d}.png" for i in range(n)]
    tables = []
    for number, (label, side) in enumerate(NATIVE_SIDE.items()):
        rng = np.random.default_rng(number)
        where = {"seed": list(range(seeds)), "image": names}
        store = ChunkStore(folder.root, f"maps.zarr/{slug(label)}", {"key": label}, IMAGES_A_CHUNK)
        lengths = {"seed": seeds, "image": n, "y": side, "x": side}
        specs = {
            name: ArraySpec(tuple((axis, lengths[axis]) for axis in DIMENSIONS[name]), name)
            for name in ("ais", "evidence", "activation")
        }
        store.prepare(specs, where, {"backbone": label})
        for number in store.numbers(n):
            size = min(IMAGES_A_CHUNK, n - number * IMAGES_A_CHUNK)
            common = rng.normal(size=(1, size, side, side))
            maps = common + rng.normal(size=(seeds, size, side, side))
            activation = rng.normal(size=(size, side, side))
            store.write(number, {"ais": maps, "evidence": -maps, "activation": activation})
        store.finish()
        values = {"prediction": rng.normal(size=n), "rating": 0.0}
        tables += [
            pd.DataFrame({"image": names, "backbone": label, "seed": seed, **values})
            for seed in range(seeds)
        ]
    pd.concat(tables).to_csv(folder.predictions, index=False)


def one_stage(root: str, n: int, metrics: tuple[str, ...], threads: int) -> dict[str, Any]:
    """Time and peak memory of the whole stage on stored maps, in a fresh process."""
    torch.set_num_threads(threads)
    labels = [{"name": "vgg16", "label": label} for label in NATIVE_SIDE]
    keys = {"images": "i", "ratings": "r", "out": root, "backbones": labels, "metrics": metrics}
    config = study_config(keys, Path(root), "benchmark")
    before, start = peak_rss_mib(), time.perf_counter()
    agree_backbones(StudyFolder(Path(root)), config, Serial(), ProgressReporter())
    return {
        "images": n,
        "metrics": list(metrics),
        "stage_s": time.perf_counter() - start,
        "peak_rss_mib": peak_rss_mib(),
        "peak_rss_before_mib": before,
    }


def stages(sizes: list[int], threads: int, seeds: int = 5) -> list[dict[str, Any]]:
    context = multiprocessing.get_context("spawn")
    results = []
    for n in sizes:
        with TemporaryDirectory() as root:
            with context.Pool(1) as pool:
                pool.apply(store_maps, (root, n, seeds))
            for metrics in (("cosine", "mse"), ORIGINAL_METRICS)[: 1 if n > 1000 else 2]:
                with context.Pool(1) as pool:
                    results.append(pool.apply(one_stage, (root, n, metrics, threads)))
                print(json.dumps(results[-1]), flush=True)
    return results


def as_markdown(report: dict[str, Any]) -> str:
    loop, machine = report["against_loop"], report["machine"]
    lines = [
        "# Agreement: measured",
        "",
        f"{machine['processor']}, {machine['threads']} threads, Python {machine['python']}, "
        f"torch {machine['torch']}, load {machine['load_at_start']:.1f} at the start.",
        "",
        f"Six backbones, {loop['images']} images, {SIZE_PX} x {SIZE_PX}, "
        f"{', '.join(ORIGINAL_METRICS)}: {loop['ours_s']:.2f} s against {loop['loop_s']:.1f} s of "
        f"the plain loop ({loop['loop_images_timed']} images timed, scaled to all): "
        f"**{loop['ratio']:.1f} times**. Largest differences: "
        + ", ".join(f"{name} {value:.1e}" for name, value in loop["largest_difference"].items())
        + ".",
        "",
        "| images | metrics | compare, s | ms per image | summarise, s | peak RSS, MiB |"
        " of it maps and table, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['images']} | {', '.join(row['metrics'])} | {row['pair_values_s']:.2f} "
        f"| {row['ms_per_image']:.2f} | {row['summarise_s']:.2f} | {row['peak_rss_mib']:.0f} "
        f"| {row['maps_mib'] + row['table_mib']:.0f} |"
        for row in report["growth"]
    ]
    lines += [
        "",
        "The whole stage on stored maps of five seeds, AIS and evidence, with its inference:",
        "",
        "| images | metrics | stage, s | peak RSS, MiB | of it before the stage, MiB |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['images']} | {', '.join(row['metrics'])} | {row['stage_s']:.1f} "
        f"| {row['peak_rss_mib']:.0f} | {row['peak_rss_before_mib']:.0f} |"
        for row in report["stages"]
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--images", type=int, default=138)
    parser.add_argument("--loop-images", type=int, default=138)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[138, 1000, 10_000])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    loop = against_loop(options.images, options.loop_images, options.repeats)
    print(json.dumps(loop, indent=1), flush=True)
    report = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": options.threads,
            "load_at_start": load,
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("torch", "numpy", "scipy", "scikit-image", "scikit-learn")
            },
        },
        "against_loop": loop,
        "growth": growth(options.sizes, options.threads),
        "stages": stages(options.sizes, options.threads),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "agreement.json").write_text(json.dumps(report, indent=1) + "\n")
    (RESULTS / "agreement.md").write_text(as_markdown(report))
    print(as_markdown(report))


if __name__ == "__main__":
    main()
