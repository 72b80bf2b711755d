"""Chance level, reliability and components of variance of a study's stored maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from aisthesis.agreement import (
    chance_level,
    disattenuated,
    reliability,
    single_seed_cosines,
    variance_components,
)
from aisthesis.agreement.chance import sampled
from aisthesis.agreement.metrics import metric, metrics_named
from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator
from aisthesis.explainer_names import BASE, SIGNED_BY_ERROR
from aisthesis.pipeline.stored import StoredMaps

__all__ = ["MOST_IMAGES", "N_PERMUTATIONS", "Inferred", "infer"]

#: Random pairings of the images for the chance level and p.
N_PERMUTATIONS = 9999
#: Images, at random where there are more, whose every two maps are compared by the cosine.
MOST_IMAGES = 500
#: And by a metric that compares maps one by one.
MOST_ONE_BY_ONE = 32

_PAIR = ["backbone_a", "backbone_b"]
_DISATTENUATED = ("disattenuated", "disattenuated_low", "disattenuated_high")


@dataclass(frozen=True)
class Inferred:
    """Columns for the table of pairs, and the tables that stand on their own."""

    pairs: pd.DataFrame
    others: dict[str, pd.DataFrame]


Opened = Mapping[str, Mapping[str, xr.DataArray]]  # by backbone: arrays by kind of map


def infer(
    datasets: Opened,
    config: StudyConfig,
    narrator: Narrator,
    averaged: Sequence[str] = (),
    sides: Mapping[str, NDArray[np.float64]] | None = None,
) -> Inferred:
    """Infer from the stored maps what the agreement of the backbones is worth.

    Parameters
    ----------
    datasets
        Stored maps by backbone, at least one.
    config
        Metrics, bootstrap draws, seed, and how many images metrics of pixels are inferred from.
    narrator
        Told each step.
    averaged
        Further kinds of maps, stored averaged over seeds: they have a chance level, but no
        reliability.
    sides
        By backbone, on which side of the human rating its heads err on each image: chance levels
        of AIS maps, whose sign that is, are from images of the same sides.
    """
    pairs, reliabilities, variances = [], [], []
    for kind in BASE:
        with narrator.steps(f"{kind}: chance, reliability, variance", 4) as advance:
            single = {label: one[kind] for label, one in datasets.items()}
            cosines = single_seed_cosines(single)
            advance(1)
            draws: dict[str, Any] = {"seed": config.seed, "n_boot": config.bootstrap}
            variance = variance_components(single, cosines=cosines, **draws)
            advance(1)
            stable = _reliability(single, config, cosines=cosines, **draws)
            advance(1)
            if len(datasets) > 1:
                corrected = disattenuated(single, cosines=cosines, **draws)
                both = _with_reliability(_chance(datasets, kind, config, sides), stable, corrected)
                pairs.append(both.assign(map=kind))
            advance(1)
        reliabilities.append(stable.assign(map=kind))
        variances.append(variance.assign(map=kind))
    if averaged and len(datasets) > 1:
        with narrator.steps("chance level of other explainers", len(averaged)) as advance:
            for kind in averaged:
                pairs.append(_chance(datasets, kind, config, sides).assign(map=kind))
                advance(1)
    return Inferred(
        pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(),
        {
            "reliability": pd.concat(reliabilities, ignore_index=True),
            "variance": pd.concat(variances, ignore_index=True),
        },
    )


def _by_cost(config: StudyConfig) -> list[tuple[list[str], int]]:
    """Names of the study's metrics by cost, and how many images are compared with each other.

    First those that the cosine gives, then those compared by products of matrices, then others.
    """
    most = (MOST_IMAGES, config.inference_images, min(config.inference_images, MOST_ONE_BY_ONE))
    groups: list[list[str]] = [[], [], []]
    for one in metrics_named(config.metrics):
        cost = 0 if one.of_cosine is not None else 1 if one.cross is not None else 2
        groups[cost].append(one.name)
    return list(zip(groups, most, strict=True))


def _chance(
    datasets: Opened,
    kind: str,
    config: StudyConfig,
    sides: Mapping[str, NDArray[np.float64]] | None,
) -> pd.DataFrame:
    maps = {label: StoredMaps(one[kind]) for label, one in datasets.items()}
    options: dict[str, Any] = {"n_permutations": N_PERMUTATIONS, "seed": config.seed}
    if kind in SIGNED_BY_ERROR:
        options["sides"] = sides
    tables = [
        chance_level(maps, names, max_images=most, **options)
        for names, most in _by_cost(config)
        if names
    ]
    order = {one.name: place for place, one in enumerate(metrics_named(config.metrics))}
    return pd.concat(tables).sort_values(
        "metric", key=lambda x: x.map(order), kind="stable", ignore_index=True
    )


def _reliability(
    single: Mapping[str, xr.DataArray], config: StudyConfig, **options: Any
) -> pd.DataFrame:
    (cheap, _), *on_pixels = _by_cost(config)
    tables = [reliability(single, cheap, **options)] if cheap else []
    options.pop("cosines")
    for names, most in on_pixels:
        if names:
            n = next(iter(single.values())).sizes["image"]
            chosen = sampled(n, most, config.seed)
            few = {label: one[:, chosen].values for label, one in single.items()}
            tables.append(reliability(few, names, **options))
    order = {one.name: place for place, one in enumerate(metrics_named(config.metrics))}
    table = pd.concat(tables)
    return table.sort_values("metric", key=lambda x: x.map(order), kind="stable", ignore_index=True)


def _with_reliability(
    chance: pd.DataFrame, stable: pd.DataFrame, corrected: pd.DataFrame
) -> pd.DataFrame:
    """Join reliabilities to the pairs; the correction for them holds for correlations alone."""
    table = chance
    for side in ("a", "b"):
        names = {"backbone": f"backbone_{side}", "mean": f"reliability_{side}"}
        own = stable.rename(columns=names)[["metric", *names.values()]]
        table = table.merge(own, on=["metric", f"backbone_{side}"], how="left")
    correlation = table["metric"].map(lambda name: metric(name).disattenuates).astype(bool)
    found = table[_PAIR].merge(corrected, on=_PAIR, how="left")
    for name in ("single_seed", *_DISATTENUATED):
        table[name] = found[name].where(correlation)
    for name in ("reliability_a", "reliability_b"):
        table[name] = table[name].mask(correlation & found[name].notna(), found[name])
    return table
