"""What the original description concludes: grids, SSIM against cosine, who is far, who is alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.report.folder.image_values import paired_values, values_by_image
from aisthesis.report.folder.selection import leading_kind, metric_names
from aisthesis.report.sentences.estimates import Estimate
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.pair_words import SIGNIFICANT
from aisthesis.report.words.wording import (
    FEW_IMAGES,
    KIND_NAMES,
    and_list,
    count,
    number,
    same_number,
    size,
    span,
)
from aisthesis.stats.bootstrap import mean_intervals
from aisthesis.stats.means import mean_of_defined

__all__ = [
    "observe_family",
    "observe_far",
    "observe_grids",
    "observe_near_zero",
    "observe_ssim",
    "shape_estimates",
]

_PAIR = ["backbone_a", "backbone_b"]
_BOUNDS = (-2.0, 2.0)  # of a difference of two cosines, or of SSIM and cosine
#: A mean cosine closer to zero is called near it; the same step at which maps "hardly agree".
NEAR_ZERO = 0.1
#: What is estimated.
SSIM_LESS_COSINE = "SSIM less cosine"
WITHIN_FAMILIES = "agreement within families less between them"


def observe_grids(backbones: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Say how coarse each network's maps are, and what follows where grids differ.

    Parameters
    ----------
    backbones : mapping
        `provenance.json`'s record of each.
    """
    grids: dict[tuple[int, int], list[str]] = {}
    for label, facts in backbones.items():
        if facts.get("map_shape") and not facts.get("predicts_only"):
            _, height, width = facts["map_shape"]
            grids.setdefault((int(height), int(width)), []).append(str(label))
    if not grids:
        return None
    ordered = sorted(grids, key=lambda grid: -grid[0] * grid[1])
    if len(ordered) == 1:
        return (
            f"Maps have {_grid(ordered[0])} places over what a network reads: nothing smaller than "
            "a place can be told apart."
        )
    listed = [f"{_grid(grid)} for {and_list(grids[grid])}" for grid in ordered]
    finest, coarsest = ordered[0], ordered[-1]
    times = finest[0] * finest[1] / (coarsest[0] * coarsest[1])
    return (
        f"Maps have as many places as their layer: {and_list(listed)}. A place of the coarsest "
        f"covers {number(times, 0 if times == round(times) else 1)} times the area of one of the "
        "finest (of what each network reads), so two such maps cannot agree on anything smaller, "
        "and part of their disagreement is the grid."
    )


def _grid(grid: tuple[int, int]) -> str:
    return f"{grid[0]} × {grid[1]}"


def _mean_and_interval(each: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """Mean over images, with its 95% interval; None of few images."""
    each = each[np.isfinite(each)]
    if len(each) < FEW_IMAGES:
        return None
    low, high = mean_intervals(each[:, None], seed=0, n_boot=2000, bounds=_BOUNDS)
    return float(each.mean()), float(low[0]), float(high[0])


def shape_estimates(
    per_image: pd.DataFrame, backbones: Mapping[str, Mapping[str, Any]]
) -> list[Estimate]:
    """Estimate SSIM against cosine, and agreement within families against that between them.

    Parameters
    ----------
    per_image : pandas.DataFrame
        `agreement_images.csv`; may be empty.
    backbones : mapping
        `provenance.json`'s record of each.

    Returns
    -------
    list of Estimate
        Differences on the same images, means over pairs, of the leading kind of map.
    """
    kind = leading_kind(per_image["map"].dropna().unique())
    _, of_both, ssim = paired_values(per_image, (kind, "cosine"), (kind, "ssim"))
    pairs, cosine = values_by_image(per_image, kind, "cosine")
    family = _families(backbones)
    within = np.array([family.get(a, a) == family.get(b, b) for a, b in pairs], dtype=bool)
    alike, apart = (mean_of_defined(cosine[:, some], axis=1) for some in (within, ~within))
    differences = {
        ("ssim", SSIM_LESS_COSINE): mean_of_defined(ssim - of_both, axis=1),
        ("cosine", WITHIN_FAMILIES): alike - apart,
    }
    found = []
    for (metric, about), values in differences.items():
        ends = _mean_and_interval(values)
        if ends is not None:
            n = int(np.isfinite(values).sum())
            found.append(Estimate(about, str(kind), metric, "difference", *ends, 0.95, n))
    return found


def _families(backbones: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Family of each network by the letters that its name begins with: `vgg` of `vgg16`."""
    found = {}
    for label, facts in backbones.items():
        name = re.split(r"[\s.:]", str(facts.get("network") or facts.get("name") or label))[-1]
        letters = re.match(r"[a-z]+", name.lower())
        found[str(label)] = letters[0] if letters else name
    return found


def observe_ssim(agreement: pd.DataFrame, found: Estimate | None) -> str | None:
    """Say for how many pairs SSIM lies above cosine, and whether it does on average.

    Parameters
    ----------
    agreement : pandas.DataFrame
        `agreement.csv`.
    found : Estimate, optional
        SSIM less cosine, of `shape_estimates`.
    """
    if found is None or not found.known:
        return None
    rows = agreement[agreement["map"] == found.map]
    wide = rows.pivot_table(index=_PAIR, columns="metric", values="mean")
    wide = wide.reindex(columns=["ssim", "cosine"]).dropna()
    if wide.empty:
        return None
    above = int((wide["ssim"] > wide["cosine"]).sum())
    of = "the one pair" if len(wide) == 1 else f"{above} of {count(len(wide), 'pair')}"
    if len(wide) == 1 and not above:
        of = "no pair"
    interval = span(found.low, found.high)
    start = f"SSIM of {KIND_NAMES.get(found.map, found.map)} maps lies above cosine for {of}"
    if not found.shown:
        return (
            f"{start}; on average neither is shown to be higher (difference {number(found.value)}, "
            f"95% interval {interval})."
        )
    word = "above" if found.value > 0 else "below"
    return (
        f"{start}, on average by {size(found.value)} {word} it (95% interval of the difference "
        f"{interval})."
    )


def observe_far(agreement: pd.DataFrame, differences: pd.DataFrame | None) -> str | None:
    """Say which network is farthest from the others by every metric, and whether that is clear.

    By paired differences of the networks' mean agreement on the same images, corrected.

    Parameters
    ----------
    agreement, differences : pandas.DataFrame
        `agreement.csv` and `agreement_differences.csv`.

    Returns
    -------
    str or None
        None of fewer than three networks, or where two are equally far by some metric.
    """
    kind = leading_kind(agreement["map"].dropna())
    rows = agreement[agreement["map"] == kind].dropna(subset=["mean"])
    metrics = metric_names(rows)
    if "cosine" in metrics:  # which MSE repeats
        metrics = [name for name in metrics if name != "mse"]
    far = {name: _farthest(rows[rows["metric"] == name], name) for name in metrics}
    if not far or None in far.values():
        return None
    titles = {name: _title(name) for name in metrics}
    name = KIND_NAMES.get(str(kind), str(kind))
    if len(set(far.values())) > 1:
        listed = [f"{who} by {titles[metric]}" for metric, who in far.items()]
        return f"No network’s {name} maps are farthest by every metric: {and_list(listed)}."
    who = str(next(iter(far.values())))
    p = {metric: _tested(differences, str(kind), metric, who) for metric in metrics}
    clear = [titles[m] for m in metrics if len(p[m]) and (p[m] < SIGNIFICANT).all()]
    untested = not any(np.isfinite(one).any() for one in p.values())
    by = "the one metric" if len(metrics) == 1 else "every metric"
    start = f"By {by} ({and_list(list(titles.values()))}) the {name} maps of {who} are farthest"
    if untested:
        return f"{start} from the others’; whether by more than chance was not tested."
    if not clear:
        return (
            f"{start} from the others’, but by none clearly so on the same images (corrected over "
            "networks)."
        )
    which = "" if len(clear) == len(metrics) else f" by {and_list(clear)}"
    return (
        f"{start} from the others’, clearly farther than every other network’s on the same "
        f"images{which} (corrected over networks)."
    )


def _title(metric: str) -> str:
    title = describe(metric).title
    return title if title.startswith(("Pearson", "Spearman")) else title[:1].lower() + title[1:]


def _farthest(rows: pd.DataFrame, metric: str) -> str | None:
    """Name the network whose mean over its pairs is least alike; None of ties or two networks."""
    labels = list(dict.fromkeys([*rows["backbone_a"], *rows["backbone_b"]]))
    if len(labels) < 3:
        return None
    sign = 1.0 if describe(metric).higher_is_alike else -1.0
    means = pd.Series(
        {one: sign * rows.loc[(rows[_PAIR] == one).any(axis=1), "mean"].mean() for one in labels}
    ).sort_values(kind="stable")
    if same_number(means.iloc[0], means.iloc[1]):
        return None
    return str(means.index[0])


def _tested(
    differences: pd.DataFrame | None, kind: str, metric: str, who: str
) -> NDArray[np.float64]:
    """Corrected p of a network's differences from all others."""
    if differences is None or differences.empty:
        return np.empty(0)
    rows = differences[
        (differences["map"] == kind)
        & (differences["metric"] == metric)
        & (differences["compared"] == "networks")
        & ((differences["first"] == who) | (differences["second"] == who))
    ]
    return rows["p_corrected"].to_numpy(dtype=float)


def observe_family(
    found: Estimate | None, backbones: Mapping[str, Mapping[str, Any]], agreement: pd.DataFrame
) -> str | None:
    """Say whether networks of one family are more alike than networks of different ones.

    Parameters
    ----------
    found : Estimate, optional
        Agreement within families less between them, of `shape_estimates`.
    backbones : mapping
        `provenance.json`'s record of each.
    agreement : pandas.DataFrame
        `agreement.csv`.

    Returns
    -------
    str or None
        None where no two networks are of one family, or all are.
    """
    if found is None or not found.known:
        return None
    compared = {*agreement["backbone_a"], *agreement["backbone_b"]}
    members: dict[str, list[str]] = {}
    for label, family in _families(backbones).items():
        if label in compared:
            members.setdefault(family, []).append(label)
    several = [and_list(labels) for labels in members.values() if len(labels) > 1]
    name = KIND_NAMES.get(found.map, found.map)
    who = f"Networks of one family ({'; '.join(several)})"
    said = f"{size(found.value)} in mean cosine (95% interval of the difference "
    interval = f"{span(found.low, found.high)})"
    if not found.shown:
        return (
            f"{who} are not shown to have {name} maps more or less alike than networks of "
            f"different families (difference {number(found.value)}, 95% interval {interval}."
        )
    word = "more" if found.value > 0 else "less"
    return (
        f"{who} have {name} maps {word} alike than networks of different families, by {said}"
        f"{interval}."
    )


def observe_near_zero(agreement: pd.DataFrame) -> str | None:
    """Say how many pairs' mean cosine is near zero, by a limit that is said, and by intervals.

    Parameters
    ----------
    agreement : pandas.DataFrame
        `agreement.csv`.
    """
    kind = leading_kind(agreement["map"].dropna())
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == "cosine")]
    rows = rows.dropna(subset=["mean"])
    if len(rows) < 2:
        return None
    near = int((rows["mean"].abs().round(2) < NEAR_ZERO).sum())
    of = count(len(rows), "pair")
    said = (
        f"Of {of} {near or 'none'} {'has' if near == 1 else 'have'} a mean cosine of "
        f"{KIND_NAMES.get(str(kind), str(kind))} maps closer to zero than {number(NEAR_ZERO)}"
    )
    if not {"low", "high"} <= set(rows.columns):
        return f"{said}."
    known = rows.dropna(subset=["low", "high"])
    if known.empty:
        return f"{said}."
    holds = int(((known["low"] <= 0) & (known["high"] >= 0)).sum())
    which = "" if len(known) == len(rows) else f" of the {len(known)} known"
    return (
        f"{said}, and {holds or 'none'} {'has' if holds == 1 else 'have'} a 95% "
        f"interval{which} that holds zero."
    )
