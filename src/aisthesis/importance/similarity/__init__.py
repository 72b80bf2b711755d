"""Alignment importance for similarity judgments, and the channels worth keeping."""

from __future__ import annotations

from aisthesis.importance.similarity.collect import collect_embeddings
from aisthesis.importance.similarity.embeddings import DenseEmbeddings, Embeddings, OwnedEmbeddings
from aisthesis.importance.similarity.places import pair_places, place_alignment
from aisthesis.importance.similarity.retention import (
    best_size,
    ranked,
    retained_dissimilarity,
    retention_curve,
    retention_curves,
    retention_sizes,
)
from aisthesis.importance.similarity.scores import AlignmentScores, alignment_scores
from aisthesis.importance.similarity.standard import dissimilarity_of
from aisthesis.importance.similarity.triplets import TripletScores, place_triplets, triplet_scores
from aisthesis.importance.similarity.validation import (
    PairedTest,
    Validation,
    fold_numbers,
    paired_test,
    signed_square,
    validate,
)

__all__ = [
    "AlignmentScores",
    "DenseEmbeddings",
    "Embeddings",
    "OwnedEmbeddings",
    "PairedTest",
    "TripletScores",
    "Validation",
    "alignment_scores",
    "best_size",
    "collect_embeddings",
    "dissimilarity_of",
    "fold_numbers",
    "pair_places",
    "paired_test",
    "place_alignment",
    "place_triplets",
    "ranked",
    "retained_dissimilarity",
    "retention_curve",
    "retention_curves",
    "retention_sizes",
    "signed_square",
    "triplet_scores",
    "validate",
]
