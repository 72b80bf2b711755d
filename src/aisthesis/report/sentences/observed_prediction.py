"""The answer about prediction: who predicts people best, and how far that is decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.report.folder.selection import evaluated_split, headline_scores
from aisthesis.report.words.pair_words import SIGNIFICANT
from aisthesis.report.words.wording import (
    FEWEST_FOR_CORRELATION,
    and_list,
    as_number,
    count,
    estimate,
    number,
    percent,
    same_number,
)

__all__ = ["no_ceiling", "observe_ceiling", "observe_prediction", "observe_ridge"]

SPLIT_WORDS = {"test": "held-out test", "validation": "validation", "train": "training"}


def _measured(scores: pd.DataFrame, value: str, head: str = "mlp") -> pd.DataFrame:
    """Give backbones with a defined score, best first, with columns value, low, high and n."""
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


def observe_prediction(scores: pd.DataFrame, differences: pd.DataFrame | None = None) -> str:
    """Say which backbone predicts best, or that its differences from others do not decide it.

    Parameters
    ----------
    scores, differences : pandas.DataFrame
        `scores.csv` and `prediction_differences.csv`.
    """
    table = _measured(scores, "srcc")
    split = SPLIT_WORDS[evaluated_split(scores)]
    if table.empty:
        return (
            f"No rank correlation with the human ratings is defined on the {split} images, "
            "so nothing can be said about prediction."
        )
    name, best = str(table.index[0]), table.iloc[0]
    if best["n"] < FEWEST_FOR_CORRELATION:
        return (
            f"With {count(int(best['n']), f'{split} image')} nothing can be said about prediction; "
            f"a correlation needs at least {FEWEST_FOR_CORRELATION} to mean something."
        )
    said = estimate(best["value"], best["low"], best["high"])
    where = f"on {count(int(best['n']), f'{split} image')}"
    known = table[table["low"].notna() & table["high"].notna()]
    if known.empty:
        return (
            f"The highest rank correlation with the human ratings {where} is {name}’s {said}; "
            "without an interval no network can be called the best."
        )
    if not (known["low"] > 0).any():
        return (
            f"No network is shown to predict the ratings {where}: no rank correlation has an "
            f"interval above zero; the highest is {name}’s {said}."
        )
    if len(table) == 1:
        return f"{name} predicts the human ratings {where} with a rank correlation of {said}."
    undecided = _undecided(table, differences)
    if undecided:
        return f"No single best predictor can be named {where}: {undecided}."
    return (
        f"{name} predicts the human ratings best {where}: its rank correlation is {said}, "
        "and its difference from every other on the same images is clear (corrected over all "
        "pairs)."
    )


def _undecided(table: pd.DataFrame, differences: pd.DataFrame | None) -> str:
    """Say why the first of several networks is not shown to be the best; empty where it is.

    By differences on the same images alone: two intervals over the same images may overlap though
    the difference is clear.
    """
    best, name = table.iloc[0], str(table.index[0])
    others = table.iloc[1:]
    said = estimate(best["value"], best["low"], best["high"])
    tied = [str(b) for b, value in others["value"].items() if same_number(value, best["value"])]
    if tied:
        return f"{and_list([name, *tied])} have the same, {number(best['value'])}"
    p = _tested(differences, "networks")
    found = {str(b): p.get(frozenset((name, str(b))), np.nan) for b in others.index}
    rivals = [b for b, one in found.items() if one >= SIGNIFICANT]
    unknown = [b for b, one in found.items() if np.isnan(one)]
    reasons = []
    if len(rivals) == len(found) > 1:
        reasons.append("every other network’s difference from it on the same images may be chance")
    elif rivals:
        reasons.append(
            f"{and_list(rivals)} {'does' if len(rivals) == 1 else 'do'} not differ clearly from it "
            "on the same images"
        )
    if unknown:
        reasons.append(f"its difference from {and_list(unknown)} was not tested")
    return f"{name} has the highest rank correlation, {said}, but {and_list(reasons)}" if (
        reasons
    ) else ""  # fmt: skip


def _tested(differences: pd.DataFrame | None, compared: str) -> dict[frozenset[str], float]:
    """Corrected p of differences of rank correlations, by the networks that are compared."""
    if differences is None or differences.empty:
        return {}
    rows = differences[(differences["score"] == "srcc") & (differences["compared"] == compared)]
    return {
        frozenset((str(a), str(b))): float(p)
        for a, b, p in zip(rows["backbone_a"], rows["backbone_b"], rows["p_corrected"], strict=True)
    }


def observe_ceiling(scores: pd.DataFrame, ceiling: dict[str, Any] | None) -> str | None:
    """Set the highest PLCC against what the reliability of the ratings allows."""
    table = _measured(scores, "plcc")
    limit = as_number((ceiling or {}).get("correlation"))
    if not limit > 0 or table.empty or table.iloc[0]["n"] < FEWEST_FOR_CORRELATION:
        return None
    name, plcc = str(table.index[0]), float(table["value"].iloc[0])
    start = (
        f"The raters’ reliability allows a correlation of {number(limit)} with their mean at most; "
    )
    if same_number(plcc, limit):
        return f"{start}the highest, {name}’s, is as high."
    if plcc > limit:
        return f"{start}{name}’s {number(plcc)} lies above that, as chance alone can bring about."
    if plcc <= 0:
        return f"{start}no network correlates with it above zero."
    return f"{start}the highest, {name}’s {number(plcc)}, is {percent(plcc / limit)} of it."


def no_ceiling(ratings: dict[str, Any]) -> str:
    """Say why a study has no noise ceiling.

    Parameters
    ----------
    ratings : dict
        What `provenance.json` says of the ratings.
    """
    if ratings.get("noise_ceiling"):
        why = "the reliability of the ratings is undefined or below zero"
    elif ratings.get("n_raters"):
        why = f"the ratings of {count(int(ratings['n_raters']), 'rater')} do not allow one"
    else:
        why = "it needs the ratings of single raters"
    return f"There is no noise ceiling: {why}."


def observe_ridge(scores: pd.DataFrame, differences: pd.DataFrame | None = None) -> str | None:
    """Say where ridge regression or the head has the higher rank correlation.

    One is called better only where their difference on the same images is clear.

    Parameters
    ----------
    scores, differences : pandas.DataFrame
        `scores.csv` and `prediction_differences.csv`.
    """
    mlp, ridge = _measured(scores, "srcc", "mlp"), _measured(scores, "srcc", "ridge")
    both = [str(label) for label in mlp.index if label in ridge.index]
    if not both:
        return None
    n = int(mlp.loc[both, "n"].min())
    if n < FEWEST_FOR_CORRELATION:
        return (
            f"With {count(n, 'image')} neither the head nor ridge regression on the same "
            "embedding is shown to be better."
        )
    of_mlp, of_ridge = mlp["value"].to_dict(), ridge["value"].to_dict()
    equal = [b for b in both if same_number(of_ridge[b], of_mlp[b])]
    ahead = [b for b in both if of_ridge[b] > of_mlp[b] and b not in equal]
    behind = [b for b in both if of_ridge[b] < of_mlp[b] and b not in equal]
    parts = []
    if ahead:
        parts.append(
            f"On {_everyone(ahead, both)} a plain ridge regression on the same embedding has a "
            "higher rank correlation than the head"
        )
    if behind:
        parts.append(
            f"on {_everyone(behind, both)} the head has a higher rank correlation than ridge "
            "regression on the same embedding"
        )
    if equal:
        parts.append(
            f"on {_everyone(equal, both)} the head and ridge regression on the same embedding "
            "have the same rank correlation to two digits"
        )
    said = "; ".join(parts)
    return f"{said[:1].upper()}{said[1:]}; {_decided(differences, both)}."


def _everyone(names: Sequence[str], of: Sequence[str]) -> str:
    return "every network" if len(names) == len(of) > 1 else and_list(names)


def _decided(differences: pd.DataFrame | None, both: list[str]) -> str:
    """Say for whom the difference of the two heads is clear."""
    p = _tested(differences, "heads")
    found = {b: p.get(frozenset((b,)), np.nan) for b in both}
    clear = [b for b, one in found.items() if one < SIGNIFICANT]
    if clear:
        return (
            f"the difference on the same images is clear for {and_list(clear)} (corrected over "
            "networks)"
        )
    if all(np.isnan(one) for one in found.values()):
        return "their difference was not tested, so neither is shown to be better"
    return "no difference on the same images is clear, so neither is shown to be better"
