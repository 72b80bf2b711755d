"""Figures of distributions over images, of means beside their yardsticks, and of variance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aisthesis.report.distribution import HEIGHT, Distribution
from aisthesis.report.dots import DotChart
from aisthesis.report.figures import GRID, INK, POINT, QUIET, quiet_frame
from aisthesis.report.variance import Component
from aisthesis.report.wording import KIND_NAMES, capitalised

__all__ = [
    "distribution_table",
    "dot_chart_table",
    "draw_distribution",
    "draw_dot_charts",
    "draw_variance",
    "variance_table",
]

#: Marks and colours that stay apart for readers with any common colour deficiency, and in grey.
SHAPES = (
    ("o", "#2166ac"), ("D", "#b2182b"), ("s", "#d98b1f"), ("^", "#6f7780"), ("v", "#7b4f9d"),
    ("P", "#1b7f6b"), ("X", "#444444"),
)  # fmt: skip


def draw_distribution(found: Distribution) -> Figure:
    """Draw every pair's agreement over images: each image a dot, with quartiles and mean."""
    figure = Figure(figsize=(6.6, 1.0 + 0.46 * len(found.strips)), layout="constrained")
    axes = figure.subplots()
    span = found.high - found.low
    for k, strip in enumerate(found.strips):
        low, middle, high = strip.quartiles
        axes.barh(k, high - low, left=low, height=0.8, color=GRID, zorder=1)
        places = found.low + strip.x / 1000 * span
        heights = k + (strip.y / HEIGHT - 0.5) * 0.95
        axes.plot(places, heights, ".", color=POINT, ms=3, mew=0, alpha=0.7, zorder=2)
        axes.plot([middle, middle], [k - 0.4, k + 0.4], color=INK, lw=1.4, zorder=3)
        if np.isfinite([strip.low, strip.high]).all():
            axes.plot([strip.low, strip.high], [k, k], color="#b2182b", lw=1.6, zorder=4)
        axes.plot(strip.mean, k, "D", color="#b2182b", mec="white", mew=0.6, ms=5, zorder=5)
        if np.isfinite(strip.chance):
            chance = [strip.chance, strip.chance]
            axes.plot(chance, [k - 0.45, k + 0.45], color=QUIET, lw=1, ls=":", zorder=3)
    axes.set_yticks(range(len(found.strips)), [strip.pair for strip in found.strips])
    axes.set(xlim=(found.low, found.high), ylim=(len(found.strips) - 0.45, -0.55))
    _finish(axes, f"{found.words.title} ({found.words.direction})", 0.0)
    kind = capitalised(KIND_NAMES.get(found.kind, found.kind))
    axes.set_title(
        f"{kind} maps: a dot an image, bar the middle half, line the median,\n"
        "diamond the mean with its 95% interval, dotted the chance level",
        fontsize=8, loc="left",
    )  # fmt: skip
    return figure


def _finish(axes: Axes, label: str, reference: float) -> None:
    for text in axes.get_yticklabels():
        text.set_parse_math(False)
    axes.set_xlabel(label, fontsize=8, color=INK)
    axes.grid(axis="x", color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    if np.isfinite(reference):
        axes.axvline(reference, color=QUIET, lw=0.8, ls="--", zorder=0.5)
    quiet_frame(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def distribution_table(found: Distribution) -> pd.DataFrame:
    """Give every dot, with its pair."""
    parts = [pd.DataFrame({"pair": strip.pair, "value": strip.values}) for strip in found.strips]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "map", found.kind)
    table.insert(1, "metric", found.metric)
    return table


def draw_dot_charts(charts: Sequence[DotChart]) -> Figure:
    """Draw charts of means with intervals below one another, on axes of their own."""
    heights = [0.8 + 0.5 * len(chart.rows) for chart in charts]
    size = (6.6, sum(heights) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(charts), 1, squeeze=False, height_ratios=heights)
    named: dict[str, str] = {}
    for chart in charts:
        named |= chart.series
    order = list(named)
    for axes, chart in zip(grid.flat, charts, strict=True):
        _draw_dots(axes, chart, order)
    handles = {
        text: handle
        for axes in grid.flat
        for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=2, fontsize=8,
        frameon=False,
    )  # fmt: skip
    return figure


def _draw_dots(axes: Axes, chart: DotChart, order: list[str]) -> None:
    names = list(chart.series)
    for name in names:
        marker, colour = SHAPES[order.index(name) % len(SHAPES)]
        offset = 0.13 * (names.index(name) - (len(names) - 1) / 2)
        own = [
            (k + offset, m) for k, (_, ms) in enumerate(chart.rows) for m in ms if m.name == name
        ]
        for place, mark in own:
            if mark.has_interval:
                axes.plot([mark.low, mark.high], [place, place], color=colour, lw=1.1)
        means, places = [m.mean for _, m in own], [place for place, _ in own]
        axes.plot(means, places, marker, color=colour, ms=4.5, label=chart.series[name])
    axes.set_yticks(range(len(chart.rows)), [label for label, _ in chart.rows])
    axes.set(xlim=(chart.low, chart.high), ylim=(len(chart.rows) - 0.5, -0.5))
    _finish(axes, chart.unit, chart.reference)
    axes.set_title(chart.title, fontsize=9, loc="left")


def dot_chart_table(charts: Sequence[DotChart]) -> pd.DataFrame:
    """Give the marks of every chart."""
    parts = [chart.table().assign(chart=chart.title) for chart in charts]
    return pd.concat(parts, ignore_index=True)


def draw_variance(parts: dict[str, list[Component]]) -> Figure:
    """Draw the shares of the variance of the maps, a panel for each kind of map."""
    longest = max(len(components) for components in parts.values())
    size = (4.0 * len(parts) + 1.2, 1.0 + 0.4 * longest)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(1, len(parts), squeeze=False)
    for axes, (kind, components) in zip(grid.flat, parts.items(), strict=True):
        places = np.arange(len(components))
        axes.barh(places, [100 * c.share for c in components], height=0.6, color=POINT, alpha=0.75)
        for k, component in enumerate(components):
            if np.isfinite([component.low, component.high]).all():
                ends = [100 * component.low, 100 * component.high]
                axes.plot(ends, [k, k], color=INK, lw=1.2)
        axes.set_yticks(places, [c.name for c in components])
        axes.set(ylim=(len(components) - 0.4, -0.6), xlim=(min(0, axes.get_xlim()[0]), None))
        _finish(axes, "share of the variance of the maps (%)", float("nan"))
        axes.set_title(f"{capitalised(KIND_NAMES.get(kind, kind))} maps", fontsize=9, loc="left")
    return figure


def variance_table(parts: dict[str, list[Component]]) -> pd.DataFrame:
    """Give every share."""
    return pd.DataFrame([
        {"map": kind, "component": c.name, "share": c.share, "low": c.low, "high": c.high}
        for kind, components in parts.items()
        for c in components
    ])  # fmt: skip
