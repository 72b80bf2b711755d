"""Draw every figure of a report into `figures/`, with the data behind each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from aisthesis.execution.cores import allowed_cores
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

__all__ = ["FigureFiles", "FigureList"]

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


class FigureFiles:
    """Writes figures as PNG, SVG and CSV while the page is put together.

    Left as a context, it begins nothing more.

    Parameters
    ----------
    folder : Path
        `figures/` of the study.
    labels : mapping, optional
        Label by the short name of a network in the drawings; the CSV files have the labels.
    """

    def __init__(self, folder: Path, labels: Mapping[str, str] | None = None) -> None:
        self._folder, self._labels = folder, labels or {}
        self._pool = ThreadPoolExecutor(allowed_cores())
        self._begun: dict[str, Future[list[str]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, what: AgreementPart | FigureList) -> None:
        """Have the figures of the agreement section drawn, or the rest."""
        found = _of_agreement(what) if isinstance(what, AgreementPart) else _of_images(what)
        for name, one in found.items():
            table = with_labels(one.table, self._labels)
            job = (one.drawings, table, self._folder / name, one.columns)
            self._begun[name] = self._pool.submit(figures.save_figure, *job)

    def finish(self, reporter: ProgressReporter) -> None:
        """Wait for all; figures of an earlier report go, and letters that no font has are told."""
        lines: list[str] = []
        with reporter.steps("report: figures", len(self._begun)) as advance:
            for figure in self._begun.values():
                lines += figure.result()
                advance(1)
        missing = on_missing_letters(lines)
        if missing:
            reporter.warn(missing)
        for path in self._folder.glob("*"):
            ours = path.suffix in ENDINGS and path.stem.partition("_")[0] in NAMES
            if ours and path.stem not in self._begun:
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
