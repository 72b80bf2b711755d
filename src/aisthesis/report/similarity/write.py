"""Write the report of an alignment study: figures, and one page that holds everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.execution.progress import ProgressReporter
from aisthesis.judgments.similarity.second_order import MEASURE_WORDS
from aisthesis.report.charts import figures
from aisthesis.report.charts.dots import dot_chart_table, draw_dots
from aisthesis.report.charts.letters import on_missing_letters
from aisthesis.report.folder.record import told_as_damage
from aisthesis.report.page import PLAIN_STYLES, render_page
from aisthesis.report.pictures.overlays import colour_bar_css
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.report.sections import versions_line
from aisthesis.report.sentences.tables import Value
from aisthesis.report.similarity.charts import agreement_chart, draw_curve
from aisthesis.report.similarity.figures import (
    draw_dissimilarities,
    draw_plane,
    matrix_table,
    plane_table,
)
from aisthesis.report.similarity.pair import pair_by_network, pair_by_people, pair_cards
from aisthesis.report.similarity.pictures import (
    PLANE,
    Thumbnails,
    channel_rows,
    heatmap_cards,
    plane_panels,
)
from aisthesis.report.similarity.record import AlignmentRecord, read_alignment_record
from aisthesis.report.similarity.space import leaf_order
from aisthesis.report.similarity.words import cautions, methods, observations, p_value, references
from aisthesis.report.words.colour_words import meaning, unit_of
from aisthesis.report.words.wording import count, number_or_dash, span
from aisthesis.store.entries import check_entries
from aisthesis.store.files import write_text

__all__ = ["write_alignment_report"]

_SCRIPTS = ("theme.js", "scroll.js", "alone.js", "alignment.js")


def write_alignment_report(
    study_dir: Path, *, progress: ProgressReporter | None = None, follow_links: bool = False
) -> Path:
    """Write `figures/` and `report.html` of an alignment study from its folder.

    Parameters
    ----------
    study_dir : Path
        Folder of a study whose tables and maps are written.
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
        If `study_dir` holds no finished study.
    AisthesisError
        If the report cannot be written.
    """
    check_entries(Path(study_dir), follow_links=follow_links)
    with told_as_damage(Path(study_dir)):
        return _written(Path(study_dir), progress or ProgressReporter())


def _written(study_dir: Path, reporter: ProgressReporter) -> Path:
    record = read_alignment_record(study_dir)
    photographs = Photographs(record.images_dir)
    table = record.tables["alignment"]
    order = leaf_order(record.human)
    with reporter.steps("report", 1 + len(record.labels)) as advance:
        thumbnails = Thumbnails(photographs, record.images)
        advance(1)
        backbones, boxes = [], list[str]()
        for label in record.labels:
            backbones.append(_backbone(record, label, order, photographs, thumbnails, boxes))
            advance(1)
    chart = agreement_chart(table)
    drawing = draw_dots(chart)
    folder = record.path / "figures"
    boxes += figures.save_figure([drawing], dot_chart_table([chart]), folder / "agreement")
    missing = on_missing_letters(boxes)
    if missing:
        reporter.warn(missing)
    content = {
        "study_name": record.name,
        "provenance": record.provenance,
        "created": str(record.provenance.get("updated") or "")[:10],
        "n_images": len(record.images),
        "observations": observations(record),
        "cautions": cautions(record, photographs.unreadable),
        "thumbnails": thumbnails.defined,
        "chart": drawing,
        "has_ceiling": chart.band is not None,
        "agreement_rows": _agreement_rows(table),
        "validation_rows": _validation_rows(table),
        "backbones": backbones,
        "methods": methods(record),
        "references": references(record),
        "versions": versions_line(record.provenance),
        "colour_bar_gradient": colour_bar_css(),
        "meaning": meaning("alignment"),
        "unit": unit_of("alignment"),
        "place_meaning": meaning("alignment_place"),
        "place_unit": f"units of {MEASURE_WORDS[record.config['measure']]}",
        "pair_sentence": pair_by_people(record.images, record.human),
        "pair_meaning": meaning("pair_place"),
        "pair_unit": unit_of("pair_place"),
        "stages": record.seconds,
    }
    page = record.path / "report.html"
    write_text(page, render_page(content, "alignment/report.html.j2", PLAIN_STYLES, _SCRIPTS))
    return page


def _backbone(
    record: AlignmentRecord,
    label: str,
    order: np.ndarray,
    photographs: Photographs,
    thumbnails: Thumbnails,
    boxes: list[str],
) -> dict[str, Any]:
    row = record.of("alignment", label).iloc[0]
    curve = record.of("retention_curve", label)
    panels = plane_panels(record, label, thumbnails)
    name = label.replace(":", "_").replace("/", "_")
    pairs = {"people": record.human, "all channels": record.network[label],
             "retained channels": record.retained[label]}  # fmt: skip
    drawn_curve = draw_curve(curve, row, label)
    matrices = [draw_dissimilarities(said, one, order) for said, one in pairs.items()]
    planes = [draw_plane(panel, thumbnails.uris, PLANE) for panel in panels]
    for kind, drawings, data in (
        ("retention", [drawn_curve], curve),
        ("matrices", matrices, matrix_table(pairs, record.images, order)),
        ("planes", planes, plane_table(panels)),
    ):
        path = record.path / "figures" / f"{kind}_{name}"
        boxes += figures.save_figure(drawings, data, path, 3)
    cards = heatmap_cards(record, label, photographs, thumbnails)
    return {
        "label": label,
        "curve": drawn_curve,
        "n_retained": int(row["n_retained"]),
        "n_channels": int(row["n_channels"]),
        "folds": _fold_rows(record.of("validation", label)),
        "channels": channel_rows(record, label, thumbnails),
        "matrices": list(zip(pairs, matrices, strict=True)),
        "planes": list(zip(panels, planes, strict=True)),
        "cards": cards,
        "pair": pair_cards(record, label, photographs),
        "pair_sentence": pair_by_network(record.human, record.network[label]),
        "layer": (record.provenance.get("backbones", {}).get(label) or {}).get("layer"),
    }


def _agreement_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "backbone": row["backbone"],
            "n": f"{int(row['n_images']):,}",
            "channels": f"{int(row['n_channels']):,}",
            "values": [
                Value(number_or_dash(float(row[name]), 3))
                for name in (
                    "agreement",
                    "agreement_subjects",
                    "agreement_retained",
                    "agreement_retained_subjects",
                )
            ],
            "n_retained": f"{int(row['n_retained']):,}",
        }
        for _, row in table.iterrows()
    ]


def _validation_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for _, row in table.iterrows():
        values = [
            Value(
                number_or_dash(float(row[name]), 3),
                span(float(row[f"{name}_low"]), float(row[f"{name}_high"]), 3),
            )
            for name in ("r2_full", "r2_retained", "difference")
        ]
        kept = Value(
            f"{row['n_retained_mean']:.0f}",
            f"{int(row['n_retained_min'])} to {int(row['n_retained_max'])}",
        )
        p = p_value(float(row["p"])).removeprefix("= ")
        better = f"{int(row['n_better'])} of {count(int(row['n_folds']), 'fold')}"
        rows.append(
            {"backbone": row["backbone"], "values": [kept, *values, Value(p), Value(better)]}
        )
    return rows


def _fold_rows(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            str(int(row["repeat"]) + 1),
            str(int(row["fold"]) + 1),
            str(int(row["n_test"])),
            str(int(row["n_retained"])),
            *(
                number_or_dash(float(row[name]), 3)
                for name in ("r2_full", "r2_retained", "difference")
            ),
        ]
        for _, row in table.iterrows()
    ]
