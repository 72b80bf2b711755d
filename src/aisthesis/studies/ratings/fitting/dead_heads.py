"""Heads that predict a constant for some images: counted, told and recorded.

Where no hidden unit of a head is active, its prediction is a constant, no channel's removal changes
it, and its maps are flat. Averaged over seeds the map then stands on the other seeds alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisthesis.execution.progress import ProgressReporter

__all__ = ["tell_dead", "unmoved", "with_dead"]

Stage = Literal["fit", "explain"]


def unmoved(delta_prediction: NDArray[np.floating[Any]]) -> list[int]:
    """Count by seed the images on which no channel changes the prediction at all.

    Parameters
    ----------
    delta_prediction : ndarray
        (seeds, images, channels) changes of the prediction.
    """
    return [int(n) for n in (delta_prediction == 0).all(axis=2).sum(axis=1)]


def with_dead(
    record: dict[str, Any], stage: Stage, seeds: Sequence[int], counts: Sequence[int], of: int
) -> list[dict[str, Any]]:
    """Give the `dead_heads` of a backbone's record with those that a stage has found.

    Parameters
    ----------
    record : dict
        The backbone's part of `provenance.json`.
    stage : {"fit", "explain"}
        Who counted: over all images, or over the explained ones.
    seeds, counts : sequence of int
        Each head's seed, and on how many images it is dead.
    of : int
        Number of images looked at.
    """
    others = [one for one in record.get("dead_heads", []) if one["stage"] != stage]
    found = [
        {"stage": stage, "seed": int(seed), "n": int(n), "of": of}
        for seed, n in zip(seeds, counts, strict=True)
        if n
    ]
    return [*others, *found]


def tell_dead(
    reporter: ProgressReporter, label: str, stage: Stage, dead: list[dict[str, Any]]
) -> None:
    """Warn of each head by backbone and seed."""
    for one in dead:
        if one["stage"] != stage:
            continue
        where = f"{one['n']:,} of {one['of']:,} {'explained ' if stage == 'explain' else ''}images"
        what = (
            "the head predicts the same constant, because none of its hidden units is active"
            if stage == "fit"
            else "no channel changes the head's prediction at all, so its maps are flat"
        )
        reporter.warn(f"{label}, seed {one['seed']}: on {where} {what}")
