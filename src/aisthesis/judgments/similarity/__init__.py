"""Similarities of images: pairs, matrices, triplets, and how well people agree on them."""

from __future__ import annotations

from aisthesis.judgments.similarity.judgments import Similarities, read_similarities

__all__ = ["Similarities", "read_similarities"]
