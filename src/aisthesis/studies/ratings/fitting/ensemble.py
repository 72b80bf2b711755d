"""The backbones' predictions as one predictor: their mean, and weights learnt by stacking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisthesis.config import StudyConfig
from aisthesis.errors import RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.heads import Embeddings, FitOptions, bagging
from aisthesis.heads.ensembles import mlp_fitter, stack
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.ratings.inputs.reading import Inputs

__all__ = ["ENSEMBLES", "Member", "ensemble_predictions"]

ENSEMBLES = ("ensemble", "ensemble_stacking")
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Member:
    """One backbone: embeddings (images, D), and predictions (seeds, images) in rating units."""

    embeddings: Embeddings
    predictions: NDArray[np.float64]


def ensemble_predictions(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    members: Mapping[str, Member],
    reporter: ProgressReporter,
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Give (label, predictions (seeds, images)) of the ensembles, seed by seed.

    `ensemble` is the mean over backbones. `ensemble_stacking` weights them by ridge regression on
    out-of-fold predictions of the images that are not test images; its weights, none below zero,
    are the same for every seed and go into the record.

    Raises
    ------
    RequestError
        If a backbone has the name of an ensemble.
    """
    taken = sorted(set(ENSEMBLES) & set(members))
    if taken:
        raise RequestError(
            f"the label {taken[0]} is that of the ensemble; give the backbone another `label`"
        )
    each = np.stack([member.predictions for member in members.values()], axis=-1)
    mean = bagging(list(members))
    yield ENSEMBLES[0], mean(each)
    split = inputs.splits[0]
    development = np.concatenate([inputs.indices(split.train), inputs.indices(split.validation)])
    options = FitOptions(**config.fit.model_dump())
    fitters = {
        label: mlp_fitter(
            member.embeddings,
            inputs.rating,
            options,
            validation=config.validation,
            seed=config.seed,
        )
        for label, member in members.items()
    }
    with reporter.steps("ensemble: out-of-fold fits", _FOLDS * len(fitters)) as advance:
        stacked = stack(
            fitters, inputs.rating, development, n_folds=_FOLDS, seed=config.seed, advance=advance
        )
    folder.record(
        ensemble={
            "members": list(members),
            "stacking_weights": [round(float(weight), 6) for weight in stacked.weights],
            "stacking_intercept": round(stacked.intercept, 6),
            "stacking_penalty": stacked.penalty,
        }
    )
    yield ENSEMBLES[1], stacked(each)
