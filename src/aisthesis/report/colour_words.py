"""What the colours of a picture mean, in words: the unit, the scale, and each sign."""

from __future__ import annotations

import numpy as np

from aisthesis.maps import stated_limit
from aisthesis.report.wording import scientific

__all__ = ["RELATIVE", "full_colour", "limit_text", "meaning", "unit_of"]

#: The words of the switch; they hold for every kind of map.
RELATIVE = (
    "White is the map’s own mean: red lies above it and blue below it, whatever the sign of the "
    "score. The scale is in SDs of each map, as maps are compared."
)
_UNITS = {
    "ais": "rating units × activation",
    "evidence": "rating units × activation",
    "alignment": "units of the layer’s activation",
    "alignment_place": "units of the agreement",
    "pair_place": "units of r",
    "random": "no unit",
    "centre_prior": "no unit",
}
_MEANINGS = {
    "ais": (
        "Red is where channels that bring the prediction closer to people’s rating prevail, blue "
        "where channels that take it away do."
    ),
    "evidence": (
        "Red is where channels that raise the predicted rating prevail, blue where channels that "
        "lower it do."
    ),
    "ais_place": (
        "Red is where the image brings the prediction closer to people’s rating, blue where it "
        "takes it away."
    ),
    "evidence_place": (
        "Red is where the image raises the predicted rating, blue where it lowers it."
    ),
    "alignment": (
        "Red is where the channels that bring an image’s similarities closer to people’s are "
        "active, blue where their output is negative."
    ),
    "alignment_place": (
        "Red is where the image’s places make it compare to the others as people compare it, blue "
        "where they make it compare otherwise."
    ),
    "pair_place": "Red is where an image is like the other one, blue where it sets them apart.",
    "random": "Red and blue are drawn at random: a control.",
    "centre_prior": "Red is the middle of every picture: a control.",
}
_BY_PLACE = "By this method red raises the predicted rating and blue lowers it."


def unit_of(kind: str) -> str:
    """Give the unit of a kind of map."""
    return _UNITS.get(kind, "rating units")


def meaning(kind: str) -> str:
    """Say what red and blue are where zero is white, in a sentence."""
    return _MEANINGS.get(kind, _BY_PLACE)


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
