"""Chance level, reliability and components of variance of a study's stored maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
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
from aisthesis.agreement.registration import CELLS, Framed, common_part, onto_part, register
from aisthesis.agreement.seed_values import Known
from aisthesis.agreement.seeds import SeedCosines
from aisthesis.config import StudyConfig
from aisthesis.execution.progress import ProgressReporter
from aisthesis.names.explainers import BASE, SIGNED_BY_ERROR
from aisthesis.stats.permutation import Pairings
from aisthesis.studies.ratings.comparing.stored import StoredMaps
from aisthesis.studies.shared.boxes import Boxes, seen_boxes

__all__ = ["MOST_IMAGES", "N_PERMUTATIONS", "Inferred", "infer"]

#: Random pairings of the images for the chance level and p.
N_PERMUTATIONS = 9999
#: Images, at random where there are more, whose every two maps are compared by the cosine.
MOST_IMAGES = 500
#: And by a metric that compares maps one by one.
MOST_ONE_BY_ONE = 32
#: Grid over a common part on which variance is split, for every draw of the bootstrap.
VARIANCE_CELLS = 28

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
    reporter: ProgressReporter,
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
    reporter
        Told each step.
    averaged
        Further kinds of maps, stored averaged over seeds: they have a chance level, but no
        reliability.
    sides
        By backbone, on which side of the human rating its heads err on each image: chance levels
        of AIS maps, whose sign that is, are from images of the same sides.
    """
    pairs, reliabilities, variances = [], [], []
    boxes = seen_boxes({label: one[BASE[0]] for label, one in datasets.items()})
    pairings, known = Pairings(N_PERMUTATIONS, config.seed), Known()
    for kind in BASE:
        with reporter.steps(f"{kind}: chance, reliability, variance", 4) as advance:
            single = {label: one[kind] for label, one in datasets.items()}
            cosines = single_seed_cosines(single, boxes=boxes)
            advance(1)
            draws: dict[str, Any] = {"seed": config.seed, "n_boot": config.bootstrap}
            variance = _variance(single, boxes, cosines, **draws)
            advance(1)
            stable = _reliability(single, config, cosines=cosines, known=known, **draws)
            advance(1)
            if len(datasets) > 1:
                corrected = disattenuated(single, cosines=cosines, **draws)
                chance = _chance(datasets, kind, config, sides, boxes, pairings)
                both = _with_reliability(chance, stable, corrected)
                both = _over_common_parts(both, single, config, boxes, known)
                pairs.append(both.assign(map=kind))
            advance(1)
        reliabilities.append(stable.assign(map=kind))
        variances.append(variance.assign(map=kind))
    if averaged and len(datasets) > 1:
        with reporter.steps("chance level of other explainers", len(averaged)) as advance:
            for kind in averaged:
                pairs.append(
                    _chance(datasets, kind, config, sides, boxes, pairings).assign(map=kind)
                )
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
    boxes: Boxes | None,
    pairings: Pairings,
) -> pd.DataFrame:
    maps = {label: StoredMaps(one[kind]) for label, one in datasets.items()}
    options: dict[str, Any] = {"pairings": pairings, "seed": config.seed, "boxes": boxes}
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
    single: Mapping[Any, Any],
    config: StudyConfig,
    names: Sequence[str] | None = None,
    **options: Any,
) -> pd.DataFrame:
    cosines = options.pop("cosines")
    tables = []
    for (group, most), cheap in zip(_by_cost(config), (True, False, False), strict=True):
        wanted = [name for name in group if names is None or name in names]
        if cheap and wanted:
            tables.append(reliability(single, wanted, cosines=cosines, **options))
        elif wanted:
            n = int(next(iter(single.values())).shape[1])
            chosen = sampled(n, most, config.seed)
            few = {
                label: one.some(chosen) if isinstance(one, Framed) else np.asarray(one[:, chosen])
                for label, one in single.items()
            }
            tables.append(reliability(few, wanted, **options))
    order = {one.name: place for place, one in enumerate(metrics_named(config.metrics))}
    table = pd.concat(tables)
    return table.sort_values("metric", key=lambda x: x.map(order), kind="stable", ignore_index=True)


def _variance(
    single: Mapping[str, xr.DataArray], boxes: Boxes | None, cosines: SeedCosines, **draws: Any
) -> pd.DataFrame:
    """Components of variance over the part of each photograph that all networks saw."""
    if boxes is None:
        return variance_components(single, cosines=cosines, **draws)
    part = common_part(list(boxes.values()))
    framed, coarse = (
        {label: onto_part(one, boxes[label], part, cells) for label, one in single.items()}
        for cells in (CELLS, VARIANCE_CELLS)
    )
    if all(one is single[label] for label, one in framed.items()):
        return variance_components(single, cosines=cosines, **draws)
    return variance_components(framed, coarse=coarse, **draws)


def _over_common_parts(
    table: pd.DataFrame,
    single: Mapping[str, xr.DataArray],
    config: StudyConfig,
    boxes: Boxes | None,
    known: Known,
) -> pd.DataFrame:
    """Put in reliabilities by metrics of pixels over the part that both of a pair saw."""
    pairs = list(combinations(single, 2))
    registered = register(single, pairs, boxes)
    framed = {key: one for key, one in registered.maps.items() if key not in single}
    names = [name for part, _ in _by_cost(config)[1:] for name in part]
    if not framed or not names:
        return table
    options: dict[str, Any] = {"n_boot": 0, "seed": config.seed, "known": known}
    own = _reliability(framed, config, names, cosines=None, **options)
    found = own.set_index(["metric", "backbone"])["mean"]
    for pair, keys in zip(pairs, registered.pairs, strict=True):
        here = (table["backbone_a"] == pair[0]) & (table["backbone_b"] == pair[1])
        for side, key in zip("ab", keys, strict=True):
            for name in names if key in framed else ():
                row = here & (table["metric"] == name)
                table.loc[row, f"reliability_{side}"] = found[name, key]
    return table


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
