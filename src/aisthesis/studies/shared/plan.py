"""What a study of a size will take: its stages, the sums, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

__all__ = ["Plan", "of_properties"]

#: Stages whose pass through the trunk serves all properties of the images.
_SHARED = ("check", "embed", "explain")


@dataclass(frozen=True)
class Plan:
    """What a study of a size will take with a number of workers.

    Attributes
    ----------
    stages : DataFrame
        Columns ``stage, fixed_s, per_image_s, per_pair_s, images, seconds, parallel, low_s,
        high_s, asked``; seconds with the workers that were asked for, expected and between what
        bounds. A pair is one of images, each with itself and in both orders; in a study of ratings
        nothing grows with pairs. Stages that are not ``asked`` for are no part of the sums.
    n_images, n_explained, n_workers : int
    memory_bytes : int
        Most that the process held while it measured.
    disk_bytes : float
        Of the study's folder.
    read_bytes : float
        Of images, over all stages and backbones.
    weights_bytes : float
        Of weights, once for each worker.
    notes : tuple of str
        What could not be measured as the study does it.

    Notes
    -----
    The bounds are no confidence interval. They are the spread over repeats of what was timed, and
    at least 20 % of it: 25 % of what stand-ins were timed for, 30 % of what was timed in part, 50 %
    of what counts as the forward passes that it declares. Beyond the images that were measured, a
    tenth of either time that a line was laid through is added, as far as the line carries it. All
    are summed as if they erred alike, which a machine that becomes busier makes them do. The bounds
    hold for this machine as busy as it is, without Python's start.
    """

    stages: pd.DataFrame
    n_images: int
    n_explained: int
    n_workers: int
    memory_bytes: int
    disk_bytes: float
    read_bytes: float
    weights_bytes: float
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Expected duration of the whole study."""
        return self._sum("seconds")

    @property
    def bounds(self) -> tuple[float, float]:
        """Between what seconds that lies."""
        return self._sum("low_s"), self._sum("high_s")

    def _sum(self, column: str) -> float:
        return float(self.stages.loc[self.stages["asked"], column].sum())

    def shown(self) -> pd.DataFrame:
        """The stages for people."""
        table = self.stages
        pairs = {"per 1000 pairs": [f"{1e6 * value:.3g} ms" for value in table["per_pair_s"]]}
        if not table["per_pair_s"].any():
            pairs = {}
        ends = zip(table["low_s"], table["high_s"], strict=True)
        return pd.DataFrame(
            {
                "stage": table["stage"].where(table["asked"], table["stage"] + " (not asked for)"),
                "fixed": [_time(value) for value in table["fixed_s"]],
                "per image": [f"{1000 * value:.3g} ms" for value in table["per_image_s"]],
                **pairs,
                "images": table["images"],
                "expected": [_time(value) for value in table["seconds"]],
                "between": [f"{_time(low)} and {_time(high)}" for low, high in ends],
                "workers share it": ["yes" if value else "no" for value in table["parallel"]],
            }
        )

    def in_words(self) -> str:
        """Give the sums in one sentence, and what was not measured."""
        workers = f"{self.n_workers} worker{'s' if self.n_workers > 1 else ''}"
        low, high = (_time(value) for value in self.bounds)
        said = (
            f"{self.n_images} images, {self.n_explained} of them explained, with {workers}: "
            f"{_time(self.seconds)} (between {low} and {high}), "
            f"{_size(self.memory_bytes)} of memory a process, "
            f"{_size(self.disk_bytes)} of disk; {_size(self.read_bytes)} of images are read and "
            f"{_size(self.weights_bytes)} of weights loaded"
        )
        return "\n".join([said, *(f"not measured as it will be: {note}" for note in self.notes)])


def of_properties(plan: Plan, n: int) -> Plan:
    """What n properties of the same images take, from what one takes."""
    stages = plan.stages.copy()
    times = np.where(stages["stage"].isin(_SHARED), 1, n)
    for column in ("fixed_s", "per_image_s", "seconds", "low_s", "high_s"):
        stages[column] *= times
    return replace(plan, stages=stages, disk_bytes=plan.disk_bytes * n)


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.3g} h"


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"
