"""How often tests find what is not there, and intervals hold what they should.

Simulated studies whose truth is known. Writes benchmarks/results/inference.md:

    python benchmarks/inference.py [studies]
"""

from __future__ import annotations

import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np

from aisthesis.agreement import chance_level
from aisthesis.heads import evaluate, score_differences
from aisthesis.stats.bootstrap import mean_intervals
from aisthesis.stats.differences import mean_differences

RESULT = Path(__file__).parent / "results" / "inference.md"
PLACE = np.random.default_rng(99).normal(size=(6, 6))
PLACE = (PLACE - PLACE.mean()) / PLACE.std()
RHO, SLOPE = 0.6, 0.5
ERROR = 1 - 2 * SLOPE * RHO + SLOPE**2
SCORES = {
    "plcc": RHO, "srcc": 6 / np.pi * np.arcsin(RHO / 2), "krcc": 2 / np.pi * np.arcsin(RHO),
    "rmse": ERROR**0.5, "mae": (2 / np.pi * ERROR) ** 0.5, "r2": 2 * SLOPE * RHO - SLOPE**2,
}  # fmt: skip
SHAPES = {
    "normal": (lambda rng, size: rng.normal(size=size), 0.0),
    "beta(2, 5)": (lambda rng, size: rng.beta(2, 5, size=size), 2 / 7),
    "exponential": (lambda rng, size: rng.exponential(size=size), 1.0),
}


def null_size(n: int, metric: str, kind: str, studies: int) -> float:
    """P(p < .05) of maps that share a bias of .10 but nothing of the image."""
    found = []
    for seed in range(studies):
        rng = np.random.default_rng([n, seed])
        below = {"equal sides": 0.5, "unequal sides": 0.8}.get(kind, 1.0)
        side = np.where(rng.uniform(size=n) < below, -1.0, 1.0)
        sides = {"a": side, "b": side * np.where(rng.uniform(size=n) < 0.85, 1, -1)}
        maps = {
            name: np.sqrt(0.1) * PLACE + np.sqrt(0.9) * rng.normal(size=(n, 6, 6)) for name in "ab"
        }
        signed = kind != "evidence"
        if signed:
            maps = {name: -sides[name][:, None, None] * one for name, one in maps.items()}
        table = chance_level(
            maps, [metric], 16, n_permutations=199, sides=sides if signed else None
        )
        found.append(table["p"][0])
    return float(np.mean(np.array(found) <= 0.05))


def score_coverage(n: int, studies: int) -> dict[str, float]:
    """Share of studies whose interval of each score holds its true value."""
    rng, hits = np.random.default_rng(n), dict.fromkeys(SCORES, 0)
    for _ in range(studies):
        y = rng.normal(size=n)
        f = SLOPE * (RHO * y + np.sqrt(1 - RHO**2) * rng.normal(size=n))
        scores = evaluate(y, f, n_boot=200)
        for name, truth in SCORES.items():
            hits[name] += scores[f"{name}_low"] <= truth <= scores[f"{name}_high"]
    return {name: count / studies for name, count in hits.items()}


def heavy_coverage(n: int, studies: int) -> dict[str, float]:
    """As `score_coverage`, of errors with Student's t distribution of three degrees of freedom."""
    rng, truths = np.random.default_rng(n), {"rmse": 3**0.5, "mae": 2 * 3**0.5 / np.pi}
    hits = dict.fromkeys(truths, 0)
    for _ in range(studies):
        y = rng.normal(size=n)
        scores = evaluate(y, y + rng.standard_t(3, size=n), n_boot=200)
        for name, truth in truths.items():
            hits[name] += scores[f"{name}_low"] <= truth <= scores[f"{name}_high"]
    return {name: count / studies for name, count in hits.items()}


def false_score_differences(n: int, studies: int) -> dict[str, float]:
    """Share of studies in which any of 15 differences between six equal predictors is found."""
    pairs, hits = list(combinations(range(6), 2)), dict.fromkeys(SCORES, 0)
    for seed in range(studies):
        rng = np.random.default_rng([n, seed])
        y, common = rng.normal(size=(2, n))
        own = rng.normal(size=(6, n))
        f = RHO * y + np.sqrt(1 - RHO**2) * (common + own) / np.sqrt(2)
        found = score_differences(y, dict(enumerate(f)), pairs, n_boot=200)
        for name, rows in found.groupby("score"):
            hits[str(name)] += bool((rows["p_corrected"] < 0.05).any())
    return {name: count / studies for name, count in hits.items()}


def false_differences(n: int, studies: int) -> float:
    """Share of studies in which any of 15 differences of nothing is found."""
    i, j = np.triu_indices(6, 1)
    found = 0
    for seed in range(studies):
        rng = np.random.default_rng([n, seed])
        values = rng.normal(size=(n, 6)) + rng.normal(size=(n, 1))
        found += bool((mean_differences(values[:, i] - values[:, j]).p_corrected < 0.05).any())
    return found / studies


def main() -> None:
    """Measure everything and write the table."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    started = time.perf_counter()
    rows = []
    for n in (20, 60, 140):
        for kind in ("equal sides", "unequal sides", "evidence"):
            for metric in ("cosine", "ssim", "emd"):
                share = null_size(n, metric, kind, studies)
                what = kind if kind == "evidence" else f"AIS, {kind}"
                rows.append((f"p of {metric}", f"{what}, shared bias .10, n = {n}", "size", share))
    for n in (3, 5, 8, 20, 60, 140):
        for name, (draw, truth) in SHAPES.items():
            values = draw(np.random.default_rng(n), (n, 3000))
            low, high = mean_intervals(values, n_boot=400)
            share = float(np.mean((low <= truth) & (high >= truth)))
            rows.append(("mean", f"{name}, n = {n}", "coverage", share))
        # Of three images a correlation has no interval.
        for name, share in (score_coverage(n, 2 * studies) if n > 3 else {}).items():
            rows.append((name, f"bivariate normal, n = {n}", "coverage", share))
        if n >= 20:
            for name, share in heavy_coverage(n, 2 * studies).items():
                rows.append((name, f"errors of t(3), n = {n}", "coverage", share))
        for name, share in (false_score_differences(n, studies) if n > 3 else {}).items():
            rows.append((f"any of 15 differences of {name}", f"n = {n}", "size", share))
        rows.append(
            (
                "any of 15 differences",
                f"equal means, n = {n}",
                "size",
                false_differences(n, studies),
            )
        )
    lines = [f"| {a} | {b} | {c} | {d:.3f} |" for a, b, c, d in rows]
    head = [
        "# Sizes and coverages of simulated studies", "",
        f"Of nominal .05 and .95, {studies} studies (means 3000, scores twice as many); "
        f"{time.perf_counter() - started:.0f} s. A size of .05 has a standard error of "
        f"{(0.05 * 0.95 / studies) ** 0.5:.3f}. Written by benchmarks/inference.py.", "",
        "| statistic | situation | what | measured |", "|---|---|---|---|",
    ]  # fmt: skip
    RESULT.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
