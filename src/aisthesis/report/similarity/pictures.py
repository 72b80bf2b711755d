"""Pictures of an alignment report: matrices, thumbnails in the plane, heatmaps, channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisthesis.report.folder.stored_maps import BackboneMaps
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs, map_data_uri
from aisthesis.report.similarity.record import AlignmentRecord
from aisthesis.report.similarity.space import planes
from aisthesis.report.words.colour_words import full_colour
from aisthesis.report.words.wording import number
from aisthesis.stats.ranks import average_ranks

__all__ = [
    "MATRIX_COLOURS",
    "PLANE",
    "PlanePanel",
    "Thumbnails",
    "channel_rows",
    "heatmap_cards",
    "percentiles",
    "plane_panels",
]

MATRIX_COLOURS = "cividis"
MOST_IN_PLANE = 150
MOST_CARDS = 300  # over all backbones: a page that a browser opens at once
_CHANNELS, _IMAGES_A_CHANNEL = 12, 6
_THUMBNAIL_PX, _CARD_PX = 96, 208
PLANE = 400.0
#: Kinds of maps of a card, their names, and what stands where there is none.
_CARD_MAPS = (
    ("alignment", "by channel", "undefined, or no channel helps"),
    ("alignment_place", "by place", "undefined, or no place matters"),
)


class Thumbnails:
    """Small photographs, each once in the page and drawn from there wherever it is shown.

    Parameters
    ----------
    photographs : Photographs
    names : sequence of str
        All images; their numbers name the thumbnails.
    """

    def __init__(self, photographs: Photographs, names: tuple[str, ...]) -> None:
        self.names = names
        self.uris = [photographs.thumbnail_uri(name, _THUMBNAIL_PX) for name in names]

    @property
    def defined(self) -> list[dict[str, Any]]:
        """Number, name and address of each that could be read."""
        return [{"id": k, "uri": uri} for k, uri in enumerate(self.uris) if uri is not None]

    def item(self, index: int) -> dict[str, Any]:
        """What a template needs to draw one."""
        return {"id": index, "name": self.names[index], "there": self.uris[index] is not None}


def percentiles(dissimilarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each pair's rank among all pairs, 0 to 1; 0 on the diagonal, NaN where missing."""
    upper = np.triu(np.isfinite(dissimilarity), 1)
    result = np.full(dissimilarity.shape, np.nan)
    ranks = average_ranks(dissimilarity[upper])
    result[upper] = (ranks - 0.5) / max(len(ranks), 1)
    result = np.where(np.isnan(result), result.T, result)
    np.fill_diagonal(result, 0.0)
    return result


@dataclass(frozen=True)
class PlanePanel:
    """One plane of `PLANE` units: where each thumbnail stands, and its side."""

    name: str
    points: list[dict[str, Any]]
    positions: NDArray[np.float64]
    side: float


def plane_panels(record: AlignmentRecord, label: str, thumbnails: Thumbnails) -> list[PlanePanel]:
    """Place the images by people, by all channels and by the retained ones."""
    index = _spread(len(record.images), MOST_IN_PLANE)
    cut = np.ix_(index, index)
    own, (full, kept) = planes(
        record.human[cut], [record.network[label][cut], record.retained[label][cut]]
    )
    everything = np.concatenate([own, full, kept])
    low, high = everything.min(0), everything.max(0)
    scale = float((high - low).max()) or 1.0
    side = float(np.clip(PLANE * 0.72 / np.sqrt(len(index)), 22, 56))
    panels = []
    named = (("people", own), ("all channels", full), ("retained channels", kept))
    for name, positions in named:
        centred = (positions - (low + high) / 2) / scale
        points = [
            {
                **thumbnails.item(int(i)),
                "x": round(float(x) * (PLANE - side) + (PLANE - side) / 2, 1),
                "y": round(float(-y) * (PLANE - side) + (PLANE - side) / 2, 1),
            }
            for i, (x, y) in zip(index, centred, strict=True)
        ]
        panels.append(PlanePanel(name, points, positions, round(side, 1)))
    return panels


def channel_rows(
    record: AlignmentRecord, label: str, thumbnails: Thumbnails
) -> list[dict[str, Any]]:
    """The channels with the highest AIS, with the images in which each matters most."""
    table = record.of("channels", label).sort_values("rank").head(_CHANNELS)
    importance = record.importance(label)
    rows = []
    for _, row in table.iterrows():
        images: list[dict[str, Any]] = []
        if importance is not None:
            own = np.nan_to_num(importance[:, int(row["channel"])], nan=-np.inf)
            best = np.argsort(-own, kind="stable")[:_IMAGES_A_CHANNEL]
            images = [thumbnails.item(int(i)) for i in best if own[i] > 0]
        rows.append(
            {
                "channel": int(row["channel"]),
                "importance": number(1000 * float(row["importance"])),
                "share": f"{100 * float(row['share_of_folds']):.0f}%",
                "images": images,
            }
        )
    return rows


def heatmap_cards(
    record: AlignmentRecord, label: str, photographs: Photographs, thumbnails: Thumbnails
) -> list[dict[str, Any]]:
    """Each image's heatmap beside it, from the best to the worst agreement with people."""
    stack = record.maps.get(label)
    table = record.of("images", label)
    agreement = dict(zip(table["image"], table["agreement"], strict=True))
    keys = [-np.inf if np.isnan(agreement[n]) else agreement[n] for n in record.images]
    order = np.argsort(-np.array(keys), kind="stable")
    most = max(1, MOST_CARDS // len(record.labels))
    cards = []
    for i in order[_spread(len(order), most)]:
        name = record.images[int(i)]
        cards.append(
            {
                **thumbnails.item(int(i)),
                "maps": [_card_map(stack, photographs, name, *kind) for kind in _CARD_MAPS],
                "agreement": number(float(agreement[name])),
            }
        )
    return cards


def _card_map(
    stack: BackboneMaps | None, photographs: Photographs, name: str, kind: str, said: str, why: str
) -> dict[str, Any]:
    values = None if stack is None else stack.get(kind, name)
    uri = None
    if values is not None and values.any() and stack is not None:
        uri = map_data_uri(lay_over(photographs.get(name), values, stack.crop(name), _CARD_PX))
    return {"kind": said, "uri": uri, "why": why, "scale": full_colour(values)}


def _spread(n: int, most: int) -> NDArray[np.intp]:
    """All numbers below n, or `most` of them evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))
