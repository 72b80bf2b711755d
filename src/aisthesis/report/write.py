"""Write the report of a study: figures with their data, and one page that holds everything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from aisthesis.errors import RequestError, or_list
from aisthesis.execution.progress import ProgressReporter
from aisthesis.memory import give_memory_back
from aisthesis.names.explainers import BY_PLACE
from aisthesis.report.charts.dots import draw_dots
from aisthesis.report.charts.scatter import draw_panel, scatter_panels
from aisthesis.report.charts.score_chart import score_chart
from aisthesis.report.folder.record import StudyRecord, read_study_record, told_as_damage
from aisthesis.report.folder.selection import (
    averaged_predictions,
    consensus_metric,
    evaluated_split,
    headline_scores,
    image_consensus,
    leading_kind,
)
from aisthesis.report.folder.short_names import with_short_names
from aisthesis.report.folder.stored_maps import KINDS, differing_crops, kinds_of
from aisthesis.report.page import render_page
from aisthesis.report.parts.agreement_part import AgreementPart, agreement_part
from aisthesis.report.parts.dividing import dividing_estimates, observe_dividing
from aisthesis.report.parts.faithfulness import other_methods
from aisthesis.report.parts.known_places import known_places, observe_found, place_charts
from aisthesis.report.parts.retention import retention
from aisthesis.report.parts.where_people_look import people_chart, peoples_places
from aisthesis.report.parts.yardsticks import what_they_are
from aisthesis.report.pictures.browser_data import browser_content
from aisthesis.report.pictures.channel_cards import channel_cards
from aisthesis.report.pictures.examples import HIGHEST_RATED, choose_examples, image_facts
from aisthesis.report.pictures.method_strips import method_strips
from aisthesis.report.pictures.overlays import colour_bar_css
from aisthesis.report.pictures.photographs import Photographs, PhotographStore, Placement
from aisthesis.report.pictures.planted_pictures import planted_pictures
from aisthesis.report.pictures.rank_pictures import contrast_cards
from aisthesis.report.pictures.showcases import Showcases, showcases
from aisthesis.report.sections import (
    ExamplePage,
    example_page,
    planted_page,
    units_said,
    versions_line,
)
from aisthesis.report.sentences.cautions import cautions
from aisthesis.report.sentences.estimates import ceiling_estimates, estimates_table
from aisthesis.report.sentences.kinds_of_evidence import observe_kinds
from aisthesis.report.sentences.methods import methods_text, references
from aisthesis.report.sentences.observations import Observations, observe
from aisthesis.report.sentences.observed_agreement import level_estimates
from aisthesis.report.sentences.observed_prediction import no_ceiling
from aisthesis.report.sentences.observed_shape import (
    SSIM_LESS_COSINE,
    WITHIN_FAMILIES,
    observe_family,
    observe_far,
    observe_grids,
    observe_near_zero,
    observe_ssim,
    shape_estimates,
)
from aisthesis.report.sentences.residual_side import side_estimates
from aisthesis.report.sentences.signed_copies import signed_copies
from aisthesis.report.sentences.tables import SCORE_NAMES, network_rows, score_rows, split_rows
from aisthesis.report.study_figures import FigureFiles, FigureList
from aisthesis.report.words.metricnames import describe
from aisthesis.store.entries import check_entries
from aisthesis.store.files import plain_errors, write_csv, write_text

__all__ = ["PLACEMENTS", "write_report"]

PLACEMENTS = ("auto", "inline", "folder")
#: Files that hold the page's numbers, of which a study has some.
_TABLES = (
    "predictions.csv", "scores.csv", "prediction_differences.csv", "agreement.csv",
    "agreement_images.csv", "agreement_differences.csv", "reliability.csv", "baselines.csv",
    "variance.csv", "clusters.csv", "images.csv", "localisation.csv", "human_maps.csv",
    "faithfulness.csv", "faithfulness_differences.csv", "retention.csv",
    "methods.csv", "top_channels.csv", "figures/report_estimates.csv",
    "maps.zarr",
)  # fmt: skip


def write_report(
    study_dir: Path,
    *,
    progress: ProgressReporter | None = None,
    photographs: Placement = "auto",
    follow_links: bool = False,
) -> Path:
    """Write `figures/` and `report.html` of a study, from its folder and its photographs.

    Parameters
    ----------
    study_dir : Path
        A study folder. Maps, agreement, inference and localisation may be missing; the report
        says so, or leaves the part out. Photographs that are not there any more are named, and
        their maps shown on white.
    progress : ProgressReporter, optional
        Told how far the work is.
    photographs : {"auto", "inline", "folder"}
        Put the image browser's photographs into the page, or as files into
        `report-photographs/` beside it; `auto` keeps them in the page while they take less than
        about 20 MB.
    follow_links : bool
        Whether links in the folder are followed; otherwise it is refused with them.

    Returns
    -------
    Path
        `report.html`, which asks for nothing outside the study folder, and with inline
        photographs for nothing outside itself.

    Raises
    ------
    RequestError
        If `study_dir` holds no finished study, or `photographs` is none of the three.
    AisthesisError
        If the report cannot be written.
    """
    if photographs not in PLACEMENTS:
        raise RequestError(f"expected photographs to be {or_list(PLACEMENTS)}, got {photographs!r}")
    check_entries(Path(study_dir), follow_links=follow_links)
    with told_as_damage(Path(study_dir)):
        return _written(Path(study_dir), progress or ProgressReporter(), photographs)


def _written(study_dir: Path, reporter: ProgressReporter, photographs: Placement) -> Path:
    record, long_names = with_short_names(read_study_record(study_dir))
    shown = Photographs(record.images_dir)
    averaged = averaged_predictions(record.predictions)
    record = _of_shown_images(record, "predictions")
    give_memory_back()  # of what tables of all images took, for what follows
    here = averaged[averaged["image"].isin(record.explained)]
    here = here.assign(image=here["image"].astype(str))  # of the images that the page shows
    facts = _facts_by_kind(record, here)
    figures = record.path / "figures"
    with plain_errors(figures):
        figures.mkdir(exist_ok=True)
    write_csv(figures / "report_estimates.csv", _estimates(record, averaged, facts))
    give_memory_back()
    with FigureFiles(figures, long_names) as files:
        part, drawn = agreement_part(record), FigureList()
        files.begin(part)
        give_memory_back()
        content = _overview(record, facts, averaged) | {"long_names": long_names}
        content |= _prediction(record, averaged, content["ceiling"], drawn)
        content |= _agreement(record, part, content["observations"])
        record = _of_shown_images(record, "agreement_images", "between_images")
        del averaged  # of all images
        give_memory_back()
        whole = showcases(record.maps, record.explained)
        content |= _pictures(record, facts, here, shown, drawn, photographs, reporter, whole)
        content |= _localisation(record, shown, drawn, whole)
        content |= _people(record, drawn)
        content["other_methods"] = others = other_methods(record)
        apart = others.ranks.contrasts if others is not None and others.ranks is not None else []
        content["rank_cards"] = contrast_cards(record, shown, apart, whole.images)
        shown_large = [card["name"] for page in content["examples"][:1] for card in page.cards]
        content["strips"] = method_strips(record.maps, shown_large, shown) if others else None
        content["channels"] = channel_cards(record.channels, shown)
        content["channels_shown"] = int(record.channels["rank"].max()) if content["channels"] else 0
        content["cautions"] = cautions(
            record.provenance,
            record.agreement,
            shown.unreadable,
            differing_crops(record.maps) if len(record.agreement) else [],
        )
        files.begin(drawn)
        beside = any(image["photograph"] not in (None, "inline") for image in _browsed(content))
        text = render_page(content, photographs_beside=beside)
        files.finish(reporter)
    page = record.path / "report.html"
    write_text(page, text)
    return page


def _of_shown_images(record: StudyRecord, *tables: str) -> StudyRecord:
    """A record without what some tables hold of images that the page does not show."""
    shown, changed = set(record.explained), {}
    for name in tables:
        table = getattr(record, name)
        changed[name] = table[table["image"].isin(shown)] if "image" in table else table
    return replace(record, **changed)


def _browsed(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Images in the browser."""
    return content["browser"]["images"] if content["browser"] else []


def _facts_by_kind(record: StudyRecord, averaged: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Give what is known of each explained image, by kind of map."""
    metric = consensus_metric(record.agreement)
    return {
        kind: image_facts(
            record.explained,
            averaged,
            image_consensus(record.between_images, record.images, kind, metric),
        )
        for kind in (*KINDS, *_compared(record.between_images))
    }


def _compared(between_images: pd.DataFrame) -> list[str]:
    """Other explainers whose maps were compared between networks."""
    return [kind for kind in between_images["map"].unique() if kind not in KINDS]


def _n_rated(provenance: dict[str, Any]) -> int:
    """Count the images that people rated; an older study counts all of them."""
    rated = (provenance.get("ratings") or {}).get("n_images")
    return int(rated or (provenance.get("images") or {}).get("n") or 0)


def _estimates(
    record: StudyRecord, averaged: pd.DataFrame, facts: dict[str, pd.DataFrame]
) -> pd.DataFrame:
    """Everything that sentences say with an interval and that no other table holds."""
    kind = leading_kind(record.agreement["map"]) or "ais"
    return estimates_table(
        [
            *ceiling_estimates(record.provenance),
            *level_estimates(record.agreement, record.agreement_images),
            *side_estimates(record.agreement_images, averaged),
            *shape_estimates(record.agreement_images, record.provenance.get("backbones", {})),
            *dividing_estimates(facts[kind], kind),
        ]
    )


def _across(record: StudyRecord) -> str:
    """What the metrics and pairs show together, as far as the tables show anything."""
    backbones = record.provenance.get("backbones", {})
    found = {one.about: one for one in shape_estimates(record.agreement_images, backbones)}
    said = [
        observe_ssim(record.agreement, found.get(SSIM_LESS_COSINE)),
        observe_far(record.agreement, record.differences),
        observe_family(found.get(WITHIN_FAMILIES), backbones, record.agreement),
        observe_near_zero(record.agreement),
    ]
    return " ".join(text for text in said if text)


def _overview(
    record: StudyRecord, facts: dict[str, pd.DataFrame], averaged: pd.DataFrame
) -> dict[str, Any]:
    provenance, labels = record.provenance, record.backbones
    ceiling = (provenance.get("ratings") or {}).get("noise_ceiling")
    if ceiling and ceiling.get("correlation") is None:  # too few raters to tell
        ceiling = None
    kind = leading_kind(record.agreement["map"]) or "ais"
    return {
        "study_name": record.name,
        "provenance": provenance,
        "created": str(provenance.get("created") or provenance.get("updated") or "")[:10],
        "labels": labels,
        "network_labels": record.networks,
        "explained_n": record.n_explained,
        "observations": observe(
            record.scores, record.agreement, record.agreement_images, ceiling,
            record.reliability,
            record.variance,
            averaged,
            [
                ("Across metrics and pairs", _across(record)),
                ("How coarse the maps are", observe_grids(provenance.get("backbones", {}))),
                ("What divides them", observe_dividing(facts[kind], kind)),
                ("Where the evidence is known", observe_found(record.localisation)),
                (
                    "By channel or by place",
                    " ".join(observe_kinds(record.localisation, record.faithfulness)),
                ),
            ],
            signed_copies(record.maps),
            record.differences,
            record.prediction_differences,
        ),
        "ceiling": ceiling,
        "no_ceiling": no_ceiling(provenance.get("ratings") or {}),
        "n_rated": _n_rated(provenance),
        "held": [name for name in _TABLES if (record.path / name).exists()],
        "networks": network_rows(provenance, record.networks),
        "splits": split_rows(provenance),
        "methods": methods_text(record),
        "references": references(record),
        "versions": versions_line(provenance),
        "stages": record.seconds,
    }  # fmt: skip


def _prediction(
    record: StudyRecord,
    averaged: pd.DataFrame,
    ceiling: dict[str, Any] | None,
    drawn: FigureList,
) -> dict[str, Any]:
    headline = headline_scores(record.scores)
    axis, panels = scatter_panels(averaged, record.scores, headline, record.backbones)
    drawn.predictions = [(panel, draw_panel(axis, panel)) for panel in panels]
    chart = score_chart(record.scores, record.backbones, ceiling)
    drawn.scores = [] if chart is None else [(chart, draw_dots(chart))]
    return {
        "split": evaluated_split(record.scores),
        "score_names": [words for name, words in SCORE_NAMES.items() if name in record.scores],
        "scores": score_rows(record.scores, record.backbones),
        "score_charts": drawn.scores,
        "panels": drawn.predictions,
        "retention": retention(record.retention),
    }


def _agreement(
    record: StudyRecord, part: AgreementPart, observations: Observations
) -> dict[str, Any]:
    metric = consensus_metric(record.agreement)
    return {
        "agreement": part if part.panels else None,
        "yardsticks_are": what_they_are(part.yardsticks),
        "pair_words": observations.agreement,
        "mapped": list(record.maps),
        "consensus_metric": metric if metric == "cosine" else describe(metric).title,
    }


def _pictures(
    record: StudyRecord,
    facts: dict[str, pd.DataFrame],
    averaged: pd.DataFrame,
    photographs: Photographs,
    drawn: FigureList,
    placement: Placement,
    reporter: ProgressReporter,
    whole: Showcases,
) -> dict[str, Any]:
    bar = {"colour_bar_gradient": colour_bar_css()}
    if not record.maps:
        return {"examples": [], "hero": None, "browser": None, "blobs": [], **bar}
    first = next(iter(record.maps))
    kinds = [kind for kind in kinds_of(record.maps) if kind in KINDS]
    lead = leading_kind(kinds) or kinds[0]
    chosen = choose_examples(facts[lead].loc[whole.images], kind=lead)
    pages = [
        example_page(record, chosen, facts[kind], averaged, photographs, kind) for kind in kinds
    ]
    drawn.examples = [(page, record.maps) for page in pages if page.cards]
    names = record.explained
    store = PhotographStore(photographs, names, record.path, placement)
    with reporter.steps("report: images", len(names)) as advance:
        content = browser_content(names, facts, averaged, record.maps, store, advance)
    return {
        "examples": pages,
        "example_units": units_said(pages),
        "left_out": whole.words,
        # The frame is drawn where the first network looked.
        "framed": first if len(record.maps) == 1 or differing_crops(record.maps) else "",
        "hero": _hero(pages, facts["ais"]["rating"], lead),
        "browser": content.data,
        "by_place": bool(set(BY_PLACE) & set(kinds)),
        "other_methods_browsed": not set(content.data["kinds"]) <= set(KINDS),
        "blobs": content.blobs,
        **bar,
    }


def _hero(pages: list[ExamplePage], ratings: pd.Series, kind: str) -> dict[str, Any] | None:
    """Choose what the top of the page shows: the image rated highest, in maps of one kind.

    Parameters
    ----------
    pages : list of ExamplePage
        Examples among images whose maps are defined for every network.
    ratings : pandas.Series
        Of all explained images, by name.
    kind : str
        Which of the pages.
    """
    page = next(page for page in pages if page.kind == kind)
    card = next((card for card in page.cards if HIGHEST_RATED in card["why"].split("; ")), None)
    if card is None:
        return None
    rating = ratings[card["name"]]
    who = "The explained image that people rated highest"
    if rating < ratings.max():
        who = "Of the images that the examples were chosen from, the one rated highest"
    elif (ratings == rating).sum() > 1:
        who = "One of the explained images that people rated highest"
    said = {"meaning": page.meaning, "unit": page.unit}
    return {"card": card, "name": page.name, "who": who, **said}


def _people(record: StudyRecord, drawn: FigureList) -> dict[str, Any]:
    chart = people_chart(record.human_maps)
    drawn.people = [] if chart is None else [(chart, draw_dots(chart))]
    section = peoples_places(record.human_maps, record.provenance.get("human_maps"))
    return {"people": section, "people_charts": drawn.people}


def _localisation(
    record: StudyRecord, photographs: Photographs, drawn: FigureList, whole: Showcases
) -> dict[str, Any]:
    section = known_places(record.localisation, record.agreement, record.faithfulness)
    if section is None:
        return {"localisation": None}
    charts = place_charts(record.localisation)
    planted = planted_pictures(record, photographs, whole.images)
    drawn.places = [(chart, draw_dots(chart)) for chart in charts.values()]
    return {
        "localisation": section,
        "place_charts": drawn.places,
        "planted": None if planted is None else planted_page(planted),
    }
