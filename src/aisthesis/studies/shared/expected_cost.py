"""What a study will take, from small runs of it."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from aisthesis.errors import RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.images import ImageFolder
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.shared.stage import Shared

__all__ = ["FEWEST", "Plan", "Sample", "of_properties", "plan_study"]


class Measured(Protocol):
    """A study as it is measured: run, then asked what it took."""

    folder: StudyFolder

    def run(self) -> Any:
        """Do everything."""

    @property
    def shared(self) -> dict[str, Shared]:
        """What of its stages workers share."""


#: Stages that look at the explained images only.
_OF_EXPLAINED = ("explain", "compare", "agree", "methods", "localise")
#: Stages whose cost does not grow with the images beyond those that they sample.
_SAMPLED = ("faithfulness", "channels")
#: Stages whose pass through the trunk serves all properties of the images.
_SHARED = ("check", "embed", "explain")
#: Images that a study of any kind is measured on at the least.
FEWEST = 12


@dataclass(frozen=True)
class Plan:
    """What a study of a size will take with a number of workers.

    Attributes
    ----------
    stages : DataFrame
        Columns ``stage, fixed_s, per_image_s, per_pair_s, images, seconds, parallel``; seconds with
        the workers that were asked for. A pair is one of images, each with itself and in both
        orders; in a study of ratings nothing grows with pairs.
    n_images, n_explained, n_workers : int
    memory_bytes : int
        Most that the process held in the larger of the measured runs.
    disk_bytes : float
        Of the study's folder.
    read_bytes : float
        Of images, over all stages and backbones.
    weights_bytes : float
        Of weights, once for each worker.
    """

    stages: pd.DataFrame
    n_images: int
    n_explained: int
    n_workers: int
    memory_bytes: int
    disk_bytes: float
    read_bytes: float
    weights_bytes: float

    @property
    def seconds(self) -> float:
        """Expected duration of the whole study."""
        return float(self.stages["seconds"].sum())

    def shown(self) -> pd.DataFrame:
        """The stages for people."""
        table = self.stages
        pairs = {"per 1000 pairs": [f"{1e6 * value:.3g} ms" for value in table["per_pair_s"]]}
        if not table["per_pair_s"].any():
            pairs = {}
        return pd.DataFrame(
            {
                "stage": table["stage"],
                "fixed": [_time(value) for value in table["fixed_s"]],
                "per image": [f"{1000 * value:.3g} ms" for value in table["per_image_s"]],
                **pairs,
                "images": table["images"],
                "expected": [_time(value) for value in table["seconds"]],
                "workers share it": ["yes" if value else "no" for value in table["parallel"]],
            }
        )

    def in_words(self) -> str:
        """Give the sums in one sentence."""
        workers = f"{self.n_workers} worker{'s' if self.n_workers > 1 else ''}"
        return (
            f"{self.n_images} images, {self.n_explained} of them explained, with {workers}: "
            f"{_time(self.seconds)}, {_size(self.memory_bytes)} of memory a process, "
            f"{_size(self.disk_bytes)} of disk; {_size(self.read_bytes)} of images are read and "
            f"{_size(self.weights_bytes)} of weights loaded"
        )


def plan_study(
    sample: Sample,
    *,
    seed: int,
    n_images: int | None,
    n_workers: int,
    n_measured: int,
    reporter: ProgressReporter,
) -> Plan:
    """Run a study on small samples of its images and extrapolate every stage.

    A study of ratings is measured on two samples and grows linearly with its images; one of
    similarity judgments on three, as it grows with the pairs of images too.

    Parameters
    ----------
    sample : Sample
        Images of the study to measure it on.
    seed : int
        Which of them are drawn.
    n_images : int, optional
        Size to plan for; by default that of the study.
    n_workers : int
        Of a cluster with workers like this process.
    n_measured : int
        Images of the largest sample; the smallest one is a third of it.

    Raises
    ------
    RequestError
        If there are too few images to measure on.
    """
    n_images = len(sample.names) if n_images is None else n_images
    large = min(n_measured, len(sample.names))
    if n_workers < 1 or n_images < 1:
        raise RequestError(f"expected at least 1 worker and image, got {n_workers}, {n_images}")
    if large < 2 * sample.fewest:
        raise RequestError(
            f"expected at least {2 * sample.fewest} {sample.kind} images to measure on, got "
            f"{large}; give a larger --measure, or just run the study"
        )
    order = np.random.default_rng(seed).permutation(len(sample.names))
    small = max(sample.fewest, large // 3)
    sizes = (small, large) if sample.kind == "rated" else (small, (small + large) // 2, large)
    runs: list[_Run] = []
    # What a process does once (code that is compiled, memory that grows) is no cost of an image:
    # the first run warms up and is not counted.
    with reporter.steps("measuring", sizes[0] + sum(sizes)) as advance:
        for size in (sizes[0], *sizes):
            runs.append(_measured(sample, [sample.names[i] for i in order[:size]]))
            advance(size)
    return _extrapolated(runs[1:], n_images, n_workers)


@dataclass(frozen=True)
class Sample:
    """Images that a study may be measured on.

    Attributes
    ----------
    kind : {"rated", "judged"}
    folder : ImageFolder
    names : list of str
    fewest : int
        Images that the smallest measured study needs.
    study : callable
        Gives the study of some images, in a folder that is empty.
    """

    kind: Literal["rated", "judged"]
    folder: ImageFolder
    names: list[str]
    fewest: int
    study: Callable[[list[str], Path], Measured]


@dataclass(frozen=True)
class _Run:
    """One small run: its size, seconds by stage, bytes, and what workers share among what."""

    n: int
    n_explained: int
    seconds: dict[str, float]
    disk_bytes: int
    image_bytes: int
    weights_bytes: int
    n_networks: int
    shared: dict[str, Shared]


def _measured(sample: Sample, names: list[str]) -> _Run:
    """Run the study on some images, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="aisthesis-plan-") as place:
        study = sample.study(names, Path(place))
        study.run()
        record = study.folder.provenance()
        files = [path for path in study.folder.root.rglob("*") if path.is_file()]
        seconds = {name: float(one["seconds"]) for name, one in record["stages"].items()}
        if "compare" in seconds:  # a part of `agree` that workers share
            seconds["agree"] -= seconds["compare"]
        return _Run(
            len(names),
            int(record.get("explained", {}).get("n", len(names))),
            seconds,
            sum(path.stat().st_size for path in files),
            sum(sample.folder.path(name).stat().st_size for name in names),
            4 * sum(int(one["parameters"]) for one in record["backbones"].values()),
            len(record["backbones"]),
            study.shared,
        )


def _extrapolated(runs: list[_Run], n_images: int, n_workers: int) -> Plan:
    large = runs[-1]
    share = large.n_explained / large.n
    n_explained = round(n_images * share)
    rows: list[dict[str, Any]] = []
    for stage in large.seconds:
        explained = stage in _OF_EXPLAINED
        at = [(run.n_explained if explained else run.n) for run in runs]
        cost = _cost(at, [run.seconds.get(stage, 0.0) for run in runs])
        if stage in _SAMPLED:
            cost = (large.seconds[stage], 0.0, 0.0)
        n = n_explained if explained else n_images
        among = large.shared.get(stage)
        ways = {"images": n_workers, "backbones": min(n_workers, large.n_networks), None: 1}[among]
        fixed, per_image, per_pair = cost
        rows.append(
            {"stage": stage, "fixed_s": fixed, "per_image_s": per_image, "per_pair_s": per_pair,
             "images": n, "seconds": fixed + (per_image * n + per_pair * n**2) / ways,
             "parallel": among is not None}
        )  # fmt: skip
    disk = _cost([run.n for run in runs], [float(run.disk_bytes) for run in runs])
    passes = 1 + large.n_networks * (1 + share)
    return Plan(
        pd.DataFrame(rows),
        n_images,
        n_explained,
        n_workers,
        _peak_bytes(),
        disk[0] + disk[1] * n_images + disk[2] * n_images**2,
        large.image_bytes / large.n * n_images * passes,
        float(large.weights_bytes * n_workers),
    )


def of_properties(plan: Plan, n: int) -> Plan:
    """What n properties of the same images take, from what one takes."""
    stages = plan.stages.copy()
    times = np.where(stages["stage"].isin(_SHARED), 1, n)
    for column in ("fixed_s", "per_image_s", "seconds"):
        stages[column] *= times
    return replace(plan, stages=stages, disk_bytes=plan.disk_bytes * n)


def _cost(at: list[int], values: list[float]) -> tuple[float, float, float]:
    """A cost's fixed part, and parts an image and a pair of images, none below zero.

    Through two measurements there is a line, and nothing a pair.
    """
    if len(at) == 2:
        return (*_line(at, values), 0.0)
    n = np.asarray(at, dtype=np.float64)
    fixed, per_image, per_pair = nnls(np.stack([n**0, n, n**2], 1), np.asarray(values))[0]
    return float(fixed), float(per_image), float(per_pair)


def _line(at: list[int], values: list[float]) -> tuple[float, float]:
    """Fixed part and slope of a cost, neither below zero, through two measurements."""
    slope = (values[1] - values[0]) / max(1, at[1] - at[0])
    if slope <= 0:
        return float(np.mean(values)), 0.0
    fixed = values[1] - slope * at[1]
    return (fixed, slope) if fixed >= 0 else (0.0, values[1] / at[1])


def _peak_bytes() -> int:
    """Most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


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
