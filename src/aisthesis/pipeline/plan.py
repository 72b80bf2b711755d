"""What a study will take, from two small runs of it."""

from __future__ import annotations

import resource
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator, Silent
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.judgments import Ratings, match
from aisthesis.pipeline.inputs import ratings_of
from aisthesis.property_config import property_configs

__all__ = ["Plan", "plan_study"]

#: Stages whose work is cut into chunks for workers.
PARALLEL = ("embed", "explain", "compare")
#: Stages that look at the explained images only.
_OF_EXPLAINED = ("explain", "compare", "agree", "methods", "localise")
#: Stages whose cost does not grow with the images beyond those that they sample.
_SAMPLED = ("faithfulness", "channels")
#: Stages whose pass through the trunk serves all properties of the images.
_SHARED = ("check", "embed", "explain")
_FEWEST = 24


@dataclass(frozen=True)
class Plan:
    """What a study of a size will take with a number of workers.

    Attributes
    ----------
    stages : DataFrame
        Columns ``stage, fixed_s, per_image_s, images, seconds, parallel``; seconds with the
        workers that were asked for.
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
        return pd.DataFrame(
            {
                "stage": table["stage"],
                "fixed": [_time(value) for value in table["fixed_s"]],
                "per image": [f"{1000 * value:.3g} ms" for value in table["per_image_s"]],
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
    config: StudyConfig,
    *,
    n_images: int | None,
    n_workers: int,
    n_measured: int,
    narrator: Narrator,
) -> Plan:
    """Run a study on two small samples of its images and extrapolate every stage linearly.

    Parameters
    ----------
    config : StudyConfig
    n_images : int, optional
        Size to plan for; by default that of the study.
    n_workers : int
        Of a cluster with workers like this process.
    n_measured : int
        Images of the larger sample; the smaller one is a third of it.

    Raises
    ------
    RequestError
        If there are too few images to measure on.
    """
    properties = property_configs(config)
    if properties:  # each is measured as the first is; embeddings and maps are made once for all
        first = next(iter(properties.values())).model_copy(update={"split": None})
        one = plan_study(
            first, n_images=n_images, n_workers=n_workers, n_measured=n_measured, narrator=narrator
        )
        return _of_properties(one, len(properties))
    ratings, names = _rated(config)
    n_images = len(names) if n_images is None else n_images
    large = min(n_measured, len(names))
    if n_workers < 1 or n_images < 1:
        raise RequestError(f"expected at least 1 worker and image, got {n_workers}, {n_images}")
    if large < _FEWEST:
        raise RequestError(
            f"expected at least {_FEWEST} rated images to measure on, got {large}; "
            "give a larger --measure, or just run the study"
        )
    order = np.random.default_rng(config.seed).permutation(len(names))
    sizes = (max(_FEWEST // 2, large // 3), large)
    runs: list[_Run] = []
    # What a process does once (code that is compiled, memory that grows) is no cost of an image:
    # the first run warms up and is not counted.
    with narrator.steps("measuring", sizes[0] + sum(sizes)) as advance:
        for size in (sizes[0], *sizes):
            runs.append(_measured(config, ratings, [names[i] for i in order[:size]]))
            advance(size)
    return _extrapolated(config, runs[1:], n_images, n_workers)


@dataclass(frozen=True)
class _Run:
    """One small run: its size, seconds by stage, bytes."""

    n: int
    n_explained: int
    seconds: dict[str, float]
    disk_bytes: int
    image_bytes: int
    weights_bytes: int
    n_networks: int


def _rated(config: StudyConfig) -> tuple[Ratings, list[str]]:
    folder = ImageFolder(config.images)
    ratings = ratings_of(config, folder)
    held = set(ratings.mean["image"])
    matched = match(ratings, folder, unrated="ignore")
    return ratings, [name for name in matched if name in held]


def _measured(config: StudyConfig, ratings: Ratings, names: list[str]) -> _Run:
    """Run the study on some images, in a folder that is gone afterwards."""
    from aisthesis.study import Study

    with tempfile.TemporaryDirectory(prefix="aisthesis-plan-") as place:
        table = Path(place) / "ratings.csv"
        source = ratings.mean if ratings.single is None else ratings.single
        source[source["image"].isin(names)].to_csv(table, index=False)
        changed = {
            "ratings": table, "out": Path(place) / "study", "unrated": "ignore",
            "engine": "serial", "columns": type(config.columns)(), "image_list": None,
        }  # fmt: skip
        study = Study(config.model_copy(update=changed), narrator=Silent())
        study.run()
        record = study.folder.provenance()
        files = [path for path in study.folder.root.rglob("*") if path.is_file()]
        seconds = {name: float(one["seconds"]) for name, one in record["stages"].items()}
        if "compare" in seconds:  # a part of `agree` that workers share
            seconds["agree"] -= seconds["compare"]
        folder = ImageFolder(config.images)
        return _Run(
            len(names),
            int(record["explained"]["n"]),
            seconds,
            sum(path.stat().st_size for path in files),
            sum(folder.path(name).stat().st_size for name in names),
            4 * sum(int(one["parameters"]) for one in record["backbones"].values()),
            len(record["backbones"]),
        )


def _extrapolated(config: StudyConfig, runs: list[_Run], n_images: int, n_workers: int) -> Plan:
    small, large = runs
    share = large.n_explained / large.n if config.explain == "test" else 1.0
    n_explained = round(n_images * share)
    rows: list[dict[str, Any]] = []
    for stage in large.seconds:
        explained = stage in _OF_EXPLAINED
        at = [(run.n_explained if explained else run.n) for run in runs]
        fixed, slope = _line(at, [run.seconds.get(stage, 0.0) for run in runs])
        if stage in _SAMPLED:
            fixed, slope = large.seconds[stage], 0.0
        n = n_explained if explained else n_images
        parallel = stage in PARALLEL
        seconds = fixed + slope * n / (n_workers if parallel else 1)
        rows.append(
            {"stage": stage, "fixed_s": fixed, "per_image_s": slope, "images": n,
             "seconds": seconds, "parallel": parallel}
        )  # fmt: skip
    disk = _line([small.n, large.n], [small.disk_bytes, large.disk_bytes])
    passes = 1 + large.n_networks * (1 + share)
    return Plan(
        pd.DataFrame(rows),
        n_images,
        n_explained,
        n_workers,
        _peak_bytes(),
        disk[0] + disk[1] * n_images,
        large.image_bytes / large.n * n_images * passes,
        float(large.weights_bytes * n_workers),
    )


def _of_properties(plan: Plan, n: int) -> Plan:
    """What n properties of the same images take, from what one takes."""
    stages = plan.stages.copy()
    times = np.where(stages["stage"].isin(_SHARED), 1, n)
    for column in ("fixed_s", "per_image_s", "seconds"):
        stages[column] *= times
    return replace(plan, stages=stages, disk_bytes=plan.disk_bytes * n)


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
