"""The pair that people find most alike: what each network sees of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisthesis.judgments.similarity.nearest import most_alike
from aisthesis.judgments.similarity.second_order import valid_pairs
from aisthesis.maps.colour import stated_limit
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs, map_data_uri
from aisthesis.report.similarity.record import AlignmentRecord
from aisthesis.report.words.colour_words import full_colour
from aisthesis.report.words.wording import count, number

__all__ = ["pair_by_network", "pair_by_people", "pair_cards"]

_SIDE_PX = 320


def pair_by_people(names: tuple[str, ...], human: NDArray[np.float64]) -> str:
    """Say which pair people find most alike; empty where nobody judged any."""
    pair = most_alike(human)
    if pair is None:
        return ""
    judged = human[np.triu(valid_pairs(human), 1) > 0]
    i, j = pair
    equal = int((judged == human[i, j]).sum())
    who = f"{names[i]} and {names[j]}"
    value = f"(mean dissimilarity {number(float(human[i, j]), 3)}"
    most = f"the largest is {number(float(judged.max()), 3)})"
    if len(judged) == 1:
        return f"Only one pair was judged: {who} {value})."
    if equal == len(judged):
        return f"People find all {count(equal, 'pair')} equally alike {value}); the first is {who}."
    if equal > 1:
        return (
            f"Of {count(len(judged), 'judged pair')}, people find {equal:,} equally alike and more "
            f"so than the rest {value}; {most}; the first of them is {who}."
        )
    return (
        f"Of {count(len(judged), 'judged pair')}, people find {who} the most alike {value}; {most}."
    )


def pair_by_network(human: NDArray[np.float64], network: NDArray[np.float64]) -> str:
    """Say how alike a network finds that pair, from its dissimilarities 1 - r."""
    pair = most_alike(human)
    if pair is None:
        return ""
    judged = network[np.triu(valid_pairs(human), 1) > 0]
    own = float(network[pair])
    if not np.isfinite(own):
        return "The network’s similarity of the two is undefined: an embedding is constant."
    others = judged[np.isfinite(judged)]
    said = f"The network’s similarity of the two is r = {number(1 - own)}"
    nearer = int((others < own).sum())
    if len(others) == 1:
        return f"{said}."
    if not nearer:
        return f"{said}: it finds none of the judged pairs more alike."
    return f"{said}: it finds {nearer:,} of the {len(others) - 1:,} other pairs more alike."


def pair_cards(
    record: AlignmentRecord, label: str, photographs: Photographs
) -> list[dict[str, Any]]:
    """Both images of that pair with their maps on one scale; empty where there are none."""
    pair = most_alike(record.human)
    stored = None if pair is None else record.pair_maps(label, pair)
    if pair is None or stored is None:
        return []
    maps, crops = stored
    limit = stated_limit(maps)
    cards = []
    for index, values, crop in zip(pair, maps, crops, strict=True):
        name = record.images[index]
        shown = bool(np.isfinite(values).all() and values.any())
        laid = lay_over(photographs.get(name), values, crop, _SIDE_PX, limit=limit)
        cards.append(
            {
                "name": name,
                "photograph": photographs.thumbnail_uri(name, _SIDE_PX),
                "uri": map_data_uri(laid) if shown else None,
                "why": "no place changes it" if np.isfinite(values).all() else "undefined",
                "scale": full_colour(maps) if shown else "",
            }
        )
    return cards
