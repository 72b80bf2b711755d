"""What a study's networks predict for the images that are explained, read a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement.summary import Sides
from aisthesis.names.explainers import SIGNED_BY_ERROR
from aisthesis.store.folder import StudyFolder
from aisthesis.store.tables import read_csv_parts

__all__ = ["Predicted"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predicted:
    """What the backbones with maps predict for the explained images, averaged over seeds.

    Attributes
    ----------
    names
        Of the N images.
    rating
        (N,) human ratings.
    prediction
        By backbone, (N,).
    errors
        By backbone, (N,): mean over seeds of the residual's sign.
    opposed
        By backbone: share of images on which its seeds err on opposite sides; NaN with one seed.
    """

    names: list[str]
    rating: Array
    prediction: dict[str, Array]
    errors: dict[str, Array]
    opposed: dict[str, float]

    @classmethod
    def of(cls, folder: StudyFolder, labels: Sequence[str], names: list[str]) -> Predicted:
        """Read predictions of some images by some backbones."""
        place = {name: i for i, name in enumerate(names)}
        rating = np.full(len(names), np.nan)
        sums = {label: _Sums.of(len(names)) for label in labels}
        seeds: set[str] = set()
        for table in _rows(folder, labels):
            where = table["image"].map(place)
            known = table[where.notna().to_numpy()]
            seeds |= set(known["seed"].unique())
            index = np.asarray(where.dropna(), dtype=np.intp)
            rating[index] = known["rating"]
            for label, own in sums.items():
                here = (known["backbone"] == label).to_numpy()
                prediction, human = known.loc[here, ["prediction", "rating"]].to_numpy(float).T
                own.add(index[here], prediction, human)
        return cls(
            names,
            rating,
            {label: own.prediction for label, own in sums.items()},
            {label: own.side for label, own in sums.items()},
            {label: own.opposed if len(seeds) > 1 else np.nan for label, own in sums.items()},
        )

    def with_opposed(self, reliability: pd.DataFrame) -> pd.DataFrame:
        """Add the share of images with opposed seeds to rows of maps whose sign that decides."""
        signed = reliability["map"].isin(SIGNED_BY_ERROR)
        share = reliability["backbone"].map(self.opposed)
        return reliability.assign(opposite_seeds_share=share.where(signed))

    def sides(self) -> Sides:
        """On which images each pair's heads err on the same side of the human rating."""
        signs = {label: np.sign(own - self.rating) for label, own in self.prediction.items()}
        return {
            (a, b): np.where(np.isnan(signs[a] + signs[b]), np.nan, signs[a] == signs[b])
            for a, b in combinations(signs, 2)
        }

    def by_image(self) -> pd.DataFrame:
        """Rating, and mean and SD over backbones of the prediction: a row an image, in order."""
        each = pd.DataFrame(self.prediction)
        return pd.DataFrame(
            {
                "rating": self.rating,
                "prediction": each.mean(axis=1),
                "prediction_sd": each.std(axis=1, ddof=1),
            }
        )


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over seeds, image by image."""

    n: Array
    predictions: Array
    sides: Array
    known_sides: Array
    below: NDArray[np.bool_]
    above: NDArray[np.bool_]

    @classmethod
    def of(cls, n: int) -> _Sums:
        one, two, three, four = np.zeros((4, n))
        return cls(one, two, three, four, *np.zeros((2, n), dtype=bool))

    def add(self, index: NDArray[np.intp], prediction: Array, rating: Array) -> None:
        """Add rows; an image may be among them several times."""
        defined = np.isfinite(prediction)
        np.add.at(self.n, index[defined], 1)
        np.add.at(self.predictions, index[defined], prediction[defined])
        side = np.sign(prediction - rating)
        known = np.isfinite(side)
        np.add.at(self.known_sides, index[known], 1)
        np.add.at(self.sides, index[known], side[known])
        self.below[index[side < 0]] = True
        self.above[index[side > 0]] = True

    @property
    def prediction(self) -> Array:
        return _ratio(self.predictions, self.n)

    @property
    def side(self) -> Array:
        return _ratio(self.sides, self.known_sides)

    @property
    def opposed(self) -> float:
        known = self.known_sides > 0
        return float((self.below & self.above)[known].mean()) if known.any() else np.nan


def _ratio(sums: Array, n: Array) -> Array:
    return np.divide(sums, n, out=np.full(len(n), np.nan), where=n > 0)


def _rows(folder: StudyFolder, labels: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Rows of single seeds of some backbones."""
    for table in read_csv_parts(folder.predictions):
        yield table[(table["seed"] != "mean") & table["backbone"].isin(list(labels))]
