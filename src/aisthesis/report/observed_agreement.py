"""The answer about agreement: its level against chance, against noise, and what it rests on."""

from __future__ import annotations

import pandas as pd

from aisthesis.agreement.bootstrap import mean_intervals
from aisthesis.report.metricnames import describe
from aisthesis.report.pair_words import SIGNIFICANT, of
from aisthesis.report.selection import map_kinds, metric_names
from aisthesis.report.wording import KIND_NAMES, and_list, count, number, percent, span

__all__ = ["main_metric", "observe_chance", "observe_level", "observe_noise"]


def main_metric(agreement: pd.DataFrame) -> str | None:
    """Name the metric that the answer speaks of: cosine wherever it was computed."""
    found = metric_names(agreement)
    return "cosine" if "cosine" in found else found[0] if found else None


def _pick(table: pd.DataFrame, kind: str, metric: str) -> pd.DataFrame:
    return table[(table["map"] == kind) & (table["metric"] == metric)]


def _over_images(per_image: pd.DataFrame, kind: str, metric: str) -> str:
    """95% interval over images of the mean over pairs, or nothing where it cannot be had."""
    rows = _pick(per_image, kind, metric).dropna(subset=["value"])
    values = rows.groupby("image", sort=False)["value"].mean().to_numpy()
    if len(values) < 2:
        return ""
    interval = mean_intervals(values[:, None], seed=0, n_boot=2000)
    return span(float(interval.low[0]), float(interval.high[0]))


def observe_level(agreement: pd.DataFrame, per_image: pd.DataFrame) -> str | None:
    """Say how far the maps of two networks agree on average, for both kinds of maps.

    Parameters
    ----------
    agreement, per_image : pandas.DataFrame
        `agreement.csv` and `agreement_images.csv`; either may be empty.
    """
    metric = main_metric(agreement)
    if metric is None:
        return None
    parts = []
    for kind in map_kinds(agreement)[:2]:
        means = _pick(agreement, kind, metric)["mean"].dropna()
        if means.empty:
            continue
        interval = _over_images(per_image, kind, metric)
        inside = [f"95% interval {interval}"] if interval else []
        if len(means) > 1:
            inside.append(f"{len(means)} pairs from {number(means.min())} to {number(means.max())}")
        extra = f" ({'; '.join(inside)})" if inside else ""
        parts.append((KIND_NAMES.get(kind, kind), f"{number(means.mean())}{extra}"))
    if not parts:
        return None
    what = "mean cosine" if metric == "cosine" else f"mean {describe(metric).title}"
    (first, value), *rest = parts
    on = f"The maps {agreement_word(agreement)}: on" if metric == "cosine" else "On"
    said = f"{on} the same image the {first} maps of two networks have a {what} of {value}"
    said += "".join(f", their {kind} maps of {other}" for kind, other in rest)
    chance = observe_chance(agreement, metric)
    return f"{said}. {chance}" if chance else f"{said}."


def agreement_word(agreement: pd.DataFrame) -> str:
    """Put the higher mean cosine of both kinds of maps into a word, as one would a correlation."""
    rows = agreement[agreement["metric"] == "cosine"]
    mean = float(rows.groupby("map")["mean"].mean().max())
    steps = ((0.1, "hardly agree"), (0.3, "agree weakly"), (0.6, "agree moderately"))
    return next((word for limit, word in steps if mean < limit), "agree strongly")


def observe_chance(agreement: pd.DataFrame, metric: str) -> str | None:
    """Say what maps of different images give, and how many pairs do better."""
    if not {"chance", "p_corrected"} <= set(agreement.columns):
        return None
    levels, counted = [], []
    for kind in map_kinds(agreement)[:2]:
        rows = _pick(agreement, kind, metric).dropna(subset=["mean", "chance", "p_corrected"])
        if rows.empty:
            continue
        levels.append(number(float(rows["chance"].mean())))
        counted.append((int((rows["p_corrected"] < SIGNIFICANT).sum()), len(rows)))
    if not levels:
        return None
    n = counted[0][1]
    numbers = [str(k) for k in dict.fromkeys(k for k, _ in counted)]
    if all(k == 0 for k, _ in counted):
        verdict = "no pair agrees better than that"
    elif all(k == total for k, total in counted):
        verdict = f"{'the' if n == 1 else 'every'} pair agrees better than that"
    else:
        verb = "agrees" if numbers == ["1"] else "agree"
        verdict = f"{' and '.join(numbers)} of the {count(n, 'pair')} {verb} better than that"
    return (
        f"Maps of different images, which share only what all images share, have "
        f"{' and '.join(levels)}; {verdict} (p < 0.05, corrected over pairs)."
    )


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
    kinds = map_kinds(agreement)
    if not kinds or reliability.empty:
        return None
    kind = "evidence" if "evidence" in kinds else kinds[0]
    own = _pick(reliability, kind, "cosine")["mean"].dropna()
    if own.empty:
        return (
            "Every network was trained from one seed only, so it is not known how much of the "
            "disagreement is the noise of training."
        )
    least, most = number(own.min()), number(own.max())
    between = least if least == most else f"{least} to {most}"
    name = KIND_NAMES.get(kind, kind)
    shares = _shares(variance, kind)
    return (
        f"{shares + ' ' if shares else ''}Trained from another seed, the same network agrees with "
        f"itself to a cosine of {between} between {name} maps{_freed(agreement, kind)}"
    )


def _freed(agreement: pd.DataFrame, kind: str) -> str:
    """End the sentence with what pairs would agree to, were it not for the noise of seeds."""
    if "disattenuated" not in agreement.columns:
        return "."
    rows = _pick(agreement, kind, "cosine").dropna(subset=["disattenuated"])
    if rows.empty:
        return "."
    mean = number(float(rows["disattenuated"].mean()))
    said = f"; freed of that noise two networks would agree to {mean} on average"
    ends = rows.get("disattenuated_high", pd.Series(dtype=float))
    below = int((ends < 1).sum())
    if not below:
        return f"{said}, with no interval that ends below 1."
    if len(rows) == 1:
        return f"{said}, with an interval that ends below 1: they differ by more than noise."
    who = f"all {len(rows)}" if below == len(rows) else f"{below} of the {len(rows)}"
    return f"{said}, and {who} pairs’ intervals end below 1: these differ by more than noise."


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
    """Name both members of the pair that agrees most; empty where no mean is defined."""
    rows = _pick(agreement, kind, metric).dropna(subset=["mean"])
    if rows.empty:
        return []
    about = describe(metric)
    ranked = rows.sort_values("mean", ascending=not about.higher_is_alike, kind="stable")
    best = ranked.iloc[0]
    return [str(best["backbone_a"]), str(best["backbone_b"])]
