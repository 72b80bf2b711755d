"""What the colours of a picture mean, in words: the unit, the scale, and each sign."""

from __future__ import annotations

import numpy as np

from aisthesis.maps.colour import stated_limit
from aisthesis.names.explainer_table import EXPLAINER_TABLE
from aisthesis.report.words.wording import scientific

__all__ = ["RELATIVE", "full_colour", "limit_text", "meaning", "unit_of"]

#: The words of the switch; they hold for every kind of map.
RELATIVE = (
    "White is the map’s own mean: red lies above it and blue below it, whatever the sign of the "
    "score. The scale is in SDs of each map, as maps are compared."
)
_UNITS = {
    "alignment": "units of the layer’s activation",
    "alignment_place": "units of the agreement",
    "pair_place": "units of r",
}
_MEANINGS = {
    "alignment": (
        "Red is where the channels that bring an image’s similarities closer to people’s are "
        "active, blue where their output is negative."
    ),
    "alignment_place": (
        "Red is where the image’s places make it compare to the others as people compare it, blue "
        "where they make it compare otherwise."
    ),
    "pair_place": "Red is where an image is like the other one, blue where it sets them apart.",
}
#: Of explainers that are the user's own, of which the report knows no more than their signs.
_OWN_UNIT = "units of the method"
_OWN_MEANING = "Red is where the method’s values are positive, blue where they are negative."


def unit_of(kind: str) -> str:
    """Give the unit of a kind of map."""
    if kind in EXPLAINER_TABLE:
        return EXPLAINER_TABLE[kind].unit
    return _UNITS.get(kind, _OWN_UNIT)


def meaning(kind: str) -> str:
    """Say what red and blue are where zero is white, in a sentence."""
    if kind in EXPLAINER_TABLE:
        return EXPLAINER_TABLE[kind].meaning
    return _MEANINGS.get(kind, _OWN_MEANING)


def limit_text(limit: float) -> str:
    """Say the two digits of a scale's limit: `0.43`, `1,200`, `4.3 × 10⁻⁵`."""
    if 1e-3 <= limit < 1e6:
        digits = f"{limit:.2g}"
        return f"{float(digits):,.10g}"
    return scientific(limit)


def full_colour(values: np.ndarray | None) -> str:
    """Say what value of a map has the strongest colour; empty where there is nothing to see."""
    if values is None or not values.any():
        return ""
    return f"full colour ±{limit_text(stated_limit(values))}"
