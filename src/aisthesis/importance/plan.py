"""How the channels of a layer are removed from a network: found once, used for many batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import fx, nn

from aisthesis.errors import RequestError
from aisthesis.importance.ablation import Ablation
from aisthesis.importance.analysis import Analysis, Unsuitable, analyse
from aisthesis.importance.channels import (
    ChannelSets,
    channel_sets,
    find_layer,
    without_channels,
)
from aisthesis.importance.cost import forward_passes, in_words
from aisthesis.importance.execution import Execution
from aisthesis.importance.expansion import Expansion, expansions
from aisthesis.importance.modes import attributes_kept, evaluation
from aisthesis.importance.owners import Owned
from aisthesis.importance.request import (
    MEMORY_BYTES,
    Shape,
    check_request,
    sample_images,
    sets_at_once,
)
from aisthesis.importance.rerun import Rerun
from aisthesis.importance.tracing import Trace, first_line, trace
from aisthesis.importance.upstream import Upstream, run_upstream

__all__ = ["MEMORY_BYTES", "AblationPlan", "ablation_plan"]

Kind = Literal["channelwise", "column", "block", "linear", "mixing", "rerun"]
_AGREEMENT = 1e-3  # of the effect of removal
_ROUNDINGS = 1000  # of the network's own type, which add up through its depth


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
    """

    model: nn.Module = field(repr=False)
    layer: str
    channels: int
    channel_axis: int
    kind: Kind
    passes: float
    words: str = field(repr=False)
    _trace: Trace | None = field(default=None, repr=False, compare=False)
    _wanted_axis: int | None = field(default=None, repr=False, compare=False)
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
        with attributes_kept(self.model), evaluation(self.model):
            return self._remove(x.detach(), member, replace, memory_bytes)

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

    def _remove(
        self, x: torch.Tensor, member: np.ndarray | None, replace: str, memory_bytes: int
    ) -> Ablation:
        if x.is_inference():
            x = x.clone()
        layer = find_layer(self.model, self.layer)
        if self._trace is None:
            again = Rerun(self.model, layer, x, self._wanted_axis, replace, memory_bytes)
            delta = again.changed(member)
            return Ablation(again.output, delta, again.activation, again.axis)
        known = self._analyses.get((x.shape, x.dtype))
        upstream = run_upstream(self._trace, x, watch=known is None)
        if known is None:
            known = self._analyse(self._trace, x, layer, upstream)
        ways = expansions(known)
        activation = upstream.values[known.target]
        removed = without_channels(activation, known.axis, replace)
        run = Execution(known, ways, upstream, removed)
        delta = run.changed(member, sets_at_once(known, x, memory_bytes))
        return Ablation(run.output, delta, run.activation, known.axis)

    def _analyse(
        self, traced: Trace, x: torch.Tensor, layer: nn.Module, upstream: Upstream
    ) -> Analysis:
        try:
            found = analyse(traced, layer, upstream, self._wanted_axis)
        except Unsuitable as reason:
            raise RequestError(
                f"the plan does not fit images of shape {tuple(x.shape)}: {reason}; make a "
                "plan for them with ablation_plan"
            ) from reason
        self._analyses[x.shape, x.dtype] = found
        return found


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
        Sample images, of which two are used, or their shape; default (2, 3, 224, 224).
    channel_axis : int, optional
        Axis of the layer's output that counts channels. Default: the last of three axes (image,
        token, channel) unless the layer holds a convolution, and the last of four or more for
        Linear and LayerNorm layers and blocks made of them alone; else 1. An activation between
        such layers cannot be told from one between convolutions: say -1 there.
    verify : bool
        Compare the plan with the network itself on the sample, with no channel, every other and
        all channels removed, and fall back on running the network's own code where they differ.

    Returns
    -------
    AblationPlan

    Raises
    ------
    RequestError
        If there is no such layer, or it has no channels, or the output is unfit.
    """
    module = find_layer(model, layer)
    sample = sample_images(model, x)
    with attributes_kept(model), evaluation(model):
        traced = trace(model, module)
        reason = traced if isinstance(traced, str) else ""
        if isinstance(traced, Trace):
            plan, reason = _from_graph(model, layer, module, traced, sample, channel_axis)
            if plan is not None and (not verify or _agrees(plan, sample)):
                return plan
            reason = reason or "its graph gives other values than the network"
        return _from_code(model, layer, module, sample, channel_axis, reason)


def _from_graph(
    model: nn.Module,
    layer: str,
    module: nn.Module,
    traced: Trace,
    sample: torch.Tensor,
    axis: int | None,
) -> tuple[AblationPlan | None, str]:
    try:
        upstream = run_upstream(traced, sample, watch=True)
    except Exception as error:  # noqa: BLE001  if it is the network's fault, its code will tell
        return None, f"its graph cannot be run ({first_line(error)})"
    try:
        analysis = analyse(traced, module, upstream, axis)
    except Unsuitable as reason:
        return None, str(reason)
    ways = expansions(analysis)
    plan = AblationPlan(
        model=model,
        layer=layer,
        channels=analysis.channels,
        channel_axis=analysis.axis,
        kind=_kind(analysis, ways),
        passes=forward_passes(analysis, ways),
        words=in_words(layer, analysis, ways),
        _trace=traced,
        _wanted_axis=axis,
        _analyses={(sample.shape, sample.dtype): analysis},
    )
    return plan, ""


def _from_code(
    model: nn.Module,
    layer: str,
    module: nn.Module,
    sample: torch.Tensor,
    axis: int | None,
    reason: str,
) -> AblationPlan:
    again = Rerun(model, module, sample, axis, "zero", MEMORY_BYTES)
    share = again.share_again()
    return AblationPlan(
        model=model,
        layer=layer,
        channels=again.parts,
        channel_axis=again.axis,
        kind="rerun",
        passes=1 + again.parts * share,
        words=f"{layer} ({again.parts} channels): {reason}; {again.in_words('channel')}, by hooks.",
        _wanted_axis=axis,
    )


def _agrees(plan: AblationPlan, sample: torch.Tensor) -> bool:
    """Whether the plan and the network itself give the same on the sample."""
    rows = np.zeros((3, plan.channels), dtype=bool)
    rows[1, ::2] = True
    rows[2] = True
    layer = find_layer(plan.model, plan.layer)
    try:
        fast = plan._remove(sample, rows, "zero", MEMORY_BYTES).removed
    except RequestError:
        raise
    except Exception:  # noqa: BLE001  a graph that is not the whole story may raise anything
        return False
    slow = Rerun(plan.model, layer, sample, plan._wanted_axis, "zero", 0)
    exact = slow.output.unsqueeze(1) + slow.changed(rows)
    if not bool(exact.isfinite().all()):
        return True  # nothing can be compared; the analysis stands by itself
    rounding = torch.finfo(slow.activation.dtype).eps * max(1.0, float(exact.abs().max()))
    effect = float((exact - exact[:, :1]).abs().max())
    tolerance = _ROUNDINGS * rounding + _AGREEMENT * effect
    return torch.allclose(fast.to(exact.dtype), exact, rtol=0.0, atol=tolerance)


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
