"""Regression heads on frozen embeddings: fit, evaluate, keep."""

from __future__ import annotations

from aisthesis.heads.differences import score_differences
from aisthesis.heads.embeddings import embed_images
from aisthesis.heads.ensembles import (
    Ensemble,
    Fitter,
    bagging,
    mlp_fitter,
    out_of_fold,
    stack,
    stacking,
)
from aisthesis.heads.evaluation import PREDICTION_METRICS, evaluate
from aisthesis.heads.fitting import HEAD_START, FitOptions, FittedMLP, fit_mlp
from aisthesis.heads.mlp import MLPHead, OwnHead, RatingHead, load_head, save_head
from aisthesis.heads.model import MeanRating, RatingEnsemble, RatingModel
from aisthesis.heads.photographs import MemberNetwork, PhotographEnsemble
from aisthesis.heads.ridge import fit_ridge
from aisthesis.heads.rows import Embeddings, RowsOnDisk, with_each_block

__all__ = [
    "HEAD_START",
    "PREDICTION_METRICS",
    "Embeddings",
    "Ensemble",
    "FitOptions",
    "FittedMLP",
    "Fitter",
    "MLPHead",
    "MeanRating",
    "MemberNetwork",
    "OwnHead",
    "PhotographEnsemble",
    "RatingEnsemble",
    "RatingHead",
    "RatingModel",
    "RowsOnDisk",
    "bagging",
    "embed_images",
    "evaluate",
    "fit_mlp",
    "fit_ridge",
    "load_head",
    "mlp_fitter",
    "out_of_fold",
    "save_head",
    "score_differences",
    "stack",
    "stacking",
    "with_each_block",
]
