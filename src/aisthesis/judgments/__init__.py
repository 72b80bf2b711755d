"""Human judgments of images: ratings, similarities, their noise ceilings, and who is held out."""

from __future__ import annotations

from aisthesis.config import SimilarityColumns
from aisthesis.judgments.files.matrix import Triplet
from aisthesis.judgments.ratings.matching import match
from aisthesis.judgments.ratings.noise_ceiling import NoiseCeiling, noise_ceiling
from aisthesis.judgments.ratings.reading import Ratings, read_ratings
from aisthesis.judgments.ratings.splits import Split, split
from aisthesis.judgments.similarity.ceiling import (
    SimilarityCeiling,
    agreement_with_subjects,
    similarity_ceiling,
)
from aisthesis.judgments.similarity.judgments import Similarities, read_similarities
from aisthesis.judgments.similarity.nearest import most_alike, nearest
from aisthesis.judgments.similarity.triplet_shares import (
    Choices,
    TripletCeiling,
    choices_among,
    triplet_ceiling,
)
from aisthesis.judgments.similarity.triplets import triplet_agreement

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
