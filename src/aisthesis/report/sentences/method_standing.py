"""Which methods are truest to their networks, and which of them the study does not tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
import pandas as pd

from aisthesis.names.explainers import SIGNED_BY_ERROR
from aisthesis.report.sentences.tables import Value
from aisthesis.report.words.wording import and_list, capitalised, count, name_of, number

__all__ = ["MethodStanding", "method_standing", "sharing_letters"]

_NEEDED = {"backbone", "measure", "baseline", "first", "second", "low_corrected", "high_corrected"}
#: Measures by which methods are ranked, the first that the study has; higher is better in all.
_RANKED_BY = {"road": "ROAD", "deletion_positive": "deletion"}
_RANDOM = "random"


@dataclass(frozen=True)
class MethodStanding:
    """The ranking of the methods, and the verdict.

    Attributes
    ----------
    verdict : str
        One sentence.
    header, rows : list
        Means by method and network, the best method on average first; methods whose means share a
        letter are not told apart on that network.
    measure : str
        By which they are ranked, in words.
    images : str
        How many images the comparisons are of.
    """

    verdict: str
    header: list[str]
    rows: list[list[Value]]
    measure: str
    images: str


def method_standing(
    table: pd.DataFrame, differences: pd.DataFrame, methods: Sequence[str], baseline: str
) -> MethodStanding | None:
    """Rank methods by what moves the prediction, and say what of it is decided.

    AIS maps are left out: they show what brings the prediction closer to people, not what moves it.

    Parameters
    ----------
    table, differences : pandas.DataFrame
        `faithfulness.csv` and `faithfulness_differences.csv`.
    methods : sequence of str
        Those that are ranked; random maps stand among them.
    baseline : str
        Of the measure.

    Returns
    -------
    MethodStanding or None
        None where no difference has a corrected interval.
    """
    if table.empty or not set(differences.columns) >= _NEEDED:
        return None
    held = differences[differences["baseline"] == baseline]
    held = held.dropna(subset=["low_corrected", "high_corrected"])
    measure = next((name for name in _RANKED_BY if (held["measure"] == name).any()), None)
    if measure is None:
        return None
    held = held[held["measure"] == measure]
    own = table[(table["measure"] == measure) & (table["baseline"] == baseline)]
    means = own.groupby(["method", "backbone"], sort=False)["mean"].first().unstack()
    ranked = [m for m in [*methods, _RANDOM] if m in means.index and m not in SIGNED_BY_ERROR]
    networks = [str(name) for name in dict.fromkeys(held["backbone"])]
    means = means.reindex(index=ranked, columns=networks).dropna(how="all")
    decided = {label: _decided(held[held["backbone"] == label], ranked) for label in networks}
    places = means.rank(ascending=False).mean(axis=1).sort_values(kind="stable")
    order = [str(name) for name in places.index]
    n = sorted(set(held["n"].astype(int)))
    images = f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}"
    return MethodStanding(
        _verdict(means, decided, _compared(held, ranked), images, _RANKED_BY[measure], baseline),
        ["Method", *networks],
        _rows(means.loc[order], decided),
        _RANKED_BY[measure],
        images,
    )


def _compared(held: pd.DataFrame, ranked: Sequence[str]) -> int:
    """How many differences between two methods, no random maps among them, have an interval."""
    true = [name for name in ranked if name != _RANDOM]
    return int((held["first"].isin(true) & held["second"].isin(true)).sum())


def _decided(rows: pd.DataFrame, ranked: Sequence[str]) -> set[tuple[str, str]]:
    """Pairs (better, worse) on one network whose corrected interval leaves zero out."""
    found = set()
    held = rows[rows["first"].isin(ranked) & rows["second"].isin(ranked)]
    columns = ("first", "second", "low_corrected", "high_corrected")
    for first, second, low, high in zip(*(held[name] for name in columns), strict=True):
        if low > 0:
            found.add((str(first), str(second)))
        elif high < 0:
            found.add((str(second), str(first)))
    return found


def sharing_letters(order: Sequence[str], decided: set[tuple[str, str]]) -> dict[str, str]:
    """Give letters to methods so that two share one just where they are not told apart.

    Parameters
    ----------
    order : sequence of str
        Methods, the best first: it has an `a`.
    decided : set of (str, str)
        Pairs that are told apart.

    References
    ----------
    Piepho (2004), "An algorithm for a letter-based representation of all-pairwise comparisons",
    Journal of Computational and Graphical Statistics 13(2).
    """
    groups = [frozenset(order)]
    for pair in decided:
        split = [
            part
            for group in groups
            for part in ([group - {name} for name in pair] if group >= set(pair) else [group])
        ]
        split = list(dict.fromkeys(split))
        groups = [one for one in split if not any(one < other for other in split)]
    place = {name: k for k, name in enumerate(order)}
    groups.sort(key=lambda group: sorted(place[name] for name in group))
    return {
        name: "".join(
            ascii_lowercase[k % len(ascii_lowercase)]
            for k, group in enumerate(groups)
            if name in group
        )
        for name in order
    }


def _rows(means: pd.DataFrame, decided: dict[str, set[tuple[str, str]]]) -> list[list[Value]]:
    columns = []
    for label, values in means.items():
        there = values.dropna().sort_values(ascending=False, kind="stable")
        letters = sharing_letters([str(name) for name in there.index], decided[str(label)])
        columns.append(
            [
                Value(number(float(v)), letters[str(name)]) if np.isfinite(v) else Value("–")
                for name, v in values.items()
            ]
        )
    names = [Value(capitalised(name_of(str(name))), numeric=False) for name in means.index]
    return [list(row) for row in zip(names, *columns, strict=True)]


def _verdict(
    means: pd.DataFrame,
    decided: dict[str, set[tuple[str, str]]],
    compared: int,
    images: str,
    measure: str,
    baseline: str,
) -> str:
    """Say in a sentence which methods are among the best, and which are truer than random maps."""
    best: dict[str, list[bool]] = {}
    above: dict[str, list[bool]] = {}
    for label, values in means.items():
        pairs, there = decided[str(label)], values.dropna()
        true = there.drop(_RANDOM, errors="ignore")
        if true.empty:
            continue
        first = str(true.idxmax())
        for name in map(str, true.index):
            best.setdefault(name, []).append((first, name) not in pairs)
            if _RANDOM in there:
                above.setdefault(name, []).append((name, _RANDOM) in pairs)
    told = sum(_RANDOM not in pair for pairs in decided.values() for pair in pairs)
    said = (
        f"By {measure} with the baseline {baseline}, image by image ({images} of them) and "
        f"corrected over all pairs, {told if told else 'none'} of "
        f"{count(compared, 'difference')} between two methods {'is' if told < 2 else 'are'} decided"
    )
    parts = [said]
    if told:
        parts.append(f"among the best, not told from the highest, are {_shared(best)}")
    if above:
        truer = _shared(above)
        none = "no method is shown to be truer than random maps on any network"
        parts.append(f"truer than random maps are {truer}" if truer else none)
    return f"{'; '.join(parts)}."


def _shared(networks: dict[str, list[bool]]) -> str:
    """List methods by the networks on which something holds of them; empty where on none."""
    every = [name_of(name) for name, held in networks.items() if all(held)]
    some = [
        f"{name_of(name)} ({sum(held)} of {len(held)})"
        for name, held in networks.items()
        if any(held) and not all(held)
    ]
    parts = [
        f"{and_list(names, most=20)} on {where}"
        for names, where in ((every, "every network"), (some, "some"))
        if names
    ]
    return ", ".join(parts)
