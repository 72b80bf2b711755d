"""How the places of a layer are removed from a network: found once, used for many batches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from aisthesis.ablation.analysis import Analysis, Parts, Unsuitable, analyse
from aisthesis.ablation.channels import find_layer
from aisthesis.ablation.modes import borrowed
from aisthesis.ablation.places.ablation import PlaceAblation
from aisthesis.ablation.places.cost import place_passes, places_in_words, start_of_words
from aisthesis.ablation.places.execution import PlaceExecution
from aisthesis.ablation.places.grid import PlaceGrid, place_grid
from aisthesis.ablation.places.owners import Placed, placed_result
from aisthesis.ablation.places.rerun import PlaceRerun
from aisthesis.ablation.places.trial import agrees
from aisthesis.ablation.places.ways import PlaceWays, place_ways
from aisthesis.ablation.places.windows import Window, check_window, choose_window
from aisthesis.ablation.plan import AblationPlan
from aisthesis.ablation.prepare import at_least, check_reachable, drop_present, follow_warm
from aisthesis.ablation.request import MEMORY_BYTES, Shape, check_request, sample_images
from aisthesis.ablation.state import Kept
from aisthesis.ablation.tracing import Trace, first_line
from aisthesis.ablation.upstream import Upstream, run_upstream
from aisthesis.ablation.verification import check_repeatable
from aisthesis.errors import RequestError
from aisthesis.memory import LESS_AT_ONCE, plain_memory_errors

__all__ = ["PlacePlan", "place_plan"]

Kind = Literal["placewise", "pooled", "block", "local", "mixing", "rerun"]


@dataclass(frozen=True)
class _Way:
    """What is known of the network for one shape of input."""

    analysis: Analysis
    grid: PlaceGrid
    ways: PlaceWays
    window: int
    why: str  # the window, if it was chosen


@dataclass(frozen=True)
class PlacePlan:
    """The cheapest exact way to remove the places of one layer.

    Made by `place_plan`; call it on as many batches as wanted. It refers to the network and
    leaves it as it is, so weights changed after the plan was made are taken into account;
    changed code or modules need a new plan.

    Attributes
    ----------
    model : Module
        The network, giving (N,) or (N, K) for N images.
    layer : str
        Dotted path of the layer.
    shape : (int, int)
        Rows and columns (h, w) of the places, for images like the sample.
    channel_axis : int
        Axis of the layer's output that counts channels.
    window : int
        Side of the square of places that are removed together, centred on each place.
    kind : str
        `"placewise"`: everything up to the output keeps places apart. `"pooled"`: they meet
        first in a mean or sum over all of them. `"block"`: they meet first in a linear layer,
        where each has its own columns. `"local"`: convolutions or pools follow, and windows of
        what they give are enough for a while. `"mixing"`: they meet in another operation.
        `"rerun"`: the graph cannot be used, and the network's own code runs again.
    passes : float
        Expected cost for all places, in forward passes of the same batch, the first included.
    words : str
        Which way and why.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
    >>> images = torch.rand(2, 3, 16, 16)
    >>> plan = ais.place_plan(network, "0", images)
    >>> plan.shape, plan(images).delta.shape
    ((14, 14), torch.Size([2, 14, 14, 1]))
    """

    model: nn.Module = field(repr=False)
    layer: str
    shape: tuple[int, int]
    channel_axis: int
    window: int
    kind: Kind
    passes: float
    words: str = field(repr=False)
    _trace: Trace | None = field(default=None, repr=False, compare=False)
    _wanted: tuple[int | None, tuple[int, int] | None] = field(
        default=(None, None), repr=False, compare=False
    )  # channel axis and grid, as the caller gave them
    _ways: dict[tuple[Shape, torch.dtype], _Way] = field(
        default_factory=dict, repr=False, compare=False
    )
    _keeps: Kept = field(default="buffers", repr=False, compare=False)

    def __str__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """Say in words which way is taken, why, and what it is expected to cost."""
        passes = f"{self.passes:.2f}" if self.passes < 10 else f"{self.passes:,.0f}"
        return f"{self.words} Expected cost: {passes} forward passes."

    def __call__(
        self,
        x: torch.Tensor,
        *,
        replace: str = "zero",
        memory_bytes: int = MEMORY_BYTES,
    ) -> PlaceAblation:
        """Remove every place, with the window around it, from every image.

        Parameters
        ----------
        x : (N, ...)
            Images as the network takes them, on its device.
        replace : {"zero", "mean"}
            At a removed place every channel of the layer's output becomes zero, or its own mean
            over the places of the image.
        memory_bytes
            Most memory in bytes to use beyond the forward pass.

        Returns
        -------
        PlaceAblation
            Predictions with and without each place, and the layer's output.

        Raises
        ------
        RequestError
            If `replace`, `memory_bytes`, the images or the network's output is unfit.
        """
        check_request(x, replace, memory_bytes)
        with (
            borrowed(self.model, self._keeps),
            plain_memory_errors("removing places", LESS_AT_ONCE),
        ):
            return self._remove(x.detach(), None, replace, memory_bytes)

    def shares(self, traced: Trace) -> bool:
        """Whether the plan uses this very graph."""
        return self._trace is traced

    def is_new(self, x: torch.Tensor) -> bool:
        """Whether no batch of this shape has been seen."""
        return (x.shape, x.dtype) not in self._ways

    def _remove(
        self,
        x: torch.Tensor,
        places: np.ndarray | None,
        replace: str,
        memory_bytes: int,
        upstream: Upstream | None = None,
    ) -> PlaceAblation:
        """Remove some places (numbers, delta (N, P)) or all of them (delta (N, h, w)).

        `upstream`, watched if images are of a new shape, may be there already.
        """
        if x.is_inference():
            x = x.clone()
        layer = find_layer(self.model, self.layer)
        if self._trace is None:
            again = _rerun(self, layer, x, replace, memory_bytes)
            together = again.grid.windows(self.window)
            delta = again.changed(together if places is None else together[places])
            output, activation, grid = again.output, again.activation, again.grid
        else:
            known = self._ways.get((x.shape, x.dtype))
            upstream = upstream or run_upstream(self._trace, x, watch=known is None)
            way = known or self._analyse(self._trace, x, layer, upstream)
            run = PlaceExecution(way.analysis, way.ways, upstream, way.grid, self.window, replace)
            output, activation, grid = run.output, run.activation, way.grid
            chosen = np.arange(grid.count) if places is None else places
            delta = run.changed_by(chosen, memory_bytes)
        if places is None:
            delta = delta.unflatten(1, (grid.height, grid.width))
        return PlaceAblation(output, delta, activation, grid.channel_axis, self.window)

    def _analyse(
        self, traced: Trace, x: torch.Tensor, layer: nn.Module, upstream: Upstream
    ) -> _Way:
        try:
            found = _way(traced, layer, upstream, *self._wanted, self.layer, self.window)
        except Unsuitable as reason:
            raise RequestError(
                f"the plan does not fit images of shape {tuple(x.shape)}: {reason}; make a "
                "plan for them with place_plan"
            ) from reason
        self._ways[x.shape, x.dtype] = found
        return found


def place_plan(
    model: nn.Module,
    layer: str,
    x: torch.Tensor | Shape | None = None,
    *,
    window: Window = 1,
    channel_axis: int | None = None,
    grid: tuple[int, int] | None = None,
    verify: bool = True,
    beside: AblationPlan | None = None,
) -> PlacePlan:
    """Find the cheapest exact way to remove the places of a layer, all channels at once.

    The network's graph is traced with torch.fx and every operation after the layer is asked
    whether it keeps the places apart; an operation that is not known to do so counts as mixing
    them. A network that cannot be traced is run again by its own code.

    Parameters
    ----------
    model : Module
        Network giving one number, or K numbers, per image: (N,) or (N, K).
    layer : str
        Dotted path of the layer whose places are removed. Its output must be one tensor with
        places: (N, C, h, w), (N, h, w, C), or (N, T, C) with T tokens.
    x : (N, ...) tensor or shape, optional
        Sample images, of which two are used, or their shape; default (2, 3, 224, 224).
    window : int or "auto"
        Side of the square of places removed together, odd, centred on each place and cut off at
        the edges. `"auto"`: 5 where the places meet first in a pool or convolution over several
        of them, because there a neighbour stands in for a place removed alone; else 1.
    channel_axis : int, optional
        Axis of the layer's output that counts channels, found as in `ablation_plan` by default.
    grid : (int, int), optional
        Rows and columns of the places of a token layer; by default the tokens, without up to
        eight class and register tokens before them, form a square. Tokens before the grid's are
        never removed.
    verify : bool
        Compare the plan with the network itself on the sample, at several places, and fall back
        on running the network's own code where they differ.
    beside : AblationPlan, optional
        Plan for the channels of the same layer, made on the same sample: its graph is used again,
        so that `remove_both` takes one pass for both.

    Returns
    -------
    PlacePlan

    Raises
    ------
    RequestError
        If there is no such layer, its output has no places, or an argument or the network's
        output is unfit.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
    >>> images = torch.rand(2, 3, 16, 16)
    >>> ais.place_plan(network, "0", images).kind
    'pooled'
    """
    check_window(window)
    module = find_layer(model, layer)
    sample = sample_images(model, x)
    check_reachable(model, layer)
    known = None
    if beside is not None and beside.model is model and beside.layer == layer:
        known = beside.way_of(sample)
    if known is not None and known.traced is not None:
        with borrowed(model, "all"):
            made = _from_graph(
                model, layer, module, known.traced, sample, window, (channel_axis, grid)
            )
            if not isinstance(made, str):
                plan, upstream = made
                plan = replace(plan, _keeps=known.keeps)
                # A graph that the plan for channels was verified with is the network's own.
                shown = upstream if beside and beside._verify else None
                if not verify or agrees(plan, known.traced, sample, shown=shown):
                    return plan
    with borrowed(model, "all") as state:
        intact = check_repeatable(model, module, sample, state) if verify else None
        keeps = state.moved if verify else "buffers"
        traced = follow_warm(model, module)
        reason = traced if isinstance(traced, str) else ""
        if isinstance(traced, Trace):
            made = _from_graph(model, layer, module, traced, sample, window, (channel_axis, grid))
            state.rewind()
            right = not isinstance(made, str) and (
                intact is None or agrees(made[0], traced, sample, intact)
            )
            state.restore()
            drop_present(traced)
            if right and not isinstance(made, str):
                return replace(made[0], _keeps=at_least(keeps, traced))
            differs = "its graph gives other values than the network"
            reason = made if isinstance(made, str) else differs
        return _from_code(model, layer, module, sample, window, (channel_axis, grid), reason)


def _way(
    traced: Trace,
    module: nn.Module,
    upstream: Upstream,
    axis: int | None,
    wanted: tuple[int, int] | None,
    layer: str,
    window: int | str,
) -> _Way:
    def start(shape: torch.Size, channel_axis: int) -> Placed:
        return Placed(place_grid(shape, channel_axis, wanted, layer).labels())

    analysis = analyse(traced, module, upstream, axis, Parts(start, placed_result))
    grid = place_grid(analysis.shape, analysis.axis, wanted, layer)
    side, why = (window, "") if isinstance(window, int) else choose_window(analysis)
    return _Way(analysis, grid, place_ways(analysis, grid, side), side, why)


def _from_graph(
    model: nn.Module,
    layer: str,
    module: nn.Module,
    traced: Trace,
    sample: torch.Tensor,
    window: Window,
    wanted: tuple[int | None, tuple[int, int] | None],
) -> tuple[PlacePlan, Upstream] | str:
    """The plan, with what lies before the layer for the sample; or why there is none."""
    try:
        upstream = run_upstream(traced, sample, watch=True)
    except Exception as error:  # noqa: BLE001  if it is the network's fault, its code will tell
        return f"its graph cannot be run ({first_line(error)})"
    try:
        way = _way(traced, module, upstream, *wanted, layer, window)
    except Unsuitable as reason:
        return str(reason)
    plan = PlacePlan(
        model=model,
        layer=layer,
        shape=(way.grid.height, way.grid.width),
        channel_axis=way.grid.channel_axis,
        window=way.window,
        kind=_kind(way),
        passes=place_passes(way.ways, way.grid.count),
        words=places_in_words(layer, way.grid, way.window, way.why, way.ways),
        _trace=traced,
        _wanted=wanted,
        _ways={(sample.shape, sample.dtype): way},
    )
    return plan, upstream


def _from_code(
    model: nn.Module,
    layer: str,
    module: nn.Module,
    sample: torch.Tensor,
    window: Window,
    wanted: tuple[int | None, tuple[int, int] | None],
    reason: str,
) -> PlacePlan:
    again = PlaceRerun(model, module, sample, wanted[0], "zero", MEMORY_BYTES, wanted[1], layer)
    side, why = (window, "") if window != "auto" else choose_window(None)
    return PlacePlan(
        model=model,
        layer=layer,
        shape=(again.grid.height, again.grid.width),
        channel_axis=again.axis,
        window=side,
        kind="rerun",
        passes=1 + again.parts * again.share_again(),
        words=f"{start_of_words(layer, again.grid, side, why)}: {reason}; "
        f"{again.in_words('place')}, by hooks.",
        _wanted=wanted,
    )


def _rerun(
    plan: PlacePlan, layer: nn.Module, x: torch.Tensor, replace: str, memory_bytes: int
) -> PlaceRerun:
    axis, grid = plan._wanted
    return PlaceRerun(plan.model, layer, x, axis, replace, memory_bytes, grid, plan.layer)


def _kind(way: _Way) -> Kind:
    mixing, ways = set(way.analysis.mixing), way.ways
    if not mixing:
        return "placewise"
    if ways.local:
        return "local"
    first = [n for n in way.analysis.mixing if not mixing.intersection(n.all_input_nodes)]
    kinds = {ways.sums[n].kind if n in ways.sums else "mixing" for n in first}
    if "mixing" in kinds:
        return "mixing"
    return "block" if "block" in kinds else "pooled"
