"""Human judgments of images: ratings, their noise ceiling, and who is held out."""

from __future__ import annotations

from aisthesis.judgments.matching import match
from aisthesis.judgments.noise_ceiling import NoiseCeiling, noise_ceiling
from aisthesis.judgments.ratings import Ratings, read_ratings
from aisthesis.judgments.splits import Split, split

__all__ = [
    "NoiseCeiling",
    "Ratings",
    "Split",
    "match",
    "noise_ceiling",
    "read_ratings",
    "split",
]
