"""Sentences about a study's results, each said only if the numbers support it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.report.metricnames import describe
from aisthesis.report.observed_agreement import observe_level, observe_noise
from aisthesis.report.residual_side import observe_residual_side
from aisthesis.report.selection import (
    evaluated_split,
    headline_scores,
    map_kinds,
    metric_names,
)
from aisthesis.report.wording import (
    and_list,
    count,
    estimate,
    number,
    percent,
)

__all__ = [
    "Answer",
    "Observations",
    "observe",
    "observe_ceiling",
    "observe_emd",
    "observe_mse_identity",
    "observe_pairs",
    "observe_prediction",
    "observe_ridge",
]

IDENTITY_TOLERANCE = 1e-3
MSE_SAYS_NOTHING = "MSE says nothing that cosine does not"
FEWEST_IMAGES = 10  # below it a correlation says next to nothing
SPLIT_WORDS = {"test": "held-out test", "validation": "validation", "train": "training"}


@dataclass(frozen=True)
class Answer:
    """One part of the answer: what it is about, and the sentences."""

    title: str
    text: str


@dataclass(frozen=True)
class Observations:
    """What the numbers say, by the part of the report that it belongs to.

    Attributes
    ----------
    headline : list of Answer
        The answer, a sentence or two a topic.
    prediction : list of str
        More on how well the ratings are predicted.
    agreement : dict of (str, str) to str
        Per kind of map and metric, which pairs stand out.
    metrics : list of str
        What the metrics cannot tell.
    """

    headline: list[Answer]
    prediction: list[str]
    agreement: dict[tuple[str, str], str]
    metrics: list[str]


def _measured(scores: pd.DataFrame, value: str, head: str = "mlp") -> pd.DataFrame:
    """Give backbones with a defined score, best first, with columns value, low and high."""
    rows = headline_scores(scores, head)
    if value not in rows:
        return pd.DataFrame(columns=["value", "low", "high", "n"])
    missing = pd.Series(np.nan, index=rows.index)
    table = pd.DataFrame({
        "value": rows[value],
        "low": rows.get(f"{value}_low", missing),
        "high": rows.get(f"{value}_high", missing),
        "n": rows["n"],
    })  # fmt: skip
    return table.dropna(subset=["value"]).sort_values("value", ascending=False, kind="stable")


def observe_prediction(scores: pd.DataFrame) -> str:
    """Say which backbone predicts best, or that the intervals do not decide it."""
    table = _measured(scores, "srcc")
    split = SPLIT_WORDS[evaluated_split(scores)]
    if table.empty:
        return (
            f"No rank correlation with the human ratings is defined on the {split} images, "
            "so nothing can be said about prediction."
        )
    name, best = str(table.index[0]), table.iloc[0]
    if best["n"] < FEWEST_IMAGES:
        return (
            f"With {count(int(best['n']), f'{split} image')} nothing can be said about prediction; "
            f"a correlation needs at least {FEWEST_IMAGES} to mean something."
        )
    said = estimate(best["value"], best["low"], best["high"])
    where = f"on {count(int(best['n']), f'{split} image')}"
    if np.isfinite(best["low"]) and best["low"] <= 0:
        return (
            f"No network is shown to predict the ratings {where}: even the highest rank "
            f"correlation, {name}’s {said}, has an interval that includes zero."
        )
    if len(table) == 1:
        return f"{name} predicts the human ratings {where} with a rank correlation of {said}."
    if not np.isfinite(best["low"]):
        return (
            f"The highest rank correlation with the human ratings {where} is {name}’s {said}; "
            "without an interval no network can be called the best."
        )
    rivals = [
        str(label) for label, row in table.iloc[1:].iterrows() if not row["high"] < best["low"]
    ]
    if len(rivals) == len(table) - 1 > 1:
        return (
            f"No single best predictor can be named {where}: {name} has the highest rank "
            f"correlation, {said}, but every other network’s interval overlaps with its own."
        )
    if not rivals:
        return (
            f"{name} predicts the human ratings best {where}: its rank correlation is {said}, "
            "and every other network’s interval ends below it."
        )
    return (
        f"No single best predictor can be named {where}: {name} has the highest rank correlation, "
        f"{said}, but its interval overlaps with {_whose(rivals)}."
    )


def _whose(names: list[str]) -> str:
    return f"that of {names[0]}" if len(names) == 1 else f"those of {and_list(names)}"


def observe_ceiling(scores: pd.DataFrame, ceiling: dict[str, Any] | None) -> str | None:
    """Set the highest PLCC against what the reliability of the ratings allows."""
    table = _measured(scores, "plcc")
    if not ceiling or not ceiling.get("correlation") or table.empty:
        return None
    if table.iloc[0]["n"] < FEWEST_IMAGES:
        return None
    limit, name, plcc = float(ceiling["correlation"]), str(table.index[0]), table["value"].iloc[0]
    start = (
        f"The raters’ reliability allows a correlation of {number(limit)} with their mean at most; "
    )
    if plcc > limit:
        return f"{start}{name}’s {number(plcc)} lies above that, as chance alone can bring about."
    if plcc <= 0:
        return f"{start}no network correlates with it above zero."
    share = percent(plcc / limit)
    return f"{start}the highest, {name}’s {number(plcc)}, is {share} of it."


def observe_ridge(scores: pd.DataFrame) -> str | None:
    """Say where the plain ridge regression does as well as the MLP head."""
    mlp, ridge = _measured(scores, "srcc", "mlp"), _measured(scores, "srcc", "ridge")
    both = [label for label in mlp.index if label in ridge.index]
    if not both:
        return None
    ahead = [str(b) for b in both if ridge.loc[b, "value"] > mlp.loc[b, "value"]]
    if not ahead:
        return (
            "On every network the MLP head has a higher rank correlation than ridge regression "
            "on the same embedding."
        )
    who = "every network" if len(ahead) == len(both) else and_list(ahead)
    low, high = ridge["low"].to_dict(), mlp["high"].to_dict()
    clear = [b for b in ahead if low[b] > high[b]]
    decided = (
        f"the intervals do not overlap for {and_list(clear)}"
        if clear
        else "the intervals overlap, so neither is shown to be better"
    )
    return (
        f"On {who} a plain ridge regression on the same embedding has a higher rank correlation "
        f"than the MLP head; {decided}."
    )


def observe_pairs(agreement: pd.DataFrame, kind: str, metric: str) -> str | None:
    """Say which pair agrees most and which least, and whether the intervals decide it."""
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    rows = rows.dropna(subset=["mean"])
    about = describe(metric)
    if rows.empty:
        return None
    rows = rows.sort_values("mean", ascending=not about.higher_is_alike, kind="stable")
    missing = pd.Series(np.nan, index=rows.index)
    low, high = rows.get("low", missing), rows.get("high", missing)
    said = [
        f"{a}–{b}, {estimate(mean, lo, hi)}"
        for a, b, mean, lo, hi in zip(
            rows["backbone_a"], rows["backbone_b"], rows["mean"], low, high, strict=True
        )
    ]
    if len(rows) == 1:
        return f"{about.title}: the one pair, {said[0]}."
    sentence = f"{about.title}: most alike are {said[0]}; least alike are {said[-1]}."
    if np.isnan([low.iloc[0], high.iloc[0], low.iloc[-1], high.iloc[-1]]).any():
        return f"{sentence} Without intervals this order may be chance."
    if low.iloc[0] <= high.iloc[-1] and low.iloc[-1] <= high.iloc[0]:
        return f"{sentence} Even these two intervals overlap, so no pair stands out."
    contenders = ((low <= high.iloc[0]) & (high >= low.iloc[0])).sum() - 1
    if contenders:
        others = ("other pair’s interval overlaps", "other pairs’ intervals overlap")
        return (
            f"{sentence} The first place is not decided: {count(int(contenders), *others)} with it."
        )
    return sentence


def observe_mse_identity(agreement: pd.DataFrame, per_image: pd.DataFrame) -> str | None:
    """Say that MSE repeats cosine, once the table itself has shown it."""
    keys = ["map", "backbone_a", "backbone_b"]
    if len(per_image):
        table, keys, value = per_image, [*keys, "image"], "value"
    else:
        table, value = agreement, "mean"
    sides = [
        table.loc[table["metric"] == metric, [*keys, value]].dropna().set_index(keys)[value]
        for metric in ("mse", "cosine")
    ]
    both = pd.concat(sides, axis=1, join="inner", keys=["mse", "cosine"])
    if both.empty:
        return None
    gap = float((both["mse"] - 2 * (1 - both["cosine"])).abs().max())
    if gap <= IDENTITY_TOLERANCE:
        return (
            f"{MSE_SAYS_NOTHING}: on z-scored maps it equals 2(1 − cosine), "
            f"and in this study’s {count(len(both), 'value')} it does, to within {gap:.0e}."
        )
    return (
        "On z-scored maps MSE should equal 2(1 − cosine); in this study it departs from that by up "
        f"to {number(gap, 3)}, so the maps that were compared were not z-scored alike."
    )


def observe_emd(agreement: pd.DataFrame) -> str | None:
    """Say what EMD cannot see, and how far its order of pairs is from cosine's."""
    if "emd" not in set(agreement["metric"]):
        return None
    blind = (
        "EMD compares how the values of two maps are distributed and is blind to where they lie: "
        "two maps with the same histogram have an EMD of 0 wherever their evidence is."
    )
    kind = map_kinds(agreement)[0]
    rows = agreement[agreement["map"] == kind]
    wide = rows.pivot_table(index=["backbone_a", "backbone_b"], columns="metric", values="mean")
    wide = wide.reindex(columns=["emd", "cosine"]).dropna()
    if len(wide) < 4 or wide["emd"].nunique() < 2 or wide["cosine"].nunique() < 2:
        return blind
    ranks = (-wide["emd"]).rank(), wide["cosine"].rank()
    rho = float(np.corrcoef(*ranks)[0, 1])
    return (
        f"{blind} Here its order of the {len(wide)} pairs has a rank correlation of {number(rho)} "
        "with cosine’s."
    )


def observe(
    scores: pd.DataFrame,
    agreement: pd.DataFrame,
    per_image: pd.DataFrame,
    ceiling: dict[str, Any] | None = None,
    reliability: pd.DataFrame | None = None,
    variance: pd.DataFrame | None = None,
    averaged: pd.DataFrame | None = None,
    more: Sequence[tuple[str, str | None]] = (),
) -> Observations:
    """Draw every observation from the tables of a study.

    Parameters
    ----------
    scores, agreement, per_image : pandas.DataFrame
        `scores.csv`, `agreement.csv` and `agreement_images.csv`; the last two may be empty.
    ceiling : dict, optional
        The noise ceiling, as `provenance.json` holds it.
    reliability, variance : pandas.DataFrame, optional
        The tables of these names.
    averaged : pandas.DataFrame, optional
        Ratings and predictions, one row per image and backbone.
    more : sequence of (str, str or None)
        Further parts of the answer, with their titles.

    Returns
    -------
    Observations
        Sentences as plain text; a topic on which the numbers say nothing has none.
    """
    identity = observe_mse_identity(agreement, per_image)
    noise = (
        None
        if reliability is None or variance is None
        else observe_noise(agreement, reliability, variance)
    )
    predicted = [observe_prediction(scores), observe_ceiling(scores, ceiling)]
    topics = [
        ("How well they predict", " ".join(text for text in predicted if text)),
        ("How far their maps agree", observe_level(agreement, per_image)),
        ("How much is noise", noise),
        ("Side or place", None if averaged is None else observe_residual_side(per_image, averaged)),
        *more,
    ]
    kinds, metrics = map_kinds(agreement), metric_names(agreement)
    pairs = {
        (kind, metric): said
        for kind in kinds
        for metric in metrics
        if (said := observe_pairs(agreement, kind, metric)) is not None
    }
    return Observations(
        headline=[Answer(title, text) for title, text in topics if text],
        prediction=[text for text in [observe_ridge(scores)] if text],
        agreement=pairs,
        metrics=[text for text in (identity, observe_emd(agreement)) if text],
    )
