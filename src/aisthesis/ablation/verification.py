"""Is what a graph gives right? Shown by the network's own code on sample images.

Two questions are kept apart, because rounding answers only one of them. Does the graph do what
the code does? Both run the same operations in the same order, so they give the same bits, however
small the effect of a removal or coarse the network's type. And are the differences that are
carried through the graph right? They are compared with the effect of the removal; where the
network's rounding hides that, both are computed in float64.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from aisthesis.ablation.channels import check_activation
from aisthesis.ablation.execution import check_output, widest
from aisthesis.ablation.modes import channels_replaced
from aisthesis.ablation.owners import run_operation
from aisthesis.ablation.state import NetworkState, state_kept
from aisthesis.ablation.tracing import Trace
from aisthesis.ablation.upstream import Upstream, node_module, run_upstream
from aisthesis.errors import RequestError

__all__ = ["Code", "Intact", "check_repeatable", "run_code", "run_intact", "verified"]

Replacement = Callable[[torch.Tensor], torch.Tensor]
"""The layer's output, to what takes its place."""
Fast = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Images, to predictions (N, ...) and their changes (N, G, ...), float64."""

_AGREEMENT = 1e-3  # of the effect of removal
_ROUNDINGS = 64  # of the network's own type, in predictions that two ways compute

#: Passes in which random numbers are looked for: threads of a Dask worker draw from the same ones.
_TRIES = 4


@dataclass(frozen=True)
class Intact:
    """Predictions (N, ...), and the layer's output, of its last call if there are several."""

    output: torch.Tensor
    activation: torch.Tensor


@dataclass(frozen=True)
class Code(Intact):
    """What the network's own code gives; `removed` (N, G, ...) with each replacement."""

    removed: torch.Tensor

    @property
    def delta(self) -> torch.Tensor:
        """Changes (N, G, ...) in the widest type."""
        return widest(self.removed) - widest(self.output).unsqueeze(1)


def run_intact(model: nn.Module, layer: nn.Module, x: torch.Tensor) -> Intact:
    """Run the network's own code as it is, and note what the layer gives.

    Raises
    ------
    RequestError
        If the layer is never called, or gives no floating tensor, or the output is unfit.
    """
    seen: list[Any] = []

    def watch(activation: Any) -> Any:
        seen.append(activation.clone() if isinstance(activation, torch.Tensor) else activation)
        return activation

    with channels_replaced(layer, watch):
        output = model(x.clone())
    check_output(output, x.shape[0])
    check_activation(seen)
    return Intact(output, seen[-1])


def run_code(
    model: nn.Module,
    layer: nn.Module,
    x: torch.Tensor,
    replacements: Sequence[Replacement],
    intact: Intact | None = None,
) -> Code:
    """Run the network's own code, intact and with each replacement; every pass starts alike."""
    state = NetworkState(model)
    if intact is None:
        intact = run_intact(model, layer, x)
        state.rewind()
    outputs = []
    for replacement in replacements:
        with channels_replaced(layer, replacement):
            outputs.append(model(x.clone()))
        state.rewind()
    return Code(intact.output, intact.activation, torch.stack(outputs, 1))


def check_repeatable(
    model: nn.Module, layer: nn.Module, x: torch.Tensor, state: NetworkState
) -> Intact:
    """Run the network twice on the same images; afterwards what it makes at first is made.

    Raises
    ------
    RequestError
        If it draws random numbers, or gives something else the second time, or is unfit.
    """
    first = run_intact(model, layer, x)
    state.rewind()
    for _ in range(_TRIES):
        before = _random_states(x.device)
        second = run_intact(model, layer, x)
        drawn = before != _random_states(x.device)
        state.rewind()
        if not drawn:  # a network that draws does so each time; a thread beside it now and then
            break
    if drawn:
        raise RequestError(
            "the network draws random numbers in evaluation mode, so the effect of a removal would "
            "be another at every call; look for dropout that does not ask self.training, "
            "torch.rand and the like in its code, and switch them off"
        )
    one, two = widest(first.output), widest(second.output)
    if one.shape == two.shape and _same(one, two, _rounding(first.output)):
        return second
    raise RequestError(
        "the network gives other predictions for the same images when it is called again, so the "
        "effect of a removal cannot be told; look for random numbers, or for something that it "
        "remembers from one call to the next"
    )


def verified(
    fast: Fast,
    traced: Trace,
    model: nn.Module,
    layer: nn.Module,
    x: torch.Tensor,
    replacements: Sequence[Replacement],
    *,
    intact: Intact | None = None,
    upstream: Upstream | None = None,
    graph_is_known: bool = False,
) -> bool:
    """Whether a way by the graph is right on sample images.

    Parameters
    ----------
    fast
        The way: for images as `x` it gives predictions, and their change by each replacement.
    traced
        The graph that it uses.
    model, layer
        The network, in evaluation mode, and the layer in it.
    x : (N, ...)
        Sample images, different from each other and not blank.
    replacements
        The G removals, as they act on the layer's output.
    intact, upstream
        What the code gives, and what the graph gives before the layer, if they are known.
    graph_is_known
        Whether the graph has been shown to be the network's own: what it gives by its own
        operations then stands for the code, which does not run.
    """
    code = None if graph_is_known else run_code(model, layer, x, replacements, intact)
    try:
        plain = _run_plainly(traced, model, x, replacements, upstream)
        if code is not None and not _is_the_code(plain, code):
            return False
        if _is_the_effect(fast(x), plain if code is None else code):
            return True
        with _in_double(model):
            wide = x.double()
            if graph_is_known:
                again = _run_plainly(traced, model, wide, replacements, None)
            else:
                again = run_code(model, layer, wide, replacements)
            return _is_the_effect(fast(wide), again)
    except RequestError:
        raise
    except Exception:  # noqa: BLE001  a graph that is not the whole story may raise anything
        return False


def _is_the_code(plain: Code, code: Code) -> bool:
    """Whether the graph, run as it stands, gives what the code gives."""
    ours = (plain.output, plain.removed, plain.activation)
    theirs = (code.output, code.removed, code.activation)
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in zip(ours, theirs, strict=True)):
        return False
    effect = _largest(code.delta)
    return (
        _same(plain.activation, code.activation, _AGREEMENT * _largest(widest(code.activation)))
        and _same(widest(plain.removed), widest(code.removed), _AGREEMENT * effect)
        and _same(widest(plain.output), widest(code.output), _AGREEMENT * effect.amax(1))
    )


def _run_plainly(
    traced: Trace,
    model: nn.Module,
    x: torch.Tensor,
    replacements: Sequence[Replacement],
    upstream: Upstream | None,
) -> Code:
    """Run the graph by its own operations, intact and with each replacement."""
    state = NetworkState(model)
    upstream = upstream or run_upstream(traced, x, watch=False)
    outputs = []
    for replacement in (torch.clone, *replacements):
        values = pytree.tree_map_only(torch.Tensor, torch.clone, dict(upstream.values))
        values[traced.target] = replacement(upstream.values[traced.target])
        for node in traced.after:
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
            values[node] = run_operation(node, node_module(traced, node), args, kwargs)
        outputs.append(values[traced.output])
        state.rewind()
    return Code(outputs[0], upstream.values[traced.target], torch.stack(outputs[1:], 1))


def _is_the_effect(found: tuple[torch.Tensor, torch.Tensor], code: Code) -> bool:
    """Whether predictions and changes are those of the code, as far as its rounding lets it say."""
    output, delta = found
    exact, intact = code.delta, widest(code.output)
    if output.shape != intact.shape or delta.shape != exact.shape:
        return False
    if not bool(exact.isfinite().all()):
        return True  # nothing can be compared; the graph is the code's, and the analysis stands
    effect = _largest(exact)  # (1, G, ...): of the images, but every removal and output by itself
    floor = torch.finfo(intact.dtype).eps * _largest(intact)
    rounding = _ROUNDINGS * torch.finfo(code.output.dtype).eps * _largest(intact)
    return _same(delta, exact, _AGREEMENT * effect + floor.unsqueeze(1)) and _same(
        output, intact, _AGREEMENT * effect.amax(1) + rounding
    )


def _largest(values: torch.Tensor) -> torch.Tensor:
    return values.nan_to_num(0, 0, 0).abs().amax(0, keepdim=True)


def _same(a: torch.Tensor, b: torch.Tensor, tolerance: torch.Tensor | float) -> bool:
    if torch.equal(a, b):
        return True
    near = (a - b).abs() <= tolerance
    return bool((near | (a == b) | (a.isnan() & b.isnan())).all())


def _rounding(output: torch.Tensor) -> torch.Tensor:
    return _ROUNDINGS * torch.finfo(output.dtype).eps * _largest(widest(output))


@contextmanager
def _in_double(model: nn.Module) -> Iterator[None]:
    """Every floating tensor of the network in float64, the network itself in place."""
    with state_kept(model, "none"):
        wide: dict[int, torch.Tensor] = {}
        for module in model.modules():
            for table in (vars(module), module._parameters, module._buffers):
                for name, tensor in table.items():
                    if isinstance(tensor, torch.Tensor) and tensor.is_floating_point():
                        table[name] = wide.setdefault(id(tensor), _double(tensor))  # type: ignore
        yield


def _double(tensor: torch.Tensor) -> torch.Tensor:
    converted = tensor.detach().double()
    return nn.Parameter(converted, False) if isinstance(tensor, nn.Parameter) else converted


def _random_states(device: torch.device) -> tuple[Any, ...]:
    states: list[Any] = [torch.get_rng_state().numpy().tobytes(), random.getstate()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device).numpy().tobytes())
    states.append(repr(np.random.get_state(legacy=False)["state"]["key"].tobytes()))  # noqa: NPY002
    states.append(np.random.get_state(legacy=False)["state"]["pos"])  # noqa: NPY002
    return tuple(states)
