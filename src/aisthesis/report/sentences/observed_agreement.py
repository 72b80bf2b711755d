"""The answer about agreement: its level against chance, against noise, and what it rests on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from aisthesis.report.folder.image_values import values_by_image
from aisthesis.report.folder.selection import leading_kind, map_kinds, metric_names
from aisthesis.report.sentences.estimates import Estimate
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.pair_words import SIGNIFICANT, Row, of
from aisthesis.report.words.wording import (
    FEW_IMAGES,
    KIND_NAMES,
    and_list,
    count,
    number,
    percent,
    same_number,
    span,
)
from aisthesis.stats.bootstrap import mean_intervals
from aisthesis.stats.jackknife import means_without, pseudo_values

__all__ = ["level_estimates", "main_metric", "observe_chance", "observe_level", "observe_noise"]

#: What is estimated.
MEAN = "mean over pairs"


def main_metric(agreement: pd.DataFrame) -> str | None:
    """Name the metric that the answer speaks of: cosine wherever it was computed."""
    found = metric_names(agreement)
    return "cosine" if "cosine" in found else found[0] if found else None


def _pick(table: pd.DataFrame, kind: str, metric: str) -> pd.DataFrame:
    return table[(table["map"] == kind) & (table["metric"] == metric)]


def level_estimates(agreement: pd.DataFrame, per_image: pd.DataFrame) -> list[Estimate]:
    """Mean agreement over pairs with its interval over images, of both kinds of maps.

    Parameters
    ----------
    agreement, per_image : pandas.DataFrame
        `agreement.csv` and `agreement_images.csv`; either may be empty.
    """
    metric, found = main_metric(agreement), []
    for kind in map_kinds(agreement)[:2] if metric else ():
        rows = _pick(agreement, kind, str(metric)).dropna(subset=["mean"])
        if len(rows):
            ends, n = _interval(rows, per_image, kind, str(metric))
            mean = float(rows["mean"].mean())
            found.append(Estimate("agreement", kind, str(metric), MEAN, mean, *ends, 0.95, n))
    return found


def _interval(
    rows: pd.DataFrame, per_image: pd.DataFrame, kind: str, metric: str
) -> tuple[tuple[float, float], int]:
    """95% interval over images of the mean over pairs, NaN where it cannot be had; images."""
    if len(rows) == 1:  # the table's own
        one = rows.to_dict("records")[0]
        n = int(of(one, "n")) if np.isfinite(of(one, "n")) else 0
        return (of(one, "low"), of(one, "high")) if _many(one) else (np.nan, np.nan), n
    _, table = values_by_image(per_image, kind, metric)
    table = table[np.isfinite(table).any(axis=1)]
    if len(table) < FEW_IMAGES:
        return (np.nan, np.nan), len(table)
    # Of the mean over pairs of their means over images, some of which may be undefined.
    mean = np.nanmean(table, axis=0).mean()
    each = pseudo_values(np.array([mean]), means_without(table).mean(axis=1)[:, None])
    low, high = mean_intervals(each, seed=0, n_boot=2000)
    return (float(low[0]), float(high[0])), len(table)


def _many(row: Row) -> bool:
    n = of(row, "n")
    return not np.isfinite(n) or n >= FEW_IMAGES


def observe_level(agreement: pd.DataFrame, per_image: pd.DataFrame) -> str | None:
    """Say how far the maps of two networks agree on average, for AIS and evidence maps.

    Of maps by place where there are some, else of those by channel.

    Parameters
    ----------
    agreement, per_image : pandas.DataFrame
        `agreement.csv` and `agreement_images.csv`; either may be empty.
    """
    metric = main_metric(agreement)
    if metric is None:
        return None
    parts, levels = [], {}
    for found in level_estimates(agreement, per_image):
        kind = found.map
        rows = _pick(agreement, kind, metric).dropna(subset=["mean"])
        means = rows["mean"]
        interval = span(found.low, found.high)
        inside = [f"95% interval {interval}"] if interval else []
        if len(means) > 1:
            ends = number(means.min()), number(means.max())
            spread = f"from {ends[0]} to {ends[1]}" if ends[0] != ends[1] else f"all {ends[0]}"
            inside.append(f"{len(means)} pairs {spread}")
        extra = f" ({'; '.join(inside)})" if inside else ""
        name = KIND_NAMES.get(kind, kind)
        parts.append((name, f"{number(found.value)}{extra}"))
        levels[name] = agreement_word(_beyond_chance(rows))
    if not parts:
        return None
    what = "mean cosine" if metric == "cosine" else f"mean {describe(metric).title}"
    (first, value), *rest = parts
    on = f"{_in_words(levels)}: on" if metric == "cosine" else "On"
    said = f"{on} the same image the {first} maps of two networks have a {what} of {value}"
    said += "".join(f", their {kind} maps of {other}" for kind, other in rest)
    chance = observe_chance(agreement, metric)
    return f"{said}. {chance}" if chance else f"{said}."


def _in_words(levels: dict[str, str]) -> str:
    """Say both kinds' levels, apart where they differ."""
    if len(set(levels.values())) == 1:
        return f"The maps {next(iter(levels.values()))}"
    return "The " + ", the ".join(f"{kind} maps {word}" for kind, word in levels.items())


def _beyond_chance(rows: pd.DataFrame) -> float:
    """Mean agreement of pairs, of which the part counts that lies above chance.

    (mean - chance) / (1 - chance) where chance lies above zero; what is no more than chance is no
    agreement, and none is opposed for being below it.
    """
    mean = float(rows["mean"].mean())
    chance = float(rows["chance"].mean()) if "chance" in rows else np.nan
    if not (0 < chance < 1 and mean > 0):
        return mean
    return max(0.0, (mean - chance) / (1 - chance))


def agreement_word(mean: float) -> str:
    """Put a mean cosine into a word, as one would a correlation."""
    steps = (
        (-0.1, "are rather opposed"), (0.1, "hardly agree"), (0.3, "agree weakly"),
        (0.6, "agree moderately"),
    )  # fmt: skip
    shown = round(mean, 2)  # a level is that of the number that is said
    return next((word for limit, word in steps if shown < limit), "agree strongly")


def observe_chance(agreement: pd.DataFrame, metric: str) -> str | None:
    """Say what maps of different images give, and how many pairs do better."""
    if not {"chance", "p_corrected"} <= set(agreement.columns):
        return None
    higher = describe(metric).higher_is_alike
    levels, counted = [], []
    for kind in map_kinds(agreement)[:2]:
        rows = _pick(agreement, kind, metric).dropna(subset=["mean", "chance", "p_corrected"])
        if rows.empty:
            continue
        above = rows["mean"] > rows["chance"] if higher else rows["mean"] < rows["chance"]
        better = int((above & (rows["p_corrected"] < SIGNIFICANT)).sum())
        levels.append((KIND_NAMES.get(kind, kind), number(float(rows["chance"].mean()))))
        counted.append((better, len(rows)))
    if not levels:
        return None
    several = len(levels) > 1
    have = " and ".join(f"{value} ({kind})" if several else value for kind, value in levels)
    return (
        f"Maps of different images, which share only what all images share, have {have}; "
        f"{_better(counted, [kind for kind, _ in levels])} than that (p < 0.05, corrected over "
        "pairs)."
    )


def _better(counted: list[tuple[int, int]], kinds: list[str]) -> str:
    """Say how many pairs agree better, by kind of map where that differs."""
    if all(k == 0 for k, _ in counted):
        return "no pair is shown to agree better"
    if all(k == n for k, n in counted):
        return f"{'the' if {n for _, n in counted} == {1} else 'every'} pair agrees better"
    if len(set(counted)) == 1:
        k, n = counted[0]
        return f"{k} of the {count(n, 'pair')} {'agrees' if k == 1 else 'agree'} better"
    parts = [
        f"{k} of {count(n, 'pair')} ({kind})" for (k, n), kind in zip(counted, kinds, strict=True)
    ]
    return f"{and_list(parts)} agree better"


def observe_noise(
    agreement: pd.DataFrame, reliability: pd.DataFrame, variance: pd.DataFrame
) -> str | None:
    """Say how far a network agrees with itself across seeds, and what is left without that noise.

    Evidence maps are spoken of where there are some, because the side of the error does not
    enter them.

    Parameters
    ----------
    agreement, reliability, variance : pandas.DataFrame
        The tables of these names; the last two may be empty.
    """
    kind = leading_kind(agreement["map"].dropna())
    if kind is None or reliability.empty:
        return None
    name = KIND_NAMES.get(kind, kind)
    rows = _pick(reliability, kind, "cosine")
    own = rows["mean"].dropna()
    if own.empty:
        return _not_known(rows, name)
    least, most = number(own.min()), number(own.max())
    between = least if least == most else f"{least} to {most}"
    silent = [str(b) for b in rows.loc[rows["mean"].isna(), "backbone"]]
    but = f" (not known for {and_list(silent)})" if silent else ""
    shares = _shares(variance, kind)
    return (
        f"{shares + ' ' if shares else ''}Trained from another seed, the same network agrees with "
        f"itself to a cosine of {between} between {name} maps{but}{_freed(agreement, kind)}"
    )


def _not_known(rows: pd.DataFrame, name: str) -> str:
    if "n_seeds" in rows and (rows["n_seeds"] > 1).any():
        return (
            f"How far a network’s {name} maps from different seeds agree is undefined, so it is "
            "not known how much of the disagreement is the noise of training."
        )
    return (
        "Every network was trained from one seed only, so it is not known how much of the "
        "disagreement is the noise of training."
    )


def _freed(agreement: pd.DataFrame, kind: str) -> str:
    """End the sentence with what pairs would agree to, were it not for the noise of seeds."""
    if "disattenuated" not in agreement.columns:
        return "."
    rows = _pick(agreement, kind, "cosine").dropna(subset=["disattenuated"])
    if rows.empty:
        return "."
    mean = float(rows["disattenuated"].mean())
    said = f"; freed of that noise two networks would agree to {number(mean)} on average"
    if mean > 1:
        said += " (chance can carry it beyond 1)"
    ends = rows.get("disattenuated_high", pd.Series(np.nan, index=rows.index))
    known, below = int(ends.notna().sum()), int((ends < 1).sum())
    if not known:
        return f"{said}, but that has no interval."
    if len(rows) == 1:
        if below:
            return f"{said}, with an interval that ends below 1: they differ by more than noise."
        return f"{said}, with an interval that does not end below 1."
    if not below:
        which = "" if known == len(rows) else f" of the {known} known"
        return f"{said}, and no pair’s interval{which} ends below 1."
    who = f"all {len(rows)} pairs’" if below == len(rows) else f"{below} of the {len(rows)} pairs’"
    has = "has" if len(rows) - known == 1 else "have"
    without = f" ({len(rows) - known} {has} none)" if known < len(rows) else ""
    return f"{said}, and {who} intervals end below 1{without}: these differ by more than noise."


def _shares(variance: pd.DataFrame, kind: str) -> str | None:
    """Say which part of the variance of maps all networks share, and which is one's own."""
    rows = variance[variance["map"] == kind].dropna(subset=["share"])
    by_name = {str(row["component"]): row for row in rows.to_dict("records")}
    if not {"image", "image x backbone", "seed"} <= set(by_name):
        return None

    def share(name: str) -> str:
        row = by_name[name]
        interval = span(100 * of(row, "low"), 100 * of(row, "high"), 0)
        return percent(max(of(row, "share"), 0.0)) + (f" ({interval})" if interval else "")

    words = {
        "image": "is what all networks see in an image",
        "image x backbone": "is what one network alone sees in an image",
        "seed": "comes with the seed of its training",
    }
    ranked = sorted(words, key=lambda name: -of(by_name[name], "share"))
    listed = and_list([f"{share(name)} {words[name]}" for name in ranked])
    return f"Of the variance of {KIND_NAMES.get(kind, kind)} maps {listed}."


def strongest_pairs(agreement: pd.DataFrame, kind: str, metric: str) -> list[str]:
    """Name both members of the pair that agrees most; empty where none does alone."""
    rows = _pick(agreement, kind, metric).dropna(subset=["mean"])
    if rows.empty:
        return []
    about = describe(metric)
    ranked = rows.sort_values("mean", ascending=not about.higher_is_alike, kind="stable")
    best = ranked.iloc[0]
    if len(ranked) > 1 and same_number(best["mean"], ranked.iloc[1]["mean"]):
        return []
    return [str(best["backbone_a"]), str(best["backbone_b"])]
