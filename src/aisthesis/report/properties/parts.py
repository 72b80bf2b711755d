"""Tables, charts and pictures of a report on several properties."""

from __future__ import annotations

from typing import Any

import numpy as np

from aisthesis.config import PEOPLE, SIZE
from aisthesis.report.charts.dots import DotChart, Mark, dot_chart
from aisthesis.report.folder.selection import headline_scores
from aisthesis.report.folder.stored_maps import BackboneMaps
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs, map_data_uri
from aisthesis.report.properties.record import PropertiesRecord
from aisthesis.report.sentences.tables import Value
from aisthesis.report.words.colour_words import full_colour
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.wording import (
    KIND_NAMES,
    as_number,
    capitalised,
    number,
    number_or_dash,
    p_value,
    span,
)
from aisthesis.store.tables import read_csv

__all__ = ["KINDS", "agreement_rows", "cards", "charts", "correlation_rows", "property_rows"]

#: Kinds of maps that were compared, in the order shown.
KINDS = {
    "evidence_place": KIND_NAMES["evidence_place"],
    SIZE: "size of the evidence by place",
    **{kind: KIND_NAMES[kind] for kind in ("evidence", "ais_place", "ais")},
}
#: Kinds that have a chart.
_CHARTS = ("evidence_place", SIZE)
_CARDS, _CARD_PX = 8, 200


def property_rows(record: PropertiesRecord) -> list[dict[str, Any]]:
    """A row for each property: its ratings, how well it is predicted, and where its report is."""
    rated = (record.provenance.get("properties") or {}).get("rated") or {}
    rows = []
    for name, folder in record.folders.items():
        facts = rated.get(name) or {}
        ceiling = (facts.get("noise_ceiling") or {}).get("reliability")
        scores = headline_scores(read_csv(folder.scores))
        best = scores["plcc"].max()
        report = (
            folder.report.relative_to(record.path).as_posix() if folder.report.is_file() else ""
        )
        rows.append(
            {
                "name": name,
                "n": f"{int(facts.get('n_images') or 0):,}",
                "ceiling": number_or_dash(as_number(ceiling), 3),
                "plcc": number_or_dash(float(scores["plcc"].mean())),
                "best": number_or_dash(float(best)),
                "report": report,
            }
        )
    return rows


def correlation_rows(record: PropertiesRecord) -> list[dict[str, Any]]:
    """A row for people and for each network, of every pair of properties."""
    rows = []
    for row in record.correlations.to_dict("records"):
        people = row["of"] == PEOPLE
        rows.append(
            {
                "pair": f"{row['property_a']} and {row['property_b']}",
                "of": f"people, {row['images']} images" if people else str(row["backbone"]),
                "n": f"{int(row['n']):,}",
                "values": [
                    Value(number_or_dash(row[name]), span(row[f"{name}_low"], row[f"{name}_high"]))
                    for name in ("pearson", "spearman")
                ]
                + [Value(number_or_dash(row["disattenuated"]))],
            }
        )
    return rows


def agreement_rows(record: PropertiesRecord, pair: tuple[str, str], metric: str) -> list[Any]:
    """A row for each kind of map and network: agreement for two properties, beside yardsticks."""
    table = record.agreement
    rows = table[
        (table["metric"] == metric)
        & (table["property_a"] == pair[0])
        & (table["property_b"] == pair[1])
    ]
    rank = {kind: place for place, kind in enumerate(KINDS)}
    rows = rows.sort_values("map", key=lambda kinds: kinds.map(rank), kind="stable")
    return [
        {
            "map": KINDS.get(row["map"], row["map"]),
            "backbone": row["backbone"],
            "values": [
                Value(number_or_dash(row["mean"]), span(row["low"], row["high"])),
                Value(number_or_dash(row["chance"]), span(row["chance_low"], row["chance_high"])),
                Value(p_value(row["p_corrected"]).removeprefix("= ")),
                Value(number_or_dash(row["reliability_a"])),
                Value(number_or_dash(row["reliability_b"])),
                Value(
                    number_or_dash(row["disattenuated"]),
                    span(row["disattenuated_low"], row["disattenuated_high"]),
                ),
                Value(f"{int(row['n']):,}"),
            ],
        }
        for row in rows.to_dict("records")
    ]


def charts(record: PropertiesRecord, pair: tuple[str, str], metric: str) -> list[DotChart]:
    """Agreement of the maps for two properties in each network, beside what to hold it against."""
    a, b = pair
    series = {
        "both": f"{a} and {b}, same image",
        "chance": "other images (chance)",
        "itself_a": f"{a}, from other seeds",
        "itself_b": f"{b}, from other seeds",
        "activation_a": f"{a} and the layer’s mean activation",
        "activation_b": f"{b} and the layer’s mean activation",
    }
    found = []
    for kind in _CHARTS:
        table = record.agreement
        own = table[
            (table["map"] == kind)
            & (table["metric"] == metric)
            & (table["property_a"] == a)
            & (table["property_b"] == b)
        ]
        rows = [(str(row["backbone"]), _marks(row)) for row in own.to_dict("records")]
        if rows:
            unit = describe(metric).title
            title = f"{capitalised(KINDS[kind])}: {a} and {b}"
            found.append(dot_chart(title, unit, series, rows, reference=0.0))
    return found


def _marks(row: dict[Any, Any]) -> list[Mark]:
    marks = [
        Mark("both", row["mean"], row["low"], row["high"]),
        Mark("chance", row["chance"], row["chance_low"], row["chance_high"]),
        Mark("itself_a", row["reliability_a"]),
        Mark("itself_b", row["reliability_b"]),
        Mark("activation_a", row["activation_a"]),
        Mark("activation_b", row["activation_b"]),
    ]
    return [mark for mark in marks if np.isfinite(mark.mean)]


def cards(record: PropertiesRecord, photographs: Photographs, metric: str) -> list[dict[str, Any]]:
    """For each network some images with the evidence by place for every property.

    Images are spread evenly over the order of how far the maps for the properties agree, a mean
    over networks and pairs.
    """
    values = record.images
    values = values[(values["map"] == "evidence_place") & (values["metric"] == metric)]
    mean = values.groupby("image")["value"].mean().dropna()
    mean = mean.sort_values(ascending=not describe(metric).higher_is_alike, kind="stable")
    chosen = [str(mean.index[k]) for k in _spread(len(mean), _CARDS)]
    own = values.groupby(["image", "backbone"])["value"].mean()
    return [
        {
            "label": label,
            "cards": [
                {
                    "name": name,
                    "photograph": photographs.thumbnail_uri(name, _CARD_PX),
                    "value": number(float(own.get((name, label), np.nan))),
                    "maps": [
                        {"property": one} | _picture(stacks.get(label), photographs, name)
                        for one, stacks in record.maps.items()
                    ],
                }
                for name in chosen
            ],
        }
        for label in record.labels
    ]


def _picture(stack: BackboneMaps | None, photographs: Photographs, name: str) -> dict[str, Any]:
    values = None if stack is None else stack.get("evidence_place", name)
    uri = None
    if stack is not None and values is not None and values.any():
        drawn = lay_over(photographs.get(name), values, stack.crop(name), _CARD_PX)
        uri = map_data_uri(drawn)
    return {"uri": uri, "scale": full_colour(values)}


def _spread(n: int, most: int) -> list[int]:
    """All numbers below n, or `most` of them evenly spread."""
    if not n:
        return []
    return [int(k) for k in np.unique(np.linspace(0, n - 1, min(n, most)).round())]
