"""What an agreement is to be held against: itself across seeds, activation, chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.report.charts.dots import DotChart, Mark, dot_chart, draw_dots
from aisthesis.report.charts.drawing import Drawing
from aisthesis.report.charts.matrices import own_value
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.pair_words import Row, of
from aisthesis.report.words.wording import KIND_NAMES, and_list, capitalised
from aisthesis.stats.bootstrap import mean_intervals

__all__ = ["SERIES", "Yardsticks", "what_they_are", "yardsticks"]

#: Names of the marks in the order of their shapes, and what they stand for.
SERIES = {
    "others": "the other networks’ maps",
    "itself": "its own maps from other seeds",
    "activation": "its layer’s mean activation",
    "chance": "others’ maps of other images (chance)",
}


@dataclass(frozen=True)
class Yardsticks:
    """The chart of one kind of map and metric."""

    kind: str
    metric: str
    chart: DotChart

    @cached_property
    def drawing(self) -> Drawing:
        """The chart, drawn."""
        return draw_dots(self.chart)


def _rows(table: pd.DataFrame, kind: str, metric: str) -> dict[str, list[Row]]:
    """Rows of one kind of map and metric, by backbone."""
    found: dict[str, list[Row]] = {}
    for row in table[(table["map"] == kind) & (table["metric"] == metric)].to_dict("records"):
        found.setdefault(str(row["backbone"]), []).append(row)
    return found


def _one(rows: Sequence[Row], name: str) -> list[Mark]:
    for row in rows:
        # The interval is that of single seeds; it does not belong to the stepped-up value.
        stepped = name == "itself" and own_value(row) != of(row, "mean")
        mean = own_value(row) if name == "itself" else of(row, "mean")
        ends = (np.nan, np.nan) if stepped else (of(row, "low"), of(row, "high"))
        if np.isfinite(mean):
            return [Mark(name, mean, *ends)]
    return []


def _by_image(per_image: pd.DataFrame, labels: list[str]) -> dict[str, NDArray[np.float64]]:
    """By backbone, the mean agreement with the others on each image where one is defined."""
    defined = per_image.dropna(subset=["value"])
    image, names = pd.factorize(defined["image"])
    value = defined["value"].to_numpy(float)
    found = {}
    for label in labels:
        own = ((defined["backbone_a"] == label) | (defined["backbone_b"] == label)).to_numpy()
        n = np.bincount(image[own], minlength=len(names))
        total = np.bincount(image[own], value[own], minlength=len(names))
        found[label] = total[n > 0] / n[n > 0]
    return found


def _others(values: NDArray[np.float64]) -> list[Mark]:
    if not len(values):
        return []
    interval = mean_intervals(values[:, None], seed=0, n_boot=1000)
    return [Mark("others", float(values.mean()), float(interval.low[0]), float(interval.high[0]))]


def _chance(agreement: pd.DataFrame, label: str) -> list[Mark]:
    if "chance" not in agreement.columns:
        return []
    own = agreement[(agreement["backbone_a"] == label) | (agreement["backbone_b"] == label)]
    mean = own["chance"].mean()
    return [Mark("chance", float(mean))] if np.isfinite(mean) else []


def yardsticks(
    agreement: pd.DataFrame,
    per_image: pd.DataFrame,
    reliability: pd.DataFrame,
    baselines: pd.DataFrame,
    kind: str,
    metric: str,
    labels: list[str],
) -> Yardsticks | None:
    """Lay out what every backbone's agreement with the others is to be held against.

    Parameters
    ----------
    agreement, per_image, reliability, baselines : pandas.DataFrame
        The tables of these names; any may be empty.
    kind, metric : str
        Which maps and metric.
    labels : list of str
        The backbones, in order.

    Returns
    -------
    Yardsticks or None
        None where there is nothing to hold the agreement against.
    """
    summary = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    images = per_image[(per_image["map"] == kind) & (per_image["metric"] == metric)]
    others = _by_image(images, labels)
    activation, itself = (_rows(table, kind, metric) for table in (baselines, reliability))
    rows = []
    for label in labels:
        marks = [
            *_chance(summary, label),
            *_one(activation.get(label, ()), "activation"),
            *_others(others[label]),
            *_one(itself.get(label, ()), "itself"),
        ]
        rows.append((label, marks))
    names = {mark.name for _, marks in rows for mark in marks}
    if not names - {"others"}:
        return None
    unit = describe(metric).title
    title = f"{capitalised(KIND_NAMES.get(kind, kind))} maps, {unit}"
    chart = dot_chart(title, unit, SERIES, rows, reference=0.0)
    return Yardsticks(kind, metric, chart)


def what_they_are(rulers: Sequence[Yardsticks]) -> str:
    """Say what the networks' agreement with each other is shown beside: what some chart holds."""
    held = {name for ruler in rulers for name in ruler.chart.series} - {"others"}
    words = [text for name, text in SERIES.items() if name in held]
    return (
        "How far each network’s maps agree with those of the others on the same image, beside how "
        f"far they agree with {and_list(words)}."
    )
