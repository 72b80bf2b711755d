"""AIS for similarity judgments by updated correlations against recomputing every matrix.

Run `python benchmarks/alignment.py [--threads 2]`; it writes results/alignment.json and .md. Both
sides are timed in one run. Recomputing is timed on a sample of channels (and of images and
channels), spread evenly over all, and scaled to all; on the sample both sides' values are compared.
The embeddings are random, one entry a channel; the time does not depend on what is in them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from aisthesis.importance.similarity import OwnedEmbeddings, alignment_scores

RESULTS = Path(__file__).parent / "results"
CASES = {"92 images, 512 channels": (92, 512), "1,000 images, 2,048 channels": (1000, 2048)}


def embeddings(n: int, channels: int) -> tuple[OwnedEmbeddings, np.ndarray]:
    rng = np.random.default_rng(0)
    z = rng.gamma(0.5, size=(n, channels))
    rest = 0.1 * rng.random((n, channels))
    human = np.triu(rng.random((n, n)), 1)
    return OwnedEmbeddings(z, rest, np.arange(channels), channels), human + human.T


def agreement(z: np.ndarray, human: np.ndarray, upper: tuple[np.ndarray, np.ndarray]) -> float:
    return float(np.corrcoef(np.corrcoef(z)[upper], -human[upper])[0, 1])


def recomputed_data_set(
    made: OwnedEmbeddings, human: np.ndarray, channels: np.ndarray
) -> np.ndarray:
    upper = np.triu_indices(made.n, 1)
    full = agreement(made.intact, human, upper)
    return np.array([full - agreement(made.without(c), human, upper) for c in channels])


def recomputed_images(
    made: OwnedEmbeddings, human: np.ndarray, pairs: list[tuple[int, int]]
) -> np.ndarray:
    values = []
    intact = np.corrcoef(made.intact)
    for i, channel in pairs:
        others = np.arange(made.n) != i
        mixed = made.intact.copy()
        mixed[i, channel] = made.emptied[i, channel]
        rows = [
            np.corrcoef(matrix[i, others], -human[i, others])[0, 1]
            for matrix in (intact, np.corrcoef(mixed))
        ]
        values.append(rows[0] - rows[1])
    return np.array(values)


def timed(function: Any, *args: Any, repeats: int = 1, **kwargs: Any) -> tuple[float, Any]:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = function(*args, **kwargs)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds)), result


def measure(n: int, channels: int, sample: int) -> dict[str, Any]:
    made, human = embeddings(n, channels)
    repeats = 9 if n < 200 else 3
    alignment_scores(made, human)  # both sides start warm
    recomputed_data_set(made, human, np.arange(2))
    some = np.unique(np.linspace(0, channels - 1, min(sample, channels)).astype(int))
    pairs = [(int(k * 7 % n), int(c)) for k, c in enumerate(some)]
    data_s, data = timed(alignment_scores, made, human, images=False, repeats=repeats)
    both_s, both = timed(alignment_scores, made, human, repeats=repeats)
    brute_s, brute = timed(recomputed_data_set, made, human, some)
    rows_s, rows = timed(recomputed_images, made, human, pairs)
    brute_all = brute_s * channels / len(some)
    rows_all = rows_s * n * channels / len(pairs)
    return {
        "images": n,
        "channels": channels,
        "sample": len(some),
        "data_set_s": data_s,
        "recomputed_data_set_s": brute_all,
        "data_set_ratio": brute_all / data_s,
        "data_set_and_images_s": both_s,
        "recomputed_images_s": rows_all,
        "both_ratio": (brute_all + rows_all) / both_s,
        "data_set_error": float(np.abs(data.data_set[some] - brute).max()),
        "images_error": float(max(abs(both.image[i, c] - v) for (i, c), v in zip(pairs, rows,
                                                                                strict=True))),
    }  # fmt: skip


def peak_mib(n: int, channels: int, queue: Any) -> None:
    """In a process of its own: what all scores need, from the embeddings on."""
    made, human = embeddings(n, channels)
    alignment_scores(made, human)
    queue.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def in_own_process(n: int, channels: int) -> float:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=peak_mib, args=(n, channels, queue))
    process.start()
    value = float(queue.get())
    process.join()
    return value


def table(results: dict[str, Any]) -> str:
    lines = [
        "# AIS for similarity judgments: measured",
        "",
        f"{results['machine']}.",
        "",
        "Seconds for all channels (data set) and for all channels, data set and every image (both),"
        " against recomputing every correlation matrix with NumPy (timed on a sample, scaled).",
        "",
        "| | data set, s | recomputed, s | times | both, s | recomputed, s | times | largest "
        "difference | peak RSS, MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in results["cases"].items():
        both = row["recomputed_data_set_s"] + row["recomputed_images_s"]
        worst = max(row["data_set_error"], row["images_error"])
        lines.append(
            f"| {name} | {row['data_set_s']:.4f} | {row['recomputed_data_set_s']:,.2f} | "
            f"**{row['data_set_ratio']:,.0f}** | {row['data_set_and_images_s']:.4f} | "
            f"{both:,.0f} | **{row['both_ratio']:,.0f}** | {worst:.1e} | "
            f"{row['peak_rss_mib']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sample", type=int, default=48)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    results: dict[str, Any] = {
        "machine": f"{platform.machine()}, {options.threads} threads, Python "
        f"{platform.python_version()}, NumPy {version('numpy')}, load {load:.1f} at the start",
        "cases": {},
    }
    for name, (n, channels) in CASES.items():
        sample = options.sample if n < 200 else max(4, options.sample // 6)
        results["cases"][name] = measure(n, channels, sample)
        results["cases"][name]["peak_rss_mib"] = in_own_process(n, channels)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "alignment.json").write_text(json.dumps(results, indent=2) + "\n")
    (RESULTS / "alignment.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    # The libraries read the number of threads when they are loaded.
    threads = str(next((a for b, a in pairwise(sys.argv) if b == "--threads"), 2))
    if os.environ.get("OMP_NUM_THREADS") != threads:
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = threads
        os.execv(sys.executable, [sys.executable, *sys.argv])
    main()
