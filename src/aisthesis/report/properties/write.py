"""Write the report that compares several properties of the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aisthesis.execution.progress import ProgressReporter
from aisthesis.report.charts import figures
from aisthesis.report.charts.dots import dot_chart_table, draw_dots
from aisthesis.report.charts.letters import on_missing_letters
from aisthesis.report.folder.record import told_as_damage
from aisthesis.report.folder.selection import metric_names
from aisthesis.report.page import PLAIN_STYLES, render_page
from aisthesis.report.pictures.overlays import colour_bar_css
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.report.properties.parts import (
    agreement_rows,
    cards,
    charts,
    correlation_rows,
    property_rows,
)
from aisthesis.report.properties.record import PropertiesRecord, read_properties_record
from aisthesis.report.properties.words import methods, observations
from aisthesis.report.sections import versions_line
from aisthesis.report.sentences.observed_agreement import main_metric
from aisthesis.report.words.colour_words import meaning, unit_of
from aisthesis.report.words.metricnames import describe
from aisthesis.store.entries import check_entries
from aisthesis.store.files import write_text

__all__ = ["write_properties_report"]

_SCRIPTS = ("theme.js", "scroll.js", "alignment.js")


def write_properties_report(
    study_dir: Path, *, progress: ProgressReporter | None = None, follow_links: bool = False
) -> Path:
    """Write `figures/` and `report.html` of a study of several properties from its folder.

    The report compares the properties and leads to the report of each, which is not written here.

    Parameters
    ----------
    study_dir : Path
        Folder of the whole study, whose tables are written.
    progress : ProgressReporter, optional
        Told how far the work is.
    follow_links : bool
        Whether links in the folder are followed; otherwise it is refused with them.

    Returns
    -------
    Path
        `report.html`, one file that asks for nothing outside itself.

    Raises
    ------
    RequestError
        If `study_dir` holds no finished study of several properties.
    AisthesisError
        If the report cannot be written.
    """
    check_entries(Path(study_dir), follow_links=follow_links)
    with told_as_damage(Path(study_dir)):
        record = read_properties_record(Path(study_dir), follow_links=follow_links)
        return _written(record, progress or ProgressReporter())


def _written(record: PropertiesRecord, reporter: ProgressReporter) -> Path:
    photographs = Photographs(record.images_dir)
    metric = main_metric(record.agreement) or "cosine"
    boxes: list[str] = []
    with reporter.steps("report: properties", len(record.pairs)) as advance:
        pairs = []
        for number, pair in enumerate(record.pairs, 1):
            pairs.append(_pair(record, pair, metric, f"properties_{number}", boxes))
            advance(1)
    missing = on_missing_letters(boxes)
    if missing:
        reporter.warn(missing)
    title = record.config.title or record.path.resolve().name
    facts = record.provenance.get("properties") or {}
    content = {
        "study_name": title,
        "provenance": record.provenance,
        "properties": property_rows(record),
        "names": list(record.folders),
        "counted": facts.get("in_words") or "",
        "pairs": pairs,
        "metric": "the cosine" if metric == "cosine" else describe(metric).title,
        "correlations": correlation_rows(record),
        "networks": cards(record, photographs, metric),
        "meaning": meaning("evidence_place"),
        "unit": unit_of("evidence_place"),
        "colour_bar_gradient": colour_bar_css(),
        "methods": methods(record, metric_names(record.agreement)),
        "versions": versions_line(record.provenance),
    }
    page = record.path / "report.html"
    write_text(page, render_page(content, "properties/report.html.j2", PLAIN_STYLES, _SCRIPTS))
    return page


def _pair(
    record: PropertiesRecord, pair: tuple[str, str], metric: str, name: str, boxes: list[str]
) -> dict[str, Any]:
    """What the page shows of two properties."""
    found = charts(record, pair, metric)
    drawings = [draw_dots(chart) for chart in found]
    if drawings:
        path = record.path / "figures" / name
        boxes += figures.save_figure(drawings, dot_chart_table(found), path, 2)
    return {
        "a": pair[0],
        "b": pair[1],
        "observations": observations(
            record.correlations, record.agreement, record.differences, pair, metric
        ),
        "charts": [(chart.title, one) for chart, one in zip(found, drawings, strict=True)],
        "rows": agreement_rows(record, pair, metric),
    }
