"""Do methods rank alike by where the evidence is known to be and by what moves the prediction?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aisthesis.names.explainers import CONTROLS
from aisthesis.report.sentences.tables import Value
from aisthesis.report.words.wording import (
    KIND_NAMES,
    and_list,
    capitalised,
    count,
    number,
    same_number,
)
from aisthesis.stats.correlation import spearman

__all__ = ["Contrast", "MethodRanks", "method_ranks"]

_NEEDED = {"backbone", "map", "side", "score", "control", "mean"}
_FEWEST = 4  # methods of which a rank correlation is said
_ALIKE = 0.5  # correlation, as it is said, from which two rankings are said to agree
_SHOWN = 3  # methods whose disagreement is shown on images
_CONTROLS = (*CONTROLS, "activation")


@dataclass(frozen=True)
class Contrast:
    """A method that the two rankings of one network place apart; rank 1 is the best of `n`."""

    backbone: str
    method: str
    by_place: int
    by_deletion: int
    n: int

    @property
    def words(self) -> str:
        """Where it stands in either ranking."""
        return (
            f"{KIND_NAMES.get(self.method, self.method)} on {self.backbone}: {self.by_deletion} of "
            f"{self.n} by deletion, {self.by_place} of {self.n} by pixel AUC"
        )


@dataclass(frozen=True)
class MethodRanks:
    """The two rankings of each network.

    Attributes
    ----------
    sentence : str
        What they say together.
    header, rows : list
        Rank correlation by network.
    contrasts : list of Contrast
        The methods that are placed furthest apart, each on the network where it is furthest;
        empty where the rankings agree on every network.
    """

    sentence: str
    header: list[str]
    rows: list[list[Value]]
    contrasts: list[Contrast]


def method_ranks(
    localisation: pd.DataFrame, faithfulness: pd.DataFrame, baseline: str
) -> MethodRanks | None:
    """Compare the ranking of methods by pixel AUC of raising evidence and by deletion area.

    Parameters
    ----------
    localisation, faithfulness : pandas.DataFrame
        The study's tables of these names.
    baseline : str
        Of the deletion.

    Returns
    -------
    MethodRanks or None
        None where no network has at least four methods (controls among them) with both values.
    """
    if faithfulness.empty or not set(localisation.columns) >= _NEEDED:
        return None
    both = _joined(localisation, faithfulness, baseline)
    kept = [
        (str(label), part)
        for label, part in both.groupby("backbone", sort=False)
        if len(part) >= _FEWEST and (part[["auc", "area"]].nunique() > 1).all()
    ]
    if not kept:
        return None
    rhos = {label: _spearman(part) for label, part in kept}
    contrasts = [] if all(map(_alike, rhos.values())) else _contrasts(kept)
    rows = [
        [Value(label, numeric=False), Value(str(len(part))), Value(number(rhos[label])),
         Value(_best(part, "auc"), numeric=False), Value(_best(part, "area"), numeric=False)]
        for label, part in kept
    ]  # fmt: skip
    header = ["Network", "Methods", "SRCC", "First by pixel AUC", "First by deletion"]
    return MethodRanks(_sentence(rhos, kept, contrasts), header, rows, contrasts)


def _joined(localisation: pd.DataFrame, faithfulness: pd.DataFrame, baseline: str) -> pd.DataFrame:
    found = localisation[
        (localisation["score"] == "auc")
        & (localisation["side"] == "raising")
        & (localisation["control"] == "none")
    ]
    auc = found[["backbone", "map", "mean"]].rename(columns={"map": "method", "mean": "auc"})
    own = faithfulness[
        (faithfulness["measure"] == "deletion_positive") & (faithfulness["baseline"] == baseline)
    ].drop_duplicates(["backbone", "method"])
    area = own[["backbone", "method", "mean"]].rename(columns={"mean": "area"})
    return auc.merge(area, on=["backbone", "method"]).dropna(subset=["auc", "area"])


def _alike(rho: float) -> bool:
    """Whether two rankings are said to agree: by the correlation as it is said."""
    return round(rho, 2) >= _ALIKE


def _spearman(part: pd.DataFrame) -> float:
    return float(spearman(part["auc"].to_numpy(float), part["area"].to_numpy(float)))


def _best(part: pd.DataFrame, column: str) -> str:
    best = part.loc[part[column] == part[column].max(), "method"]
    return capitalised(and_list([KIND_NAMES.get(str(name), str(name)) for name in best]))


def _contrasts(kept: Sequence[tuple[str, pd.DataFrame]]) -> list[Contrast]:
    found = []
    for label, part in kept:
        place, deletion = (
            part[column].rank(ascending=False, method="min").astype(int)
            for column in ("auc", "area")
        )
        found += [
            Contrast(label, str(method), int(a), int(b), len(part))
            for method, a, b in zip(part["method"], place, deletion, strict=True)
            if method not in _CONTROLS
        ]
    found.sort(key=lambda one: -abs(one.by_place - one.by_deletion))
    first: dict[str, Contrast] = {}
    for one in found:
        first.setdefault(one.method, one)
    return [one for one in first.values() if one.by_place != one.by_deletion][:_SHOWN]


def _sentence(
    rhos: dict[str, float], kept: Sequence[tuple[str, pd.DataFrame]], contrasts: list[Contrast]
) -> str:
    sizes = sorted({len(part) for _, part in kept})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    values = np.array(list(rhos.values()))
    said = (
        f"Ranked by the pixel AUC of raising evidence and by deletion, {n} methods and controls "
        f"have a Spearman correlation (SRCC) of {number(float(values.mean()))} on average over "
        f"{count(len(values), 'network')}"
    )
    if len(values) > 1 and not same_number(values.min(), values.max()):
        said += f" ({number(float(values.min()))} to {number(float(values.max()))})"
    alike = [label for label, rho in rhos.items() if _alike(rho)]
    if len(alike) == len(rhos):
        return f"{said}: what finds the known evidence is mostly what moves the prediction."
    apart = [label for label in rhos if label not in alike]
    if not contrasts:
        return f"{said}; below {number(_ALIKE)} for {and_list(apart)}."
    names = [KIND_NAMES.get(one.method, one.method) for one in contrasts]
    return (
        f"{said}; below {number(_ALIKE)} for {and_list(apart)}. Of the methods, the rankings place "
        f"{and_list(names)} {'furthest' if len(names) == 1 else 'among the furthest'} apart."
    )
