"""What a report on several properties says in words, each sentence from its row of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from aisthesis.config import PEOPLE, SIZE
from aisthesis.report.properties.record import PropertiesRecord
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.pair_words import SIGNIFICANT
from aisthesis.report.words.wording import count, estimate, number, p_value, same_number

__all__ = [
    "observations",
    "on_noise",
    "on_people",
    "on_places",
    "on_predictions",
    "on_property_or_network",
    "on_size",
]

PLACES = "evidence_place"


def observations(
    correlations: pd.DataFrame,
    agreement: pd.DataFrame,
    differences: pd.DataFrame,
    pair: tuple[str, str],
    metric: str,
) -> list[tuple[str, str]]:
    """Say what came out for two properties: titles, and sentences made from the numbers."""
    ratings = _of_pair(correlations, pair)
    maps = _of_pair(agreement[agreement["metric"] == metric], pair)
    kinds = {kind: maps[maps["map"] == kind] for kind in (PLACES, SIZE)}
    overall = differences[
        (differences["compared"] == "property or network")
        & (differences["metric"] == metric)
        & (differences["map"] == PLACES)
    ]
    said = [
        ("What people said", on_people(ratings, pair)),
        ("What the networks predict", on_predictions(ratings, pair)),
        ("Where the evidence lies", on_places(kinds[PLACES], pair, metric)),
        ("Where it matters at all", on_size(kinds[SIZE], pair, metric)),
        ("Beside the noise of training", on_noise(kinds[PLACES], pair)),
        ("Property or network", on_property_or_network(overall, metric)),
    ]
    return [(title, text) for title, text in said if text]


def _of_pair(table: pd.DataFrame, pair: tuple[str, str]) -> pd.DataFrame:
    return table[(table["property_a"] == pair[0]) & (table["property_b"] == pair[1])]


def on_people(ratings: pd.DataFrame, pair: tuple[str, str]) -> str:
    """Say how people's ratings of two properties go together."""
    row = ratings[(ratings["of"] == PEOPLE) & (ratings["images"] == "all")].iloc[0]
    a, b = pair
    if not np.isfinite(row["pearson"]):
        return (
            f"How people’s ratings of {a} and of {b} go together is undefined "
            f"({count(int(row['n']), 'image')} rated for both)."
        )
    r = estimate(row["pearson"], row["pearson_low"], row["pearson_high"])
    said = f"Over {count(int(row['n']), 'image')} people’s ratings of {a} and of {b} have r = {r}"
    if np.isfinite(row["disattenuated"]):
        said += f"; freed of the raters’ noise {number(row['disattenuated'])}"
    return f"{said}: {_together(row)}."


def _together(row: pd.Series) -> str:
    """Whether images rated higher for one property are so for the other."""
    low, high = row["pearson_low"], row["pearson_high"]
    if np.isfinite([low, high]).all() and low > 0:
        return "what is rated higher for one tends to be rated higher for the other"
    if np.isfinite([low, high]).all() and high < 0:
        return "what is rated higher for one tends to be rated lower for the other"
    return "they are not shown to go together"


def on_predictions(ratings: pd.DataFrame, pair: tuple[str, str]) -> str:
    """Say how the predictions of two properties go together, beside people's ratings."""
    rows = ratings[(ratings["of"] != PEOPLE)].dropna(subset=["pearson"])
    if rows.empty:
        return ""
    own = ratings[(ratings["of"] == PEOPLE) & (ratings["images"] == "test")].iloc[0]
    values, n = rows["pearson"], count(int(rows["n"].iloc[0]), "test image")
    low, high = values.min(), values.max()
    if len(rows) == 1:
        text = f"Over {n} the predictions of {pair[0]} and of {pair[1]} have r = {number(low)}"
    else:
        ends = f"from {number(low)} to {number(high)}"
        ends = f"of {number(low)} alike" if same_number(low, high) else ends
        text = f"Over {n} the predictions of {pair[0]} and of {pair[1]} have an r {ends}"
        text += f" ({count(len(rows), 'network')})"
    return f"{text}; people’s ratings of these images have r = {number(own['pearson'])}."


def on_places(rows: pd.DataFrame, pair: tuple[str, str], metric: str) -> str:
    """Say whether places that raise one prediction raise the other, beside chance."""
    rows = rows.dropna(subset=["mean"])
    if rows.empty:
        return ""
    said = (
        f"On the same image, a network’s maps of what raises and what lowers its {pair[0]} and its "
        f"{pair[1]} have {_mean_of(rows, metric)}"
    )
    if metric == "cosine":
        said += ", where 1 is that the same places raise both and −1 that what raises one lowers "
        said += "the other"
    return f"{said}. {_beside_chance(rows, metric)}"


def on_size(rows: pd.DataFrame, pair: tuple[str, str], metric: str) -> str:
    """Say whether the places that matter for one property matter for the other, either way."""
    rows = rows.dropna(subset=["mean"])
    if rows.empty:
        return ""
    said = (
        f"Maps of how much a place matters, up or down, for {pair[0]} and for {pair[1]} have "
        f"{_mean_of(rows, metric)}. {_beside_chance(rows, metric)}"
    )
    a, b = rows[["activation_a", "activation_b"]].mean()
    if a > 0 and b > 0 and describe(metric).signed:
        said += (
            f" With the layer’s mean activation they have {number(a)} for {pair[0]} and "
            f"{number(b)} for {pair[1]}: where a layer responds, any prediction moves, so a part "
            "of their agreement may speak of the network and not of what was asked."
        )
    return said


def _mean_of(rows: pd.DataFrame, metric: str) -> str:
    """The mean over networks, and its range or interval."""
    name = "cosine" if metric == "cosine" else describe(metric).title
    if len(rows) == 1:
        row = rows.iloc[0]
        return f"a mean {name} of {estimate(row['mean'], row['low'], row['high'])}"
    low, high = rows["mean"].min(), rows["mean"].max()
    ends = f"from {number(low)} to {number(high)}"
    ends = f"all {number(low)}" if same_number(low, high) else ends
    return f"a mean {name} of {number(rows['mean'].mean())} ({count(len(rows), 'network')}, {ends})"


def _beside_chance(rows: pd.DataFrame, metric: str) -> str:
    """What maps of different images give, and in which networks the same image gives another."""
    known = rows.dropna(subset=["chance", "p_corrected"])
    if known.empty:
        return "There is no chance level to hold that against."
    higher = describe(metric).higher_is_alike
    above = known["mean"] > known["chance"] if higher else known["mean"] < known["chance"]
    more = int((above & (known["p_corrected"] < SIGNIFICANT)).sum())
    ends = known["high"] < known["chance_low"] if higher else known["low"] > known["chance_high"]
    less = int(ends.sum())
    of = len(known), len(rows)
    said = [
        f"{_in(less, *of)} less alike (their interval lies beyond 95% of random pairings)"
        if less
        else "",
        f"{_in(more, *of)} more alike (p < 0.05, corrected)" if more else "",
    ]
    found = " and ".join(filter(None, said)) or "maps of the same image are not shown to differ"
    return f"Maps of different images have {number(known['chance'].mean())} (chance); {found}."


def _in(k: int, tested: int, of: int) -> str:
    """In how many networks something holds of maps of the same image."""
    if of == 1:
        return "maps of the same image are"
    which = f"all {of}" if k == of else f"{k} of {tested}"
    some = f" ({of - tested} not tested)" if tested < of else ""
    return f"in {which} networks{some} maps of the same image are"


def on_noise(rows: pd.DataFrame, pair: tuple[str, str]) -> str:
    """Say how far maps for one property agree across seeds, and what is left without that noise."""
    known = rows.dropna(subset=["reliability_a", "reliability_b"])
    if known.empty:
        return ""
    own = [number(known[f"reliability_{side}"].mean()) for side in "ab"]
    said = (
        f"Trained from other seeds, a network’s maps agree with themselves at {own[0]} for "
        f"{pair[0]} and {own[1]} for {pair[1]}"
    )
    freed = known.dropna(subset=["disattenuated"])
    if freed.empty:
        return f"{said}."
    below, n = int((freed["disattenuated_high"] < 1).sum()), len(freed)
    which = "" if n == 1 else f"in {'all' if below == n else f'{below} of'} {n} networks "
    shown = f"{which}the maps for the two differ by more than noise"
    if not below:
        shown = "the maps for the two are not shown to differ by more than noise"
    return (
        f"{said}; freed of that noise maps for both would agree at "
        f"{number(freed['disattenuated'].mean())}, and {shown}."
    )


def on_property_or_network(rows: pd.DataFrame, metric: str) -> str:
    """Say whether maps differ more by what was asked or by which network answers."""
    if rows.empty or not np.isfinite(rows.iloc[0]["difference"]):
        return ""
    row = rows.iloc[0]
    if not row["p_corrected"] < SIGNIFICANT:
        return (
            "Whether maps differ more between properties (in one network) or between networks (for "
            f"one property) is not shown: {_paired(row)}."
        )
    less_alike = (row["difference"] < 0) == describe(metric).higher_is_alike
    more, fewer = ("properties", "networks") if less_alike else ("networks", "properties")
    return (
        f"Maps differ more between {more} than between {fewer}: {_paired(row)}. The sign counts "
        "here: maps for properties that people rate oppositely differ by it even where they lie in "
        "the same places."
    )


def _paired(row: pd.Series) -> str:
    name = "cosine" if row["metric"] == "cosine" else describe(row["metric"]).title
    return (
        f"the mean {name} of one network’s maps for two properties, less that of two networks’ "
        f"maps for one, is {estimate(row['difference'], row['low'], row['high'])} on "
        f"{count(int(row['n']), 'image')} (p {p_value(row['p_corrected'])})"
    )


def methods(record: PropertiesRecord, metrics: Sequence[str]) -> list[str]:
    """Say how the properties were compared, for a paper."""
    config = record.config
    return [
        "The same images were rated for several properties. Their embeddings were computed once "
        "per network; on these a head per property and seed was fitted, and one pass through each "
        "network removed every channel and every place for the heads of all properties at once. "
        "The test images are the same for all properties: unless a file named them, they were "
        f"drawn by the images’ names and the seed ({config.seed}), not by ratings.",
        "Maps for two properties were compared within each network, image by image, on z-scored "
        f"maps averaged over {count(config.seeds, 'seed')}, by "
        f"{', '.join(describe(one).title for one in metrics)}. Intervals are studentised "
        f"bootstrap intervals over images ({config.bootstrap:,} draws). The chance level re-pairs "
        "the maps of different images; p values are corrected after Benjamini and Hochberg over "
        "networks and pairs of properties. AIS maps are re-paired among images with the same sides "
        "of the error.",
        "How much a place matters is the magnitude of its evidence, averaged over seeds first. "
        "Places of opposite effect are the same places for it, as they are not for signed maps.",
    ]
