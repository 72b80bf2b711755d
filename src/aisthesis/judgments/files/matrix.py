"""One subject's judgments as they came: values of pairs, or choices among triplets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Matrix", "Triplet"]


@dataclass(frozen=True)
class Triplet:
    """A choice for one pair of images, over the other pairs that might have been chosen.

    Attributes
    ----------
    pair
        The two that were found nearer to each other.
    over
        The pairs that were not chosen: one beside a reference, two of an odd one out.
    weight
        How many chose so.
    """

    pair: tuple[str, str]
    over: tuple[tuple[str, str], ...]
    subject: str = ""
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Matrix:
    """Pairwise judgments of one subject, unchecked.

    Attributes
    ----------
    names : tuple of N str
        Images.
    values : (N, N)
        NaN where a pair was not judged.
    subject : str
    source : str
        Where they come from, for messages.
    kind : {"similarity", "dissimilarity"}, optional
        What the source says that they are.
    weights : (N, N), optional
        How many judgments each value rests on, where they differ: those of triplets.
    said : tuple of str
        What was found out or averaged, in words.
    triplets : tuple of Triplet
        The choices that all matrices of the source come from, with the first of them.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    subject: str
    source: str
    kind: Literal["similarity", "dissimilarity"] | None = None
    weights: NDArray[np.float64] | None = None
    said: tuple[str, ...] = ()
    triplets: tuple[Triplet, ...] = ()
