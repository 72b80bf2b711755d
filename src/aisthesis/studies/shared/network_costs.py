"""What a network costs, piece by piece: timed on few images, within a share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aisthesis.ablation.places.both import remove_both
from aisthesis.ablation.plan import AblationPlan
from aisthesis.backbones import Backbone
from aisthesis.backbones.initialise import noise_images
from aisthesis.config import PlacesConfig
from aisthesis.images import ImageFolder, batches
from aisthesis.studies.shared.ablation_plans import Plans, plans_for
from aisthesis.studies.shared.stand_in import stand_in_name

__all__ = ["Cost", "NetworkCosts", "Stopwatch", "network_costs"]

#: Relative error of what was timed, at the least: machines are not as quick all day.
TIMED = 0.2
#: Of what was timed in part, and of what was taken from the forward passes that it declares.
IN_PART, DECLARED = 0.3, 0.5
#: Forward passes of one image that trying how channels and places are removed takes, as measured:
#: the network runs with sets of them removed, on two images, by its own code and by its graph.
TRIAL_PASSES = 24.0
_MANY_PASSES = 4.0  # more than this is not taken from what is declared if it can be timed in part
_SOME_CHANNELS = (8, 24)
_REPEATS = 3
_SHARE = 8  # what is timed again takes at most this part of the time that is left


@dataclass(frozen=True)
class Cost:
    """Seconds of one piece of work, and their relative error."""

    seconds: float
    error: float = TIMED


@dataclass(frozen=True)
class NetworkCosts:
    """What one network of a study costs.

    Attributes
    ----------
    label : str
    stand_in : str
        Name of the network's stand-in.
    channels : int
        Of the layer; 0 without one.
    mixes : bool
        Whether the stand-in lets them meet before the embedding.
    n_parameters : int
    pieces : dict of Cost
        ``build`` (once), ``trial`` (of how channels and places are removed, once), and by image
        ``forward`` (a pass), ``channels`` and ``places`` (their removal, beyond the pass before
        the layer), ``set`` (one set of several channels removed); and what the study's kind adds.
    notes : list of str
        What was not timed as the study does it.
    """

    label: str
    stand_in: str
    channels: int
    mixes: bool
    n_parameters: int
    pieces: dict[str, Cost] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def of(self, uses: Mapping[str, float]) -> Cost:
        """Seconds of several pieces so many times, with the error of their sum; in seconds."""
        known = [(n, self.pieces[name]) for name, n in uses.items() if name in self.pieces]
        return Cost(
            sum(n * one.seconds for n, one in known),
            sum(abs(n) * one.seconds * one.error for n, one in known),
        )


@dataclass
class Stopwatch:
    """Times work while its share of the time lasts."""

    device: torch.device
    until: float

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.until - time.perf_counter()

    def once(self, work: Callable[[], Any]) -> float:
        """Seconds that work takes, the first time."""
        self._wait()
        started = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - started

    def several(self, work: Callable[[], Any], n: int = 1, *, warm: bool = False) -> Cost:
        """Time work on n images: the median of an image.

        The first time only warms up, unless it was done before or there is no time for another.
        """
        times = [self.once(work)]
        while len(times) <= _REPEATS and self.left > _SHARE * times[-1]:
            times.append(self.once(work))
        times = times if warm or len(times) == 1 else times[1:]
        middle = float(np.median(times))
        return Cost(middle / n, max(TIMED, (max(times) - min(times)) / 2 / middle))

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


#: Costs that only one kind of study has: out of the network, its heads on it, images, what a
#: forward pass takes and the stopwatch; costs by name, and notes.
Also = Callable[
    [Backbone, Sequence[nn.Module], Tensor, Cost, Stopwatch], tuple[dict[str, Cost], list[str]]
]


@torch.no_grad()
def network_costs(
    label: str,
    build: Callable[[], Backbone],
    model_on: Callable[[Backbone], tuple[nn.Module, Sequence[nn.Module]]],
    folder: ImageFolder,
    names: Sequence[str],
    *,
    places: PlacesConfig,
    batch_size: int,
    share_s: float,
    whole: bool = False,
    also: Also | None = None,
) -> NetworkCosts:
    """Time a network on a few images.

    What would take too long is timed in part, or taken from the forward passes that it declares;
    the notes say so.

    Parameters
    ----------
    label : str
    build : callable
        Makes the network on its device.
    model_on : callable
        Gives what the channels are removed from, and its heads; as yet unfitted ones will do.
    folder, names
        Images to time it on.
    places
        How places are removed.
    batch_size : int
        Most images at once.
    share_s : float
        Seconds that it may take, about.
    whole : bool
        Whether a stand-in has to let channels meet before its embedding where the network does.
    also : callable, optional
        Times what only this kind of study does.
    """
    started = time.perf_counter()
    backbone = build()
    built = Cost(time.perf_counter() - started)
    watch = Stopwatch(backbone.device, started + share_s)
    read = batches(folder, names[:batch_size], backbone.transform, batch_size, on_fault="skip")
    images = [batch.pixels for batch in read] or [noise_images(backbone.transform, 2, seed=0)]
    pixels = torch.cat(images).to(backbone.device)
    forward = _forward(backbone, pixels, watch)
    pieces, notes = {"build": built, "forward": forward}, []
    mixes = False
    if backbone.map_shape is not None:
        model, heads = model_on(backbone)
        plans, pieces["trial"] = _plans(backbone, model, places, folder, forward, watch)
        if pieces["trial"].error == DECLARED:
            notes.append(
                f"trying how channels are removed was not run and counts as {TRIAL_PASSES:.0f} "
                "forward passes"
            )
        mixes = whole and plans.channels.kind != "channelwise"
        pieces |= _removal(plans, pixels, forward, watch)
        if pieces["channels"].error == IN_PART:
            notes.append("the removal of channels was timed for some of them")
        notes += [
            f"the removal of {name} counts as the forward passes that it declares"
            for name in ("channels", "places")
            if pieces[name].error == DECLARED
        ]
        if also is not None:
            found, said = also(backbone, heads, pixels, forward, watch)
            pieces |= found
            notes += said
    return NetworkCosts(
        label,
        stand_in_name(backbone, mixes=mixes),
        backbone.map_shape[0] if backbone.map_shape else 0,
        mixes,
        backbone.n_parameters,
        pieces,
        notes,
    )


def _forward(backbone: Backbone, pixels: Tensor, watch: Stopwatch) -> Cost:
    """A forward pass of one image, in as large a batch as there is time for."""
    one = watch.once(lambda: backbone.trunk(pixels[:1]))
    n = max(1, min(len(pixels), int(0.08 * watch.left / max(one, 1e-4))))
    return watch.several(lambda: backbone.trunk(pixels[:n]), n, warm=n == 1)


def _plans(
    backbone: Backbone,
    model: nn.Module,
    places: PlacesConfig,
    folder: ImageFolder,
    forward: Cost,
    watch: Stopwatch,
) -> tuple[Plans, Cost]:
    """How channels and places are removed, and what it takes to find and to try that."""
    verify = TRIAL_PASSES * forward.seconds < 0.3 * watch.left
    started = time.perf_counter()
    plans = plans_for(backbone, model, places, folder, verify=verify)
    if verify:
        return plans, Cost(time.perf_counter() - started)
    return plans, Cost(TRIAL_PASSES * forward.seconds, DECLARED)


def _removal(plans: Plans, pixels: Tensor, forward: Cost, watch: Stopwatch) -> dict[str, Cost]:
    """What removing all channels and all places takes beyond one forward pass, an image.

    Where it takes long, of two images: for another number the plans look at the network again.
    """
    channels, places = plans.channels, plans.places
    passes = channels.passes + places.passes - 1
    many = passes * len(pixels) * forward.seconds < 0.05 * watch.left
    some = pixels if many else pixels[:2]
    declared = {
        "channels": Cost((channels.passes - 1) * forward.seconds, DECLARED),
        "places": Cost((places.passes - 1) * forward.seconds, DECLARED),
    }
    if passes * len(some) * forward.seconds < 0.5 * watch.left:
        both = watch.several(
            lambda: remove_both(channels, places, some, replace=plans.replace), len(some)
        )
        beyond = max(both.seconds - forward.seconds, 0.0)
        # What is left beyond a pass may be far less than its error: that is the error of the whole.
        error = both.error * both.seconds / max(beyond, 1e-9)
        share = (channels.passes - 1) / max(passes - 1, 1e-9)
        found = {
            "channels": Cost(share * beyond, error), "places": Cost((1 - share) * beyond, error)
        }  # fmt: skip
    elif channels.passes > _MANY_PASSES:
        found = declared | {"channels": _some_channels(channels, some, forward, watch)}
    else:
        found = declared
    # Sets of several channels go a more general way than single ones.
    each = found["channels"].seconds / channels.channels
    return found | {"set": Cost(2 * each, DECLARED)}


def _some_channels(plan: AblationPlan, some: Tensor, forward: Cost, watch: Stopwatch) -> Cost:
    """The removal of all channels, from a line through that of few and of more of them."""
    few, more = (
        np.eye(plan.channels, dtype=bool)[:: max(1, plan.channels // n)] for n in _SOME_CHANNELS
    )
    first, second = (
        watch.once(lambda rows=rows: plan(some, groups=rows)) / len(some)  # type: ignore[misc]
        for rows in (few, more)
    )
    each = max(second - first, 0.0) / max(len(more) - len(few), 1)
    whole = first + each * (plan.channels - len(few))
    return Cost(max(whole - forward.seconds, 0.0), IN_PART)
