"""Draw every figure of a report into `figures/`, with the data behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from aisthesis.execution.processes import allowed_cores
from aisthesis.execution.progress import ProgressReporter
from aisthesis.maps.colour import stated_limit
from aisthesis.report.charts import figures
from aisthesis.report.charts.dendrogram import tree_table
from aisthesis.report.charts.distribution import distribution_table
from aisthesis.report.charts.dots import DotChart, dot_chart_table
from aisthesis.report.charts.drawing import Drawing
from aisthesis.report.charts.letters import on_missing_letters
from aisthesis.report.charts.matrix_drawing import matrix_table
from aisthesis.report.charts.scatter import Panel, prediction_table
from aisthesis.report.folder.short_names import with_labels
from aisthesis.report.folder.stored_maps import BackboneMaps
from aisthesis.report.parts.agreement_part import AgreementPart
from aisthesis.report.parts.variance import variance_table
from aisthesis.report.pictures.figure_pictures import draw_examples
from aisthesis.report.sections import ExamplePage

__all__ = ["FigureList", "draw_all"]

ENDINGS = (".png", ".svg", ".csv")
#: How the names of the report's figures begin; other files of the folder are not its to remove.
NAMES = (
    "agreement", "dendrogram", "distribution", "examples", "localisation", "people",
    "predictions", "scores", "variance", "yardsticks",
)  # fmt: skip


@dataclass
class FigureList:
    """What is to be drawn besides agreement, gathered while the page is put together."""

    predictions: list[tuple[Panel, Drawing]] = field(default_factory=list)
    scores: list[tuple[DotChart, Drawing]] = field(default_factory=list)
    examples: list[tuple[ExamplePage, dict[str, BackboneMaps]]] = field(default_factory=list)
    places: list[tuple[DotChart, Drawing]] = field(default_factory=list)
    people: list[tuple[DotChart, Drawing]] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """The drawings of one file, the numbers behind them, and how many stand beside each other."""

    drawings: Sequence[Drawing]
    table: pd.DataFrame
    columns: int = 1


def draw_all(
    folder: Path,
    part: AgreementPart,
    drawn: FigureList,
    reporter: ProgressReporter,
    labels: Mapping[str, str] | None = None,
) -> None:
    """Write every figure as PNG, SVG and CSV; figures of an earlier report go.

    Parameters
    ----------
    folder : Path
        `figures/` of the study.
    part : AgreementPart
        The agreement section.
    drawn : FigureList
        The rest.
    reporter : ProgressReporter
        Told how far the work is, and which letters no installed font has.
    labels : mapping, optional
        Label by the short name of a network in the drawings; the CSV files have the labels.
    """
    found = _of_images(drawn) | _of_agreement(part)
    lines: list[str] = []
    with reporter.steps("report: figures", len(found)) as advance:
        jobs = (
            (one.drawings, with_labels(one.table, labels or {}), folder / name, one.columns)
            for name, one in found.items()
        )
        with ThreadPoolExecutor(allowed_cores()) as pool:
            for missed in pool.map(lambda job: figures.save_figure(*job), jobs):
                lines += missed
                advance(1)
    missing = on_missing_letters(lines)
    if missing:
        reporter.warn(missing)
    for path in folder.glob("*"):
        ours = path.suffix in ENDINGS and path.stem.partition("_")[0] in NAMES
        if ours and path.stem not in found:
            path.unlink()


def _of_agreement(part: AgreementPart) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    for panel in part.panels:
        found[f"agreement_{panel.kind}_{panel.metric}"] = Figure(
            panel.drawings, matrix_table(panel.views), 2
        )
    for one, drawing in part.distributions:
        found[f"distribution_{one.kind}_{one.metric}"] = Figure([drawing], distribution_table(one))
    for kind in dict.fromkeys(ruler.kind for ruler in part.yardsticks):
        rulers = [ruler for ruler in part.yardsticks if ruler.kind == kind]
        table = dot_chart_table([ruler.chart for ruler in rulers])
        found[f"yardsticks_{kind}"] = Figure([ruler.drawing for ruler in rulers], table, 2)
    for kind in dict.fromkeys(tree.kind for tree, _ in part.trees):
        trees = [(tree, drawing) for tree, drawing in part.trees if tree.kind == kind]
        table = tree_table([tree for tree, _ in trees])
        found[f"dendrogram_{kind}"] = Figure([drawing for _, drawing in trees], table, 2)
    if part.variance:
        drawings = list(part.variance_drawings.values())
        found["variance"] = Figure(drawings, variance_table(part.variance), 2)
    return found


def _of_images(drawn: FigureList) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    if drawn.predictions:
        panels, drawings = zip(*drawn.predictions, strict=True)
        found["predictions"] = Figure(drawings, prediction_table(panels), 3)
    charts = {"scores": drawn.scores, "localisation": drawn.places, "people": drawn.people}
    for name, own in charts.items():
        if own:
            table = dot_chart_table([chart for chart, _ in own])
            found[name] = Figure([drawing for _, drawing in own], table, 2)
    for page, maps in drawn.examples:
        drawing = draw_examples(page.rows, list(maps), page.name, page.unit, page.meaning)
        found[f"examples_{page.kind}"] = Figure([drawing], _map_table(page, maps))
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
