"""Human judgments of images: ratings, similarities, their noise ceilings, and who is held out."""

from __future__ import annotations

from aisthesis.config import SimilarityColumns
from aisthesis.judgments.matching import match
from aisthesis.judgments.nearest import most_alike, nearest
from aisthesis.judgments.noise_ceiling import NoiseCeiling, noise_ceiling
from aisthesis.judgments.ratings import Ratings, read_ratings
from aisthesis.judgments.similarity import Similarities, read_similarities
from aisthesis.judgments.similarity_ceiling import (
    SimilarityCeiling,
    agreement_with_subjects,
    similarity_ceiling,
)
from aisthesis.judgments.similarity_matrix import Triplet
from aisthesis.judgments.splits import Split, split
from aisthesis.judgments.triplet_shares import (
    Choices,
    TripletCeiling,
    choices_among,
    triplet_ceiling,
)
from aisthesis.judgments.triplets import triplet_agreement

__all__ = [
    "Choices",
    "NoiseCeiling",
    "Ratings",
    "Similarities",
    "SimilarityCeiling",
    "SimilarityColumns",
    "Split",
    "Triplet",
    "TripletCeiling",
    "agreement_with_subjects",
    "choices_among",
    "match",
    "most_alike",
    "nearest",
    "noise_ceiling",
    "read_ratings",
    "read_similarities",
    "similarity_ceiling",
    "split",
    "triplet_agreement",
    "triplet_ceiling",
]
