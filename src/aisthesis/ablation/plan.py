"""How the channels of a layer are removed from a network: found once, used for many batches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import fx, nn

from aisthesis.ablation.ablation import Ablation
from aisthesis.ablation.analysis import Analysis, Unsuitable, analyse
from aisthesis.ablation.channels import ChannelSets, channel_sets, find_layer, without_channels
from aisthesis.ablation.cost import forward_passes, in_words
from aisthesis.ablation.execution import Execution
from aisthesis.ablation.expansion import Expansion, expansions
from aisthesis.ablation.modes import borrowed
from aisthesis.ablation.owners import Owned
from aisthesis.ablation.pairs import PairExecution, pair_chain
from aisthesis.ablation.prepare import Prepared, check_reachable, prepare
from aisthesis.ablation.request import (
    MEMORY_BYTES,
    Shape,
    check_request,
    sample_images,
    sets_at_once,
)
from aisthesis.ablation.rerun import Rerun
from aisthesis.ablation.tracing import Trace
from aisthesis.ablation.upstream import Upstream, run_upstream
from aisthesis.errors import RequestError
from aisthesis.memory import LESS_AT_ONCE, plain_memory_errors

__all__ = ["MEMORY_BYTES", "AblationPlan", "ablation_plan"]

Kind = Literal["channelwise", "column", "block", "linear", "mixing", "rerun"]


@dataclass(frozen=True)
class AblationPlan:
    """The cheapest exact way to remove the channels of one layer.

    Made by `ablation_plan`; call it on as many batches as wanted. It refers to the network and
    leaves it as it is, so weights changed after the plan was made are taken into account;
    changed code or modules need a new plan.

    Attributes
    ----------
    model : Module
        The network, giving (N,) or (N, K) for N images.
    layer : str
        Dotted path of the layer.
    channels : int
        Number C of channels of the layer's output.
    channel_axis : int
        Axis of the layer's output that counts them.
    kind : str
        `"channelwise"`: everything up to the output keeps channels apart. `"column"`, `"block"`:
        they meet first in a linear layer, where each is one column or a block of columns.
        `"linear"`: they meet first in a convolution. `"mixing"`: they meet in another operation.
        `"rerun"`: the graph cannot be used, and the network's own code runs again.
    passes : float
        Expected cost for all channels, in forward passes of the same batch, the first included.
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
    >>> plan = ais.ablation_plan(network, "0", images)
    >>> plan.channels
    4
    >>> plan(images).delta.shape  # image, channel, output
    torch.Size([2, 4, 1])
    """

    model: nn.Module = field(repr=False)
    layer: str
    channels: int
    channel_axis: int
    kind: Kind
    passes: float
    words: str = field(repr=False)
    _wanted_axis: int | None = field(default=None, repr=False, compare=False)
    _verify: bool = field(default=True, repr=False, compare=False)
    # by what images are: their own shape and type, or the batch's where the code made something
    _prepared: dict[tuple[Shape, torch.dtype], Prepared] = field(
        default_factory=dict, repr=False, compare=False
    )
    _analyses: dict[tuple[Shape, torch.dtype], Analysis] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __str__(self) -> str:
        return self.describe()

    def describe(self) -> str:
        """Say in words which way is taken, why, and what it is expected to cost."""
        return f"{self.words} Expected cost: {_number(self.passes)} forward passes."

    def __call__(
        self,
        x: torch.Tensor,
        *,
        groups: ChannelSets | None = None,
        replace: str = "zero",
        memory_bytes: int = MEMORY_BYTES,
    ) -> Ablation:
        """Remove every channel, or every group of channels, from every image.

        Parameters
        ----------
        x : (N, ...)
            Images as the network takes them, on its device.
        groups : G sequences of channel numbers, or (G, C) bool, optional
            Channels to remove together; they may overlap. Default: each channel alone.
        replace : {"zero", "mean"}
            A removed channel of the layer's output becomes zero, or its own mean over the
            positions of the image (where it has one position, it keeps its value).
        memory_bytes
            Most memory in bytes to use beyond the forward pass.

        Returns
        -------
        Ablation
            Predictions with and without each channel, and the layer's output.

        Raises
        ------
        RequestError
            If `groups`, `replace`, `memory_bytes` or the network's output is unfit.
        """
        check_request(x, replace, memory_bytes)
        member = channel_sets(groups, self.channels)
        layer = find_layer(self.model, self.layer)
        x = x.detach()
        if x.is_inference():
            x = x.clone()
        way = self._way(x, layer)
        with (
            borrowed(self.model, way.keeps),
            plain_memory_errors("removing channels", LESS_AT_ONCE),
        ):
            return self._remove(x, layer, way, member, replace, memory_bytes)

    def retain(
        self,
        x: torch.Tensor,
        keep: ChannelSets,
        *,
        replace: str = "zero",
        memory_bytes: int = MEMORY_BYTES,
    ) -> torch.Tensor:
        """Output when only the channels of each set are kept.

        Parameters
        ----------
        x : (N, ...)
            Images.
        keep : G sequences of channel numbers, or (G, C) bool
            Sets of channels to keep; all others are removed at once.
        replace, memory_bytes
            As in a call of the plan.

        Returns
        -------
        (N, G) or (N, G, K)
            Predictions, float64.
        """
        kept = channel_sets(keep, self.channels)
        removed = None if kept is None else ~kept
        return self(x, groups=removed, replace=replace, memory_bytes=memory_bytes).removed

    @property
    def traced(self) -> Trace | None:
        """The network's graph, where it can be used; None where the network's own code runs."""
        found = (way.traced for way in self._prepared.values())
        return next((one for one in found if one is not None), None)

    def output_owner(self, x: torch.Tensor) -> np.ndarray | None:
        """Which channel each entry of an image's output depends on.

        Parameters
        ----------
        x : (N, ...)
            Images that the plan was called on, or others of the same shape.

        Returns
        -------
        (K,) int or None
            A channel number, -1 for an entry that no channel reaches; None where an entry may
            depend on several channels, or the output is (N,).
        """
        analysis = self._analyses.get((x.shape, x.dtype))
        if analysis is None or len(analysis.shapes.get(analysis.output, ())) != 2:
            return None
        state = analysis.states[analysis.output]
        if state is None:
            return np.full(analysis.shapes[analysis.output][1], -1)
        return state.owner if isinstance(state, Owned) and state.axis == 1 else None

    def way_of(self, x: torch.Tensor) -> Prepared | None:
        """How images like `x` go through the network, if that has been found out."""
        ways = (self._prepared.get((shape, x.dtype)) for shape in (x.shape[1:], x.shape))
        return next((way for way in ways if way is not None), None)

    def is_new(self, x: torch.Tensor) -> bool:
        """Whether no batch of this shape has been seen."""
        return (x.shape, x.dtype) not in self._analyses

    def _way(self, x: torch.Tensor, layer: nn.Module) -> Prepared:
        """The way for such images; code may do something else for those of another size."""
        known = self.way_of(x)
        if known is not None:
            return known
        sample = sample_images(self.model, x)
        way = prepare(self.model, layer, sample, self._wanted_axis, self._verify)
        self._keep(way, x.shape, sample)
        return way

    def _keep(self, way: Prepared, shape: Shape, sample: torch.Tensor) -> None:
        own = way.traced is not None and way.traced.made
        self._prepared[shape if own else shape[1:], sample.dtype] = way
        if way.analysis is not None:
            self._analyses[sample.shape, sample.dtype] = way.analysis

    def _remove(
        self,
        x: torch.Tensor,
        layer: nn.Module,
        way: Prepared,
        member: np.ndarray | None,
        replace: str,
        memory_bytes: int,
        upstream: Upstream | None = None,
    ) -> Ablation:
        """Remove; `upstream`, watched if images are of a new shape, may be there already."""
        if way.traced is None:
            axis, keeps = self._wanted_axis, way.keeps
            again = Rerun(self.model, layer, x, axis, replace, memory_bytes, keeps)
            self._check_channels(again.activation.shape, again.axis)
            delta = again.changed(member)
            return Ablation(again.output, delta, again.activation, again.axis)
        known = self._analyses.get((x.shape, x.dtype))
        upstream = upstream or run_upstream(way.traced, x, watch=known is None)
        if known is None:
            known = self._analyse(way, x, layer, upstream)
        ways = expansions(known)
        activation = upstream.values[known.target]
        removed = without_channels(activation, known.axis, replace)
        if chain := pair_chain(known, ways):
            run: Execution = PairExecution(known, ways, upstream, removed, chain, memory_bytes)
        else:
            run = Execution(known, ways, upstream, removed)
        delta = run.changed(member, sets_at_once(known, x, memory_bytes))
        return Ablation(run.output, delta, run.activation, known.axis)

    def _analyse(
        self, way: Prepared, x: torch.Tensor, layer: nn.Module, upstream: Upstream
    ) -> Analysis:
        assert way.traced is not None  # noqa: S101  for the type checker
        try:
            found = analyse(way.traced, layer, upstream, self._wanted_axis)
        except Unsuitable as reason:
            raise RequestError(
                f"the plan does not fit images of shape {tuple(x.shape)}: {reason}; make a "
                "plan for them with ablation_plan"
            ) from reason
        self._check_channels(found.shape, found.axis)
        self._analyses[x.shape, x.dtype] = found
        return found

    def _check_channels(self, shape: Shape, axis: int) -> None:
        if shape[axis] != self.channels:
            raise RequestError(
                f"the plan is for {self.channels} channels, but for these images {self.layer} has "
                f"{shape[axis]}; make a plan for them with ablation_plan"
            )


def ablation_plan(
    model: nn.Module,
    layer: str,
    x: torch.Tensor | Shape | None = None,
    *,
    channel_axis: int | None = None,
    verify: bool = True,
) -> AblationPlan:
    """Find the cheapest exact way to remove the channels of a layer.

    The network's graph is traced with torch.fx and every operation after the layer is asked
    whether it keeps the channels apart; an operation that is not known to do so counts as mixing
    them. A network that cannot be traced is run again by its own code.

    Parameters
    ----------
    model : Module
        Network giving one number, or K numbers, per image: (N,) or (N, K).
    layer : str
        Dotted path of the layer whose channels are removed; its output must be one tensor.
    x : (N, ...) tensor or shape, optional
        Sample images, of which two that differ and are not blank are used (noise in their range
        takes the place of any that lack), or their shape; default (2, 3, 224, 224).
    channel_axis : int, optional
        Axis of the layer's output that counts channels. Default: the last of three axes (image,
        token, channel) unless the layer holds a convolution, and the last of four or more for
        Linear and LayerNorm layers and blocks made of them alone; else 1. An activation between
        such layers cannot be told from one between convolutions: say -1 there.
    verify : bool
        Run the network's own code on the sample, intact and with sets of channels removed: twice
        the same must give the same, and where the graph gives something else, or an effect that
        is off by more than a thousandth of it, the network's own code is used. Images of another
        size than the sample are tried likewise when the plan meets them first.

    Returns
    -------
    AblationPlan

    Raises
    ------
    RequestError
        If there is no such layer, or no hook reaches it, or it has no channels, or the output is
        unfit, or two calls on the same images differ.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1)]
    >>> network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
    >>> images = torch.rand(2, 3, 16, 16)
    >>> ais.ablation_plan(network, "0", images).kind
    'column'
    """
    module = find_layer(model, layer)
    check_reachable(model, layer)
    sample = sample_images(model, x)
    way = prepare(model, module, sample, channel_axis, verify)
    if way.analysis is None:
        with borrowed(model, way.keeps):
            plan = _from_code(model, layer, module, sample, channel_axis, way)
    else:
        plan = _from_graph(model, layer, way.analysis)
    plan = replace(plan, _wanted_axis=channel_axis, _verify=verify)
    plan._keep(way, sample.shape, sample)
    return plan


def _from_graph(model: nn.Module, layer: str, analysis: Analysis) -> AblationPlan:
    ways = expansions(analysis)
    return AblationPlan(
        model=model,
        layer=layer,
        channels=analysis.channels,
        channel_axis=analysis.axis,
        kind=_kind(analysis, ways),
        passes=forward_passes(analysis, ways),
        words=in_words(layer, analysis, ways),
    )


def _from_code(
    model: nn.Module,
    layer: str,
    module: nn.Module,
    sample: torch.Tensor,
    axis: int | None,
    way: Prepared,
) -> AblationPlan:
    again = Rerun(model, module, sample, axis, "zero", MEMORY_BYTES, way.keeps)
    return AblationPlan(
        model=model,
        layer=layer,
        channels=again.parts,
        channel_axis=again.axis,
        kind="rerun",
        passes=1 + again.parts * again.share_again(),
        words=f"{layer} ({again.parts} channels): {way.reason}; "
        f"{again.in_words('channel')}, by hooks.",
    )


def _kind(analysis: Analysis, ways: dict[fx.Node, Expansion]) -> Kind:
    mixing = set(analysis.mixing)
    if not mixing:
        return "channelwise"
    first = [n for n in analysis.mixing if not mixing.intersection(n.all_input_nodes)]
    kinds = {ways[n].kind if n in ways else "mixing" for n in first}
    for kind in ("mixing", "plane", "block"):
        if kind in kinds:
            return "linear" if kind == "plane" else kind
    return "column"


def _number(passes: float) -> str:
    return f"{passes:.2f}" if passes < 10 else f"{passes:,.0f}"
