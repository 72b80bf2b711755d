"""Draw every figure of a report into `figures/`, with the data behind each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from aisthesis.engine.processes import allowed_cores, in_turn_or_processes
from aisthesis.engine.progress import Narrator
from aisthesis.maps import stated_limit
from aisthesis.report.agreement_part import AgreementPart
from aisthesis.report.dots import DotChart
from aisthesis.report.figure_matrices import draw_matrices, draw_trees, matrix_table, tree_table
from aisthesis.report.figure_pictures import draw_examples, draw_predictions, prediction_table
from aisthesis.report.figure_statistics import (
    distribution_table,
    dot_chart_table,
    draw_distribution,
    draw_dot_charts,
    draw_variance,
    variance_table,
)
from aisthesis.report.figures import draw_figure
from aisthesis.report.letters import on_missing_letters
from aisthesis.report.scatter import Axis, Panel
from aisthesis.report.sections import ExamplePage
from aisthesis.report.stored_maps import BackboneMaps

__all__ = ["FigureList", "draw_all"]

ENDINGS = (".png", ".svg", ".csv")
#: How the names of the report's figures begin; other files of the folder are not its to remove.
NAMES = (
    "agreement", "dendrogram", "distribution", "examples", "localisation", "predictions",
    "scores", "variance", "yardsticks",
)  # fmt: skip


#: With fewer figures, starting processes takes as long as drawing them.
_WORTH_PROCESSES = 16


@dataclass
class FigureList:
    """What is to be drawn besides agreement, gathered while the page is put together."""

    predictions: tuple[Axis, list[Panel]] | None = None
    scores: DotChart | None = None
    examples: list[tuple[ExamplePage, dict[str, BackboneMaps]]] = field(default_factory=list)
    places: list[DotChart] = field(default_factory=list)


Drawing = tuple[Callable[[], Figure], Callable[[], pd.DataFrame]]


def draw_all(folder: Path, part: AgreementPart, drawn: FigureList, narrator: Narrator) -> None:
    """Write every figure as PNG, SVG and CSV; figures of an earlier report go.

    Parameters
    ----------
    folder : Path
        `figures/` of the study.
    part : AgreementPart
        The agreement section.
    drawn : FigureList
        The rest.
    narrator : Narrator
        Told how far the work is, and which letters no installed font has.
    """
    figures = _of_images(drawn) | _of_agreement(part)  # what takes longest comes first
    jobs = [(draw, table, folder / name) for name, (draw, table) in figures.items()]
    n_processes = allowed_cores() if len(jobs) >= _WORTH_PROCESSES else 1
    with narrator.steps("report: figures", len(jobs)) as advance:
        lines = in_turn_or_processes(draw_figure, jobs, n_processes, advance)
    missing = on_missing_letters(line for own in lines for line in own)
    if missing:
        narrator.warn(missing)
    for path in folder.glob("*"):
        ours = path.suffix in ENDINGS and path.stem.partition("_")[0] in NAMES
        if ours and path.stem not in figures:
            path.unlink()


def _of_agreement(part: AgreementPart) -> dict[str, Drawing]:
    found: dict[str, Drawing] = {}
    for panel in part.panels:
        found[f"agreement_{panel.kind}_{panel.metric}"] = _drawing(
            draw_matrices, matrix_table, panel.views
        )
    for one in part.distributions:
        found[f"distribution_{one.kind}_{one.metric}"] = _drawing(
            draw_distribution, distribution_table, one
        )
    for kind in dict.fromkeys(ruler.kind for ruler in part.yardsticks):
        charts = [ruler.chart for ruler in part.yardsticks if ruler.kind == kind]
        found[f"yardsticks_{kind}"] = _dots(charts)
    for kind in dict.fromkeys(tree.kind for tree in part.trees):
        trees = [tree for tree in part.trees if tree.kind == kind]
        found[f"dendrogram_{kind}"] = _drawing(draw_trees, tree_table, trees)
    if part.variance:
        found["variance"] = _drawing(draw_variance, variance_table, part.variance)
    return found


def _drawing(
    draw: Callable[[Any], Figure], table: Callable[[Any], pd.DataFrame], content: Any
) -> Drawing:
    return partial(draw, content), partial(table, content)


def _dots(charts: list[DotChart]) -> Drawing:
    return _drawing(draw_dot_charts, dot_chart_table, charts)


def _of_images(drawn: FigureList) -> dict[str, Drawing]:
    found: dict[str, Drawing] = {}
    if drawn.predictions is not None and drawn.predictions[1]:
        axis, panels = drawn.predictions
        found["predictions"] = (
            partial(draw_predictions, axis, panels),
            partial(prediction_table, panels),
        )
    if drawn.scores is not None:
        found["scores"] = _dots([drawn.scores])
    for page, maps in drawn.examples:
        found[f"examples_{page.kind}"] = (
            partial(draw_examples, page.rows, list(maps), page.name, page.unit, page.meaning),
            partial(_map_table, page, maps),
        )
    if drawn.places:
        found["localisation"] = _dots(drawn.places)
    return found


def _map_table(page: ExamplePage, maps: dict[str, BackboneMaps]) -> pd.DataFrame:
    """Give every cell of the maps shown, at the layer's resolution."""
    tables = []
    for card in page.cards:
        for label, stack in maps.items():
            values = stack.get(page.kind, card["name"])
            if values is None:
                continue
            y, x = np.indices(values.shape)
            tables.append(
                pd.DataFrame({
                    "image": card["name"], "map": page.kind, "backbone": label,
                    "y": y.ravel(), "x": x.ravel(), "value": values.ravel(),
                    "full_colour": stated_limit(values),
                })
            )  # fmt: skip
    columns = ["image", "map", "backbone", "y", "x", "value", "full_colour"]
    return pd.concat(tables) if tables else pd.DataFrame(columns=columns)
