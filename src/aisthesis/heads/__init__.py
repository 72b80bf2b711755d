"""Regression heads on frozen embeddings: fit, evaluate, keep."""

from __future__ import annotations

from aisthesis.heads.embeddings import embed_images
from aisthesis.heads.evaluation import PREDICTION_METRICS, evaluate
from aisthesis.heads.fitting import FitOptions, FittedMLP, fit_mlp, fit_ridge
from aisthesis.heads.mlp import MLPHead, load_head, save_head
from aisthesis.heads.model import MeanRating, RatingEnsemble, RatingModel

__all__ = [
    "PREDICTION_METRICS",
    "FitOptions",
    "FittedMLP",
    "MLPHead",
    "MeanRating",
    "RatingEnsemble",
    "RatingModel",
    "embed_images",
    "evaluate",
    "fit_mlp",
    "fit_ridge",
    "load_head",
    "save_head",
]
