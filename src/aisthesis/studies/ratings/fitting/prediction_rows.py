"""Rows of `predictions.csv` and `ridge_predictions.csv`, a part of the images at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.studies.ratings.inputs.reading import Inputs

__all__ = ["prediction_rows"]

_IMAGES_AT_ONCE = 8192


def prediction_rows(
    inputs: Inputs, predictions: Mapping[str, NDArray[np.float64]]
) -> Iterator[pd.DataFrame]:
    """Give one row an image and seed; the mean over seeds only where no seed saw the image.

    Parameters
    ----------
    predictions : mapping
        (seeds, images) by network or ensemble, in rating units.
    """
    errors = inputs.errors
    for label, values in predictions.items():
        for number, split in enumerate(inputs.splits):
            parts = _split_of_images(inputs, number)
            every, seed = np.arange(len(inputs.names)), str(split.fit_seed)
            yield from _rows(inputs, label, seed, parts, values[number], every, errors)
        unseen = np.isin(parts := _split_of_images(inputs, 0), [_TEST, _UNRATED])
        yield from _rows(
            inputs, label, "mean", parts, values.mean(0), np.flatnonzero(unseen), errors
        )


_PARTS = ("unrated", "train", "validation", "test")
_UNRATED, _TEST = 0, 3


def _rows(
    inputs: Inputs,
    label: str,
    seed: str,
    split: NDArray[np.int8],
    prediction: NDArray[np.float64],
    images: NDArray[np.intp],
    errors: Mapping[str, NDArray[np.float64]],
) -> Iterator[pd.DataFrame]:
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        some = images[start : start + _IMAGES_AT_ONCE]
        yield pd.DataFrame(
            {
                "image": [inputs.names[i] for i in some],
                "backbone": label,
                "seed": seed,
                "split": np.array(_PARTS, dtype=object)[split[some]],
                "rating": inputs.rating[some],
                "prediction": prediction[some],
                **{name: values[some] for name, values in errors.items()},
            }
        )


def _split_of_images(inputs: Inputs, number: int) -> NDArray[np.int8]:
    """For each image the place of its part in `_PARTS`."""
    found = np.zeros(len(inputs.names), dtype=np.int8)
    for place, part in enumerate(_PARTS[1:], 1):
        found[inputs.indices(getattr(inputs.splits[number], part))] = place
    return found
