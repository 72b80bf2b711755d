"""What a study will take: its networks timed on few images, all else measured on stand-ins."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd

from aisthesis.config import BackboneConfig
from aisthesis.errors import RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.images import ImageFolder
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.shared.network_costs import NetworkCosts
from aisthesis.studies.shared.plan import Plan
from aisthesis.studies.shared.stage import Shared

__all__ = ["FEWEST", "Beside", "Measured", "Sample", "Uses", "plan_study"]


class Measured(Protocol):
    """A study as it is measured: run, then asked what it took."""

    folder: StudyFolder
    commands: tuple[str, ...]

    def run(self, *, until: str) -> Any:
        """Do everything up to a command."""

    @property
    def shared(self) -> dict[str, Shared]:
        """What of its stages workers share."""


#: Stages that look at the explained images only.
_OF_EXPLAINED = ("explain", "compare", "agree", "methods", "localise", "human maps")
#: Stages whose cost hardly grows with the images, of which they show some.
_SAMPLED = ("channels", "report")
#: Stages that compare every two networks, and each with itself; and that are for all at once.
_OF_PAIRS, _OF_ALL = ("compare", "agree"), ("check", "align")
#: Networks that are stood in for.
MOST_STAND_INS = 2
#: Images that a study of any kind is measured on at the least.
FEWEST = 12
#: Seconds that measuring takes, about: of all, and of these the networks.
BUDGET_S, NETWORKS_S = 34.0, 18.0
#: Relative error of what stand-ins took, and of each of the times that a line is laid through.
MEASURED, ONE_TIME = 0.25, 0.1


@dataclass(frozen=True)
class Uses:
    """What a stage asks of a network beyond what it asks of its stand-in: pieces, how many times.

    `each` is for every image of the stage; `at_once` says how much faster a stage is that starts
    processes of its own where there are no workers.
    """

    once: Mapping[str, float] = field(default_factory=dict)
    each: Mapping[str, float] = field(default_factory=dict)
    at_once: float = 1.0


@dataclass(frozen=True)
class Beside:
    """A stage that no run of stand-ins does: seconds an image of one, and passes beside.

    Its other work is `like` that of stages which are in the run, so many times.
    """

    stage: str
    each_s: float
    images: int
    asked: bool
    forwards: float = 0.0
    like: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """Images that a study may be measured on, and how.

    Attributes
    ----------
    kind : {"rated", "judged"}
    folder : ImageFolder
    names : list of str
    fewest : int
        Images that the smallest measured study needs.
    share : float
        Of the images that are explained, in the study and in those that are measured.
    study : callable
        Gives the study of some images with some backbones, in a folder that is empty.
    networks : callable
        Times a network within a share of the time.
    uses : callable
        What every stage asks of a network, by the name of its time.
    beside : callable
        Measures what a run of stand-ins leaves out, in a study that has run, for so many images and
        explained ones, with so many seconds left.
    """

    kind: Literal["rated", "judged"]
    folder: ImageFolder
    names: list[str]
    backbones: tuple[BackboneConfig, ...]
    fewest: int
    share: tuple[float, float]
    study: Callable[[list[str], Path, tuple[BackboneConfig, ...], int], Measured]
    networks: Callable[[BackboneConfig, Sequence[str], float], NetworkCosts]
    uses: Callable[[NetworkCosts, int], dict[str, Uses]]
    beside: Callable[[Any, int, int, float], list[Beside]] = lambda *_: []


def plan_study(
    sample: Sample,
    *,
    seed: int,
    n_images: int | None,
    n_workers: int,
    n_measured: int,
    reporter: ProgressReporter,
) -> Plan:
    """Time a study's networks on few images and everything else on stand-ins for them.

    Each network is built, and its passes and removals are timed by the study's own code. Then the
    study runs with stand-ins for two of them, networks of the same shapes that cost next to
    nothing; the others' tables are taken to cost as much. A study of ratings runs on two samples of
    its images, and every stage grows linearly with them; one of similarity judgments on three, as
    it grows with the pairs of images too.

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
        Most images of the largest sample; it has fewer where they would take too long.

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
    began = time.perf_counter()
    order = [sample.names[i] for i in np.random.default_rng(seed).permutation(len(sample.names))]
    n_explained = max(1, round(n_images * sample.share[0]))
    networks: list[NetworkCosts] = []
    with reporter.steps("timing networks", len(sample.backbones)) as advance:
        for number, asked in enumerate(sample.backbones):
            left = NETWORKS_S - (time.perf_counter() - began)
            share_s = max(left / (len(sample.backbones) - number), 1.0)
            networks.append(sample.networks(asked, order, share_s))
            advance(1)
    stand_ins = tuple(
        BackboneConfig(name=one.stand_in, label=one.label, layer=None if one.channels else "none")
        for one in _stood_in_for(networks)
    )

    until = began + BUDGET_S

    def measured(n: int, *, last: bool = False) -> _Run:
        finish = until if last else None
        return _measured(sample, order[:n], stand_ins, (n_images, n_explained), finish)

    runs = _runs(sample, large, measured, until, reporter)
    return _extrapolated(sample, networks, runs, n_images, n_explained, n_workers)


def _stood_in_for(networks: list[NetworkCosts]) -> list[NetworkCosts]:
    """Networks out of which the cost of the others' tables follows: the first and the last."""
    mapped = [one for one in networks if one.channels]
    chosen = mapped or networks
    return [*chosen[: MOST_STAND_INS - 1], *chosen[1:][-1:]]


def _times(stage: str, n: int, n_measured: int) -> float:
    """How much longer a stage takes for n networks than for those that were measured."""
    if stage in _OF_ALL:
        return 1.0
    if stage in _OF_PAIRS:
        return n * (n + 1) / (n_measured * (n_measured + 1))
    return n / n_measured


@dataclass(frozen=True)
class _Run:
    """One small run: its size, seconds by stage, bytes, and what workers share among what."""

    n: int
    n_explained: int
    seconds: dict[str, float]
    disk_bytes: int
    image_bytes: int
    shared: dict[str, Shared]
    beside: list[Beside] = field(default_factory=list)


def _runs(
    sample: Sample,
    most: int,
    measured: Callable[..., _Run],
    until: float,
    reporter: ProgressReporter,
) -> list[_Run]:
    """Run small studies, the largest last, on as many images as there is time for.

    What a process does once (code that is compiled, memory that grows) is no cost of an image: the
    first run warms up, and counts only where there is no time for another of its size.
    """
    small = sample.fewest
    with reporter.steps("measuring the rest", 3) as advance:
        first = measured(small)
        advance(1)
        started = time.perf_counter()
        if until - started > 3 * sum(first.seconds.values()):
            first = measured(small)
        advance(1)
        room = (until - time.perf_counter()) / 2  # the other half is for the report
        each = sum(first.seconds.values()) / small
        large = int(np.clip(small + room / max(each, 1e-4), 2 * small, most))
        sizes = [large] if sample.kind == "rated" else [(small + large) // 2, large]
        runs = [first, *(measured(n, last=n == large) for n in sizes)]
        advance(1)
    return runs


def _measured(
    sample: Sample,
    names: list[str],
    backbones: tuple[BackboneConfig, ...],
    planned: tuple[int, int],
    until: float | None,
) -> _Run:
    """Run the study on some images, in a folder that is gone afterwards.

    The last one reports too, and what is beside the run has time `until`.
    """
    with tempfile.TemporaryDirectory(prefix="aisthesis-plan-") as place:
        study = sample.study(names, Path(place), backbones, planned[1])
        study.run(until=study.commands[-2 if until is None else -1])
        record = study.folder.provenance()
        files = [path for path in study.folder.root.rglob("*") if path.is_file()]
        seconds = {name: float(one["seconds"]) for name, one in record["stages"].items()}
        if "compare" in seconds:  # a part of `agree` that workers share
            seconds["agree"] -= seconds["compare"]
        return _Run(
            len(names),
            max(1, round(len(names) * sample.share[1])),
            seconds,
            sum(path.stat().st_size for path in files),
            sum(sample.folder.path(name).stat().st_size for name in names),
            study.shared,
            [] if until is None else sample.beside(study, *planned, until - time.perf_counter()),
        )


def _extrapolated(
    sample: Sample,
    networks: list[NetworkCosts],
    runs: list[_Run],
    n_images: int,
    n_explained: int,
    n_workers: int,
) -> Plan:
    large = runs[-1]
    n_stood_in = len(_stood_in_for(networks))
    uses = [(one, sample.uses(one, n_explained)) for one in networks]
    rows: list[dict[str, Any]] = []
    costs: dict[str, tuple[float, float, float]] = {}
    for stage in large.seconds:
        explained = stage in _OF_EXPLAINED
        times = _times(stage, len(networks), n_stood_in)
        at = [(run.n_explained if explained else run.n) for run in runs]
        values = [times * run.seconds.get(stage, 0.0) for run in runs]
        cost = (values[-1], 0.0, 0.0) if stage in _SAMPLED else _cost(at, values)
        costs[stage] = cost
        among = large.shared.get(stage)
        ways = {"images": n_workers, "backbones": min(n_workers, len(networks)), None: 1}[among]
        n = n_explained if explained else n_images
        grows = cost[1] + cost[2] > 0
        beyond = max(n - at[-1], 0) / max(at[-1] - at[0], 1)
        rows.append(
            _row(stage, cost, n, uses, ways, ONE_TIME * grows * (values[0] + values[-1]) * beyond)
            | {"parallel": among is not None, "asked": True}
        )
    for one in large.beside:
        with_passes = [(each, _beside(own, one)) for each, own in uses]
        fixed, per_image, per_pair = (
            sum(times * costs[name][part] for name, times in one.like.items()) for part in range(3)
        )
        cost = (fixed, per_image + len(networks) * one.each_s, per_pair)
        row = _row(one.stage, cost, one.images, with_passes, 1)
        rows.append(row | {"parallel": False, "asked": one.asked})
    disk = _cost([run.n for run in runs], [float(run.disk_bytes) for run in runs])
    passes = 1 + len(networks) * (1 + n_explained / n_images)
    return Plan(
        pd.DataFrame(rows),
        n_images,
        n_explained,
        n_workers,
        _peak_bytes(),
        (disk[0] + disk[1] * n_images + disk[2] * n_images**2) * len(networks) / n_stood_in,
        large.image_bytes / large.n * n_images * passes,
        4.0 * sum(one.n_parameters for one in networks) * n_workers,
        tuple(_notes(networks)),
    )


def _notes(networks: list[NetworkCosts]) -> Iterator[str]:
    """What was not measured, with the networks of which that holds."""
    chosen = _stood_in_for(networks)
    if len(chosen) < len(networks):
        names = " and ".join(one.label for one in chosen)
        yield f"tables were measured on stand-ins for {names}; the other networks count alike"
    labels: dict[str, list[str]] = {}
    for one in networks:
        for note in one.notes:
            labels.setdefault(note, []).append(one.label)
    for note, some in labels.items():
        yield f"{', '.join(some)}: {note}"


def _beside(uses: dict[str, Uses], one: Beside) -> dict[str, Uses]:
    """What stages ask of a network, with the passes that were counted on a stand-in."""
    own = uses.get(one.stage)
    if own is None:
        return uses
    each = {**own.each, "forward": own.each.get("forward", 0.0) + one.forwards}
    return {**uses, one.stage: replace(own, each=each)}


def _row(
    stage: str,
    cost: tuple[float, float, float],
    n: int,
    uses: list[tuple[NetworkCosts, dict[str, Uses]]],
    ways: int,
    of_line: float = 0.0,
) -> dict[str, Any]:
    """One stage: what it took on stand-ins, and what its networks take beyond.

    `of_line` is the error of extending the line, in seconds of one worker.
    """
    fixed, per_image, per_pair = cost
    error = MEASURED * (fixed + (per_image * n + per_pair * n**2) / ways) + of_line / ways
    for network, stages in uses:
        asked = stages.get(stage, Uses())
        once, each = network.of(asked.once), network.of(asked.each)
        at_once = asked.at_once if ways == 1 else 1.0
        fixed += once.seconds / at_once
        per_image += each.seconds / at_once
        error += (once.error + each.error * n / ways) / at_once
    seconds = fixed + (per_image * n + per_pair * n**2) / ways
    return {
        "stage": stage, "fixed_s": fixed, "per_image_s": per_image, "per_pair_s": per_pair,
        "images": n, "seconds": seconds, "low_s": max(seconds - error, 0.0),
        "high_s": seconds + error,
    }  # fmt: skip


def _cost(at: list[int], values: list[float]) -> tuple[float, float, float]:
    """A cost's fixed part, and parts an image and a pair of images, none below zero.

    Through two measurements there is a line, and nothing a pair.
    """
    if len(at) == 2:
        return (*_line(at, values), 0.0)
    n = np.asarray(at, dtype=np.float64)
    from scipy.optimize import nnls  # loads much else

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
