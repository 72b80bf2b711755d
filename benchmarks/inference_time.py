"""Seconds of a study's inference, against loops that take every two maps in turn.

    OMP_NUM_THREADS=1 python benchmarks/inference_time.py [--threads 2]

138 images, six networks, three seeds, the four metrics of the original description, all kinds of
maps, crops of three kinds: chance levels with 9,999 pairings, reliability, variance, correction
for attenuation. The loops compare pixels with scikit-image and SciPy; they would take hours, so
each piece is timed on a sample in the same run and scaled to all. Writes results/inference_time.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity

from aisthesis.agreement import MapStack
from aisthesis.config import study_config
from aisthesis.execution.cluster import keep_memory
from aisthesis.execution.progress import Silent
from aisthesis.names.explainers import BASE, SIGNED_BY_ERROR
from aisthesis.studies.ratings.comparing.inference import N_PERMUTATIONS, infer

RESULT = Path(__file__).parent / "results" / "inference_time.md"
#: Rows and columns of the maps, and the share of a photograph's side that the network reads.
NETWORKS = {
    "vgg16": (14, 0.875), "vgg19": (14, 0.875), "resnet152": (7, 0.966),
    "densenet161": (7, 0.875), "efficientnet_b3": (8, 0.9375), "barlow_twins": (7, 0.875),
}  # fmt: skip
N_IMAGES, N_SEEDS, PHOTOGRAPH_PX = 138, 3, 512
METRICS = ("cosine", "ssim", "emd", "mse")


def made_up_maps() -> tuple[dict[str, dict[str, xr.DataArray]], dict[str, np.ndarray]]:
    """Maps of every kind by network, and the mean sign of each head's errors."""
    datasets, sides = {}, {}
    for number, (label, (cells, share)) in enumerate(NETWORKS.items()):
        rng = np.random.default_rng(number)
        edge = (1 - share) / 2 * PHOTOGRAPH_PX
        box = np.tile([edge, edge, PHOTOGRAPH_PX - edge, PHOTOGRAPH_PX - edge], (N_IMAGES, 1))
        coords = {
            "image": [f"{i:03d}.png" for i in range(N_IMAGES)],
            **{
                name: ("image", box[:, k])
                for k, name in enumerate(("crop_left", "crop_top", "crop_right", "crop_bottom"))
            },
            "width_px": ("image", np.full(N_IMAGES, PHOTOGRAPH_PX)),
            "height_px": ("image", np.full(N_IMAGES, PHOTOGRAPH_PX)),
        }
        shared = rng.normal(size=(1, N_IMAGES, cells, cells))
        # Where two heads of one network are at odds, which is on every seventh image, seeds differ.
        errors = np.broadcast_to(rng.choice([-1.0, 1.0], N_IMAGES), (N_SEEDS, N_IMAGES)).copy()
        errors[0, ::7] *= -1
        datasets[label] = {}
        for kind in (name for name in BASE if name not in SIGNED_BY_ERROR):
            evidence = shared + 0.6 * rng.normal(size=(N_SEEDS, N_IMAGES, cells, cells))
            signed = -errors[..., None, None] * evidence
            ais = {"evidence": "ais", "evidence_place": "ais_place"}[kind]
            for name, values in ((kind, evidence), (ais, signed)):
                datasets[label][name] = xr.DataArray(
                    values.astype(np.float32), dims=("seed", "image", "y", "x"), coords=coords
                )
        sides[label] = errors.mean(axis=0)
    return datasets, sides


def loop_seconds(maps: np.ndarray, repeats: int = 40) -> dict[str, float]:
    """Seconds of one comparison by each metric, and of one pairing's mean."""
    pixels = MapStack.of(maps[: 2 * repeats]).pixels().numpy()
    pairs = list(zip(pixels[::2], pixels[1::2], strict=True))
    table = np.random.default_rng(0).normal(size=(N_IMAGES, N_IMAGES))
    rng = np.random.default_rng(1)
    work = {
        "cosine": lambda a, b: (a * b).mean(),
        "mse": lambda a, b: ((a - b) ** 2).mean(),
        "emd": lambda a, b: wasserstein_distance(a.ravel(), b.ravel()),
        "ssim": lambda a, b: structural_similarity(
            a, b, data_range=max(a.max(), b.max()) - min(a.min(), b.min())
        ),
        "pairing": lambda a, b: table[np.arange(N_IMAGES), rng.permutation(N_IMAGES)].mean(),
    }
    found = {}
    for name, one in work.items():
        start = time.process_time()
        for a, b in pairs:
            one(a, b)
        found[name] = (time.process_time() - start) / len(pairs)
    return found


def main() -> None:
    """Time both sides and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    keep_memory()
    datasets, sides = made_up_maps()
    backbones = [{"name": "vgg16", "label": label} for label in NETWORKS]
    keys = {"images": "i", "ratings": "r", "out": "o", "backbones": backbones, "metrics": METRICS}
    config = study_config(keys, Path(), "benchmark")
    load, wall, spent = os.getloadavg()[0], time.perf_counter(), time.process_time()
    inferred = infer(datasets, config, Silent(), (), sides)
    wall, spent = time.perf_counter() - wall, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    one = loop_seconds(datasets["vgg16"]["evidence"].values[0])
    n_pairs = len(list(combinations(NETWORKS, 2)))
    comparisons = len(BASE) * (
        n_pairs * N_IMAGES**2  # every two images, for the chance level
        + len(NETWORKS) * N_IMAGES * N_SEEDS * (N_SEEDS - 1) // 2  # two seeds, for reliability
    )
    loops = comparisons * sum(one[name] for name in METRICS)
    loops += len(BASE) * n_pairs * len(METRICS) * N_PERMUTATIONS * one["pairing"]
    by = pd.Series(one).drop("pairing")
    lines = [
        "# Inference of a study: measured",
        "",
        f"{N_IMAGES} images, {len(NETWORKS)} networks, {N_SEEDS} seeds, {', '.join(METRICS)}, "
        f"{len(BASE)} kinds of map, crops of three kinds; {threads} threads, load {load:.1f} at "
        "the start. Written by benchmarks/inference_time.py.",
        "",
        f"- `infer`: {wall:.1f} s, {spent:.1f} s of processor time, peak {peak:.0f} MiB, "
        f"{len(inferred.pairs)} rows of pairs",
        f"- loops over every two maps and every pairing, scaled from samples: {loops / 3600:.1f} h "
        f"of processor time ({', '.join(f'{name} {1000 * s:.2f} ms' for name, s in by.items())} a "
        f"comparison; {comparisons:,} comparisons)",
        f"- ratio of processor times: **{loops / spent:.0f}**",
    ]
    RESULT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
