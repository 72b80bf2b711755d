"""What each part of the page holds, put together from the study's record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.folder.selection import prediction_lookup
from aisthesis.report.folder.stored_maps import CropBox
from aisthesis.report.pictures.examples import Example
from aisthesis.report.pictures.figure_pictures import ExampleRow
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs, jpeg_data_uri, map_data_uri
from aisthesis.report.pictures.planted_pictures import Planted
from aisthesis.report.words.colour_words import full_colour, meaning, unit_of
from aisthesis.report.words.wording import (
    DASH,
    KIND_NAMES,
    and_list,
    count,
    number_or_dash,
    percent,
    rating_text,
)

__all__ = ["ExamplePage", "example_page", "planted_page", "units_said", "versions_line"]

#: Stages that compute nothing of what the report says.
_NO_NUMBERS = ("check", "report")


@dataclass(frozen=True)
class ExamplePage:
    """The example images of one kind of map: cards for the page, rows for the figure.

    `meaning` and `unit` say what the colours are.
    """

    kind: str
    name: str
    meaning: str
    unit: str
    cards: list[dict[str, Any]]
    rows: list[ExampleRow]


def _crop(record: StudyRecord, image: str) -> CropBox | None:
    crops = (stack.crop(image) for stack in record.maps.values())
    return next((crop for crop in crops if crop is not None), None)


def _overlay(
    record: StudyRecord, label: str, kind: str, image: str, photo: Image.Image | None
) -> Image.Image | None:
    stack = record.maps[label]
    values = stack.get(kind, image)
    if values is None or not values.any():
        return None
    return lay_over(photo, values, stack.crop(image))


def example_page(
    record: StudyRecord,
    examples: Sequence[Example],
    facts: pd.DataFrame,
    averaged: pd.DataFrame,
    photographs: Photographs,
    kind: str,
) -> ExamplePage:
    """Lay every backbone's map over every example image.

    Parameters
    ----------
    record : StudyRecord
        The study.
    examples : sequence of Example
        The chosen images.
    facts, averaged : pandas.DataFrame
        Ratings per image, and predictions per image and backbone.
    photographs : Photographs
        The photographs.
    kind : str
        One of the kinds that a study always has.

    Returns
    -------
    ExamplePage
        Cards with pictures inside them, and the same pictures as rows of a figure.
    """
    predictions = prediction_lookup(averaged)
    ratings = {str(image): float(rating) for image, rating in facts["rating"].items()}
    spread = float(facts["rating"].std())
    cards, figure_rows = [], []
    for example in examples:
        name, photo = example.image, photographs.get(example.image)
        pictures = [_overlay(record, b, kind, name, photo) for b in record.maps]
        scales = [full_colour(stack.get(kind, name)) for stack in record.maps.values()]
        rating = rating_text(ratings[name], spread) if np.isfinite(ratings[name]) else None
        panels = [
            {
                "label": label,
                "uri": None if picture is None else map_data_uri(picture),
                "scale": scale,
                "prediction": _predicted(predictions.get((name, label), np.nan), spread),
            }
            for label, picture, scale in zip(record.maps, pictures, scales, strict=True)
        ]
        crop = _crop(record, name)
        cards.append({
            "name": name,
            "why": example.why,
            "rating": f"human rating {rating}" if rating else "no human rating",
            "uri": photographs.thumbnail_uri(name, 256),
            "crop": [round(100 * share, 3) for share in crop.fractions] if crop else None,
            "panels": panels,
        })  # fmt: skip
        small = None if photo is None else photo.copy()
        if small is not None:
            small.thumbnail((256, 256))
        figure_rows.append(
            ExampleRow(f"rated {rating}" if rating else "not rated", small, pictures, scales)
        )
    return ExamplePage(kind, KIND_NAMES[kind], meaning(kind), unit_of(kind), cards, figure_rows)


def _predicted(value: float, spread: float) -> str:
    return rating_text(value, spread) if np.isfinite(value) else DASH


def planted_page(planted: Planted) -> dict[str, Any]:
    """Put what was planted into words and pictures for the page."""
    said = (
        f"Of {count(planted.n, 'explained image')}, {planted.n_raising:,} hold evidence that "
        f"raises the rating and {planted.n_lowering:,} evidence that lowers it"
    )
    if np.isfinite(planted.area):
        said += f"; where there is raising evidence it covers {percent(planted.area)} on average"
    cards = [
        {
            "name": image.name,
            "why": image.why,
            "uri": jpeg_data_uri(image.picture),
            "panels": [
                {
                    "label": one.label,
                    "uri": None if one.picture is None else map_data_uri(one.picture),
                    "scale": one.scale,
                    "auc": number_or_dash(one.auc),
                }
                for one in image.maps
            ],
        }
        for image in planted.images
    ]
    return {
        "sentence": f"{said}.",
        "cards": cards,
        "unit": unit_of(planted.kind),
        "kind": KIND_NAMES[planted.kind],
    }


def units_said(pages: Sequence[ExamplePage]) -> str:
    """Say the units of full colour: one, or each with the kinds of maps that have it."""
    by_unit: dict[str, list[str]] = {}
    for page in pages:
        by_unit.setdefault(page.unit, []).append(page.name)
    if len(by_unit) == 1:
        return next(iter(by_unit))
    return and_list([f"{unit} ({and_list(names)})" for unit, names in by_unit.items()])


def versions_line(provenance: dict[str, Any]) -> list[str]:
    """List the software with its exact versions, aisthesis first.

    Where stages were computed with several versions, each is given with its stages.
    """
    stages = {
        stage: facts["versions"]
        for stage, facts in (provenance.get("stages") or {}).items()
        if stage not in _NO_NUMBERS and isinstance(facts, dict) and facts.get("versions")
    }
    if not stages:  # a folder of 0.1.0 says it once
        versions = {"aisthesis": provenance.get("aisthesis"), **provenance.get("versions", {})}
        return [f"{name} {version}" for name, version in versions.items() if version]
    said = []
    for name in dict.fromkeys(name for versions in stages.values() for name in versions):
        with_version: dict[str, list[str]] = {}
        for stage, versions in stages.items():
            if name in versions:
                with_version.setdefault(versions[name], []).append(stage)
        told = [
            f"{version} ({and_list(of)})" if len(with_version) > 1 else version
            for version, of in with_version.items()
        ]
        said.append(f"{name} {and_list(told)}")
    return said
