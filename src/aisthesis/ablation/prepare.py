"""What a plan knows of a network for images of one size: the graph, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from aisthesis.ablation.analysis import Analysis, Unsuitable, analyse
from aisthesis.ablation.channels import without_channels
from aisthesis.ablation.execution import Execution
from aisthesis.ablation.expansion import expansions
from aisthesis.ablation.modes import borrowed
from aisthesis.ablation.pairs import PairExecution, pair_chain
from aisthesis.ablation.request import MEMORY_BYTES
from aisthesis.ablation.state import Kept, state_kept
from aisthesis.ablation.tracing import Trace, first_line, trace
from aisthesis.ablation.upstream import Upstream, run_upstream
from aisthesis.ablation.verification import Intact, Replacement, check_repeatable, verified
from aisthesis.errors import RequestError

__all__ = ["Prepared", "at_least", "check_reachable", "drop_present", "follow_warm", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A way through the network.

    Attributes
    ----------
    traced, analysis
        The graph, and what its operations do to the layer's channels; None where the network's
        own code has to run.
    reason
        Why it has to.
    keeps : {"none", "buffers", "all"}
        Tensors that passes write into.
    """

    traced: Trace | None
    analysis: Analysis | None
    reason: str
    keeps: Kept


def check_reachable(model: nn.Module, layer: str) -> None:
    """Refuse networks whose layer no hook can reach, or that are not whole yet.

    Raises
    ------
    RequestError
        If the layer lies in a scripted part, or a lazy module has not seen its first image.
    """
    names = layer.split(".")
    for depth in range(len(names) + 1):
        part = model.get_submodule(".".join(names[:depth]))
        if isinstance(part, torch.jit.ScriptModule):
            where = ".".join(names[:depth]) or "a network"
            raise RequestError(
                f"the layer {layer!r} lies in {where}, which torch.jit has scripted or traced, "
                "so that no hook reaches it; give the network as its Python module"
            )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            raise RequestError(
                f"{name} of the network gets its shape and values only when the first image goes "
                "through; call the network once before its channels are removed"
            )


def prepare(
    model: nn.Module, layer: nn.Module, sample: torch.Tensor, axis: int | None, verify: bool
) -> Prepared:
    """Trace the network and find what its operations do to the layer's channels.

    Parameters
    ----------
    model, layer : Module
        The network and the layer in it.
    sample : (N, ...)
        Images; see `sample_images`.
    axis
        Channel axis of the layer's output, None to find it.
    verify
        Whether the network's own code must show that the graph is right.

    Raises
    ------
    RequestError
        If two passes over the same images differ, or the output is unfit.
    """
    with borrowed(model, "all") as state:
        intact = check_repeatable(model, layer, sample, state) if verify else None
        keeps = state.moved if verify else "buffers"
        traced = follow_warm(model, layer)
        if isinstance(traced, str):
            return Prepared(None, None, traced, keeps)
        found, reason, upstream = _analysed(traced, layer, sample, axis)
        state.rewind()
        if found is not None and (
            intact is None or _is_right(found, model, layer, sample, intact, upstream)
        ):
            prepared = Prepared(traced, found, "", at_least(keeps, traced))
        else:
            reason = reason or "its graph gives other values than the network"
            prepared = Prepared(None, None, reason, keeps)
    drop_present(traced)
    return prepared


def follow_warm(model: nn.Module, layer: nn.Module) -> Trace | str:
    """Trace a network that has run once, and keep what it made then for the graph to read."""
    with state_kept(model):
        traced = trace(model, layer)
    return traced if isinstance(traced, str) else replace(traced, made=_made(traced))


def drop_present(traced: Trace) -> None:
    """Let the graph read the network's own attributes where it has them before it runs."""
    for name in list(traced.made):
        if replace(traced, made={}).attribute(name) is not None:
            del traced.made[name]


def _analysed(
    traced: Trace, layer: nn.Module, sample: torch.Tensor, axis: int | None
) -> tuple[Analysis | None, str, Upstream]:
    try:
        upstream = run_upstream(traced, sample, watch=True)
    except Exception as error:  # noqa: BLE001  if it is the network's fault, its code will tell
        return None, f"its graph cannot be run ({first_line(error)})", Upstream()
    try:
        return analyse(traced, layer, upstream, axis), "", upstream
    except Unsuitable as reason:
        return None, str(reason), upstream


def _is_right(
    analysis: Analysis,
    model: nn.Module,
    layer: nn.Module,
    sample: torch.Tensor,
    intact: Intact,
    upstream: Upstream,
) -> bool:
    """Whether the graph is right with every other, all and some channels removed.

    Where single channels go another way, one of them too.
    """
    axis, channels = analysis.axis, analysis.channels
    rows = np.zeros((3, channels), dtype=bool)
    rows[0, ::2] = rows[1] = True
    rows[2] = np.random.default_rng(0).random(channels) < 0.1
    rows[2, channels // 2] = True
    singly = bool(pair_chain(analysis, expansions(analysis)))
    if singly:
        rows = np.vstack([rows, np.arange(channels) == _most_active(analysis, upstream)])

    def fast(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        known, before = analysis, upstream
        if x.dtype != sample.dtype:
            before = run_upstream(analysis.trace, x, watch=True)
            known = analyse(analysis.trace, layer, before, axis)
        removed = without_channels(before.values[known.target], axis, "zero")
        ways = expansions(known)
        if not singly:
            run = Execution(known, ways, before, removed)
            return run.output, run.changed(rows, len(rows))
        chain = pair_chain(known, ways)
        run = PairExecution(known, ways, before, removed, chain, MEMORY_BYTES)
        sets = run.changed(rows[:-1], len(rows)), run.changed(rows[-1:], 1)
        return run.output, torch.cat(sets, 1)

    removals = _removals(rows, axis)
    with state_kept(model):
        return verified(
            fast, analysis.trace, model, layer, sample, removals, intact=intact, upstream=upstream
        )


def _most_active(analysis: Analysis, upstream: Upstream) -> int:
    """A channel whose removal is likely to change something."""
    sizes = upstream.values[analysis.target].detach().movedim(analysis.axis, 0).flatten(1)
    return int(sizes.clamp(min=0).double().sum(1).nan_to_num().argmax())


def _removals(rows: np.ndarray, axis: int) -> Sequence[Replacement]:
    def of(row: np.ndarray) -> Replacement:
        def replacement(activation: torch.Tensor) -> torch.Tensor:
            shape = [1] * activation.ndim
            shape[axis] = -1
            removed = without_channels(activation, axis, "zero")
            chosen = torch.as_tensor(row, device=activation.device).reshape(shape)
            return torch.where(chosen, removed, activation)

        return replacement

    return [of(row) for row in rows]


def _made(traced: Trace) -> dict[str, torch.Tensor]:
    """Tensors that the graph reads from attributes that are neither parameters nor buffers."""
    stored = dict([*traced.root.named_parameters(), *traced.root.named_buffers()])
    names = {str(n.target) for n in traced.target.graph.nodes if n.op == "get_attr"}
    values = {name: traced.attribute(name) for name in names - stored.keys()}
    return {name: v for name, v in values.items() if isinstance(v, torch.Tensor)}


def at_least(keeps: Kept, traced: Trace) -> Kept:
    """A module that the graph calls as a whole may write into its buffers another time."""
    called = [n for n in (*traced.before, *traced.after) if n.op == "call_module"]
    kinds = [type(traced.root.get_submodule(str(node.target))) for node in called]
    foreign = any(not kind.__module__.startswith("torch.nn.") for kind in kinds)
    return "buffers" if keeps == "none" and foreign else keeps
