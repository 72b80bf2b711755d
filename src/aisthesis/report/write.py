"""Write the report of a study: figures, and one page that holds everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from aisthesis.engine.files import write_text
from aisthesis.engine.progress import Narrator
from aisthesis.report import figures
from aisthesis.report.browser_data import browser_payload, images_that_fit
from aisthesis.report.cautions import cautions
from aisthesis.report.examples import choose_examples, image_facts, spread_over_ratings
from aisthesis.report.known_places import draw_known_places, known_places
from aisthesis.report.matrices import Matrix, matrices
from aisthesis.report.methods import methods_text, references
from aisthesis.report.observations import observe
from aisthesis.report.overlays import LIMIT_SD, colour_bar_css
from aisthesis.report.page import render_page
from aisthesis.report.photographs import Photographs, png_data_uri
from aisthesis.report.record import StudyRecord, read_study_record
from aisthesis.report.scatter import scatter_panels
from aisthesis.report.sections import (
    ExamplePage,
    example_page,
    versions_line,
)
from aisthesis.report.selection import (
    averaged_predictions,
    evaluated_split,
    headline_scores,
    image_consensus,
    map_kinds,
    metric_names,
)
from aisthesis.report.stored_maps import KINDS, differing_crops
from aisthesis.report.tables import (
    SCORE_NAMES,
    network_rows,
    pair_rows,
    score_rows,
    split_rows,
)
from aisthesis.report.wording import KIND_NAMES

__all__ = ["write_report"]

MOST_BROWSED = 150


def write_report(study_dir: Path, *, progress: Narrator | None = None) -> Path:
    """Write `figures/*.png` and `report.html` of a study, from its folder and its photographs.

    Parameters
    ----------
    study_dir : Path
        A study folder. Maps, agreement and localisation may be missing; the report says so.
        Photographs that are not there any more are named, and their maps shown on white.
    progress : Narrator, optional
        Told how far the work is.

    Returns
    -------
    Path
        `report.html`, one file that asks for nothing outside itself.

    Raises
    ------
    RequestError
        If `study_dir` holds no finished study.
    AisthesisError
        If the report cannot be written.
    """
    narrator = progress or Narrator()
    record = read_study_record(Path(study_dir))
    photographs = Photographs(record.images_dir)
    averaged = averaged_predictions(record.predictions)
    consensus = image_consensus(record.agreement_images, "ais")
    facts = image_facts(record.explained, averaged, consensus)
    content = _overview(record)
    content |= _prediction(record)
    content |= _agreement(record)
    content |= _pictures(record, facts, averaged, photographs, narrator)
    content |= _localisation(record)
    content["cautions"] = cautions(
        record.provenance,
        record.agreement,
        photographs.unreadable,
        differing_crops(record.maps) if len(record.agreement) else [],
    )
    page = record.path / "report.html"
    write_text(page, render_page(content))
    return page


def _figure_path(record: StudyRecord, name: str) -> Path:
    return record.path / "figures" / f"{name}.png"


def _overview(record: StudyRecord) -> dict[str, Any]:
    provenance, labels = record.provenance, record.backbones
    metrics = metric_names(record.agreement)
    ceiling = (provenance.get("ratings") or {}).get("noise_ceiling")
    if ceiling and ceiling.get("correlation") is None:  # too few raters to tell
        ceiling = None
    return {
        "study_name": record.config.get("title") or record.path.resolve().name,
        "provenance": provenance,
        "created": str(provenance.get("created") or provenance.get("updated") or "")[:10],
        "labels": labels,
        "explained_n": len(record.explained),
        "observations": observe(
            record.scores, record.agreement, record.agreement_images, ceiling
        ),
        "ceiling": ceiling,
        "networks": network_rows(provenance, labels),
        "splits": split_rows(provenance),
        "methods": methods_text(provenance, record.config, labels, metrics),
        "references": references(provenance, labels, metrics),
        "versions": versions_line(provenance),
        "stages": {
            name: float(facts["seconds"])
            for name, facts in (provenance.get("stages") or {}).items()
            if name != "report" and isinstance(facts, dict) and facts.get("seconds") is not None
        },
    }  # fmt: skip


def _prediction(record: StudyRecord) -> dict[str, Any]:
    headline = headline_scores(record.scores)
    axis, panels = scatter_panels(record.predictions, record.scores, headline, record.backbones)
    if panels:
        figure = figures.draw_predictions(axis, panels)
        figures.save_figure(figure, _figure_path(record, "predictions"))
    return {
        "split": evaluated_split(record.scores),
        "score_names": [words for name, words in SCORE_NAMES.items() if name in record.scores],
        "scores": score_rows(record.scores, record.backbones),
        "axis": axis,
        "panels": panels,
    }


def _agreement(record: StudyRecord) -> dict[str, Any]:
    table = record.agreement
    compared = set(table["backbone_a"]) | set(table["backbone_b"])
    labels = [label for label in record.backbones if label in compared]
    by_kind = matrices(table, metric_names(table), labels)
    for kind, found in by_kind.items():
        figures.save_figure(figures.draw_matrices(found), _figure_path(record, f"agreement_{kind}"))
    return {
        "agreement": [_agreement_panel(table, kind, by_kind[kind]) for kind in map_kinds(table)],
        "mapped": list(record.maps),
    }


def _agreement_panel(table: pd.DataFrame, kind: str, found: list[Matrix]) -> dict[str, Any]:
    header, rows = pair_rows(table, kind)
    name = KIND_NAMES.get(kind, kind)
    return {"kind": kind, "name": name, "matrices": found, "header": header, "rows": rows}


def _pictures(
    record: StudyRecord,
    facts: pd.DataFrame,
    averaged: pd.DataFrame,
    photographs: Photographs,
    narrator: Narrator,
) -> dict[str, Any]:
    if not record.maps:
        return {"examples": [], "browser": None, "colour_bar_gradient": "", "limit": LIMIT_SD}
    chosen = choose_examples(facts)
    kinds = [kind for kind in KINDS if any(kind in stack.kinds for stack in record.maps.values())]
    pages: list[ExamplePage] = []
    for kind in kinds:
        page = example_page(record, chosen, facts, averaged, photographs, kind)
        figure = figures.draw_examples(page.rows, list(record.maps), page.name)
        figures.save_figure(figure, _figure_path(record, f"examples_{kind}"))
        pages.append(page)
    most = images_that_fit(record.maps, MOST_BROWSED)
    names = spread_over_ratings(facts, most, [example.image for example in chosen])
    with narrator.steps("report", len(names)) as advance:
        payload = browser_payload(names, facts, averaged, record.maps, photographs, advance)
    return {
        "examples": pages,
        "browser": payload,
        "colour_bar_gradient": colour_bar_css(),
        "limit": LIMIT_SD,
    }


def _localisation(record: StudyRecord) -> dict[str, Any]:
    section = known_places(record.localisation)
    if section is None:
        return {"localisation": None}
    figure, uri = draw_known_places(record.localisation), None
    if figure is not None:
        uri = png_data_uri(figures.save_figure(figure, _figure_path(record, "localisation")))
    return {"localisation": section, "localisation_uri": uri}
