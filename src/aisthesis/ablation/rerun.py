"""Removal by running the network's own code again, where its graph cannot be had.

The images of a batch stay together, because code that looks at its data may look at all of it.
Modules that are done before the layer begins do not see the removal: they give back what they
gave the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from aisthesis.ablation.channels import channel_axis, check_activation, without_channels
from aisthesis.ablation.execution import check_output, widest
from aisthesis.ablation.modes import channels_replaced
from aisthesis.ablation.state import Kept, NetworkState
from aisthesis.errors import RequestError

__all__ = ["Rerun"]

_AGREEMENT = 1e-4  # of the effect of removing all channels


@dataclass
class _Record:
    """Results of the modules that were done before the layer, in order of their calls."""

    results: dict[nn.Module, list[Any]] = field(default_factory=dict)
    refused: set[nn.Module] = field(default_factory=set)
    bytes_left: int = 0

    def refuse(self, module: nn.Module) -> None:
        """Let a module run again, and with it whatever it calls."""
        for inner in module.modules():
            self.refused.add(inner)
            self.results.pop(inner, None)


class Rerun:
    """One batch through a network whose graph is unknown.

    Parameters
    ----------
    model, layer
        The network and the layer in it.
    x : (N, ...)
        Images.
    axis
        Channel axis of the layer's output, None to find it.
    replace : {"zero", "mean"}
        What a removed channel becomes.
    memory_bytes
        Most memory for results that are given back.
    keeps : {"none", "buffers", "all"}
        Tensors that the network writes into; every pass begins with the same.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: nn.Module,
        x: torch.Tensor,
        axis: int | None,
        replace: str,
        memory_bytes: int,
        keeps: Kept = "buffers",
    ) -> None:
        self.model, self.layer, self.x, self.replace = model, layer, x, replace
        self._state = NetworkState(model, keeps)
        self._activations: list[torch.Tensor] = []
        self._record = _Record(bytes_left=memory_bytes)
        with self._recording(), channels_replaced(layer, self._remember):
            output = model(x.clone())
        self._state.rewind()
        check_activation(self._activations)
        check_output(output, x.shape[0])
        self.activation = self._activations[-1]
        self.axis = channel_axis(layer, self.activation.shape, axis)
        self.parts = self._count()
        self.output = widest(output)
        if not self._replay_is_faithful():
            self._record.results.clear()

    @property
    def replayed(self) -> int:
        """Number of modules that need not run again."""
        return len(self._record.results)

    def in_words(self, part: str) -> str:
        """What is run again for every channel, or place."""
        if not self.replayed:
            return f"the whole network runs again for every {part}"
        return (
            f"the network runs again for every {part}, {self.replayed} modules before the layer "
            "giving back what they gave the first time"
        )

    def share_again(self) -> float:
        """Share of the network's operations that one more removal takes."""
        counts = []
        for replay in (False, True):
            with FlopCounterMode(display=False) as counter:
                self._removed(np.zeros(self.parts, bool), replay)
            counts.append(counter.get_total_flops())
        return min(counts[1] / counts[0], 1.0) if counts[0] else 1.0

    def changed(self, member: np.ndarray | None) -> torch.Tensor:
        """Change of the output, (N, G, ...), for sets of removed channels (G, C) or each alone."""
        rows = np.eye(self.parts, dtype=bool) if member is None else member
        changes = [self._removed(row) - self.output for row in rows]
        if not changes:
            return self.output.new_zeros(self.x.shape[0], 0, *self.output.shape[1:])
        return torch.stack(changes, 1)

    def _removed(self, row: np.ndarray, replay: bool = True) -> torch.Tensor:
        chosen = torch.as_tensor(row, device=self.activation.device)

        def replacement(activation: torch.Tensor) -> torch.Tensor:
            return self._without(activation, chosen)

        with ExitStack() as stack:
            if replay:
                stack.enter_context(self._replaying())
            stack.enter_context(channels_replaced(self.layer, replacement))
            output = widest(self.model(self.x.clone()))
        self._state.rewind()
        return output

    def _count(self) -> int:
        """Number of parts of the layer's output that can be removed: its channels."""
        return self.activation.shape[self.axis]

    def _without(self, activation: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """The layer's output without the chosen parts (C,) bool."""
        if activation.ndim <= self.axis or activation.shape[self.axis] != len(chosen):
            raise RequestError(
                "the network calls the layer several times with different numbers of "
                "channels; choose a layer that it calls once"
            )
        shape = [1] * activation.ndim
        shape[self.axis] = -1
        removed = without_channels(activation, self.axis, self.replace)
        return torch.where(chosen.reshape(shape), removed, activation)

    def _remember(self, activation: Any) -> Any:
        check_activation([activation])
        self._activations.append(activation.clone())
        return activation

    def _replay_is_faithful(self) -> bool:
        """Whether giving results back changes nothing, for no and for all channels removed."""
        if not self._record.results:
            return True
        rows = np.zeros(self.parts, bool), np.ones(self.parts, bool)
        whole = [self._removed(row, replay=False) for row in rows]
        effect = (whole[1] - whole[0]).nan_to_num(0, 0, 0).abs().max()
        for row, expected in zip(rows, whole, strict=True):
            try:
                replayed = self._removed(row)
            except RequestError:
                raise
            except Exception:  # noqa: BLE001  code that the replay confuses may raise anything
                return False
            near = _AGREEMENT * float(effect)
            if not torch.allclose(replayed, expected, rtol=0.0, atol=near, equal_nan=True):
                return False
        return True

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Keep what the outermost modules give that are done before the layer begins."""
        open_calls: list[nn.Module] = []
        outer = {m for m in self.model.modules() if any(n is self.layer for n in m.modules())}
        begun: list[bool] = []

        def enter(module: nn.Module, _inputs: Any) -> None:
            begun.extend([True] * (module is self.layer))
            open_calls.append(module)

        def leave(module: nn.Module, _inputs: Any, result: Any) -> None:
            open_calls.pop()
            if not begun and not any(inner not in outer for inner in open_calls):
                self._keep(module, result)

        with ExitStack() as stack:
            for module in self.model.modules():
                if module is not self.layer and module in outer:
                    continue
                stack.callback(module.register_forward_pre_hook(enter).remove)
                stack.callback(module.register_forward_hook(leave).remove)
            yield

    def _keep(self, module: nn.Module, result: Any) -> None:
        tensors = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        if not tensors or size > self._record.bytes_left or module in self._record.refused:
            self._record.refuse(module)
            return
        self._record.bytes_left -= size
        copy = pytree.tree_map_only(torch.Tensor, torch.clone, result)
        self._record.results.setdefault(module, []).append(copy)

    @contextmanager
    def _replaying(self) -> Iterator[None]:
        """Recorded modules give their results back without computing them."""
        with ExitStack() as stack:
            for module, results in self._record.results.items():
                stack.callback(_restore, module, vars(module).get("forward"))
                module.forward = _replay(module.forward, results)
            yield


def _replay(forward: Callable[..., Any], results: list[Any]) -> Callable[..., Any]:
    waiting = list(results)

    def replayed(*args: Any, **kwargs: Any) -> Any:
        if not waiting:
            return forward(*args, **kwargs)  # a later call, which may see the removal
        return pytree.tree_map_only(torch.Tensor, torch.clone, waiting.pop(0))

    return replayed


def _restore(module: nn.Module, own_forward: Any) -> None:
    del module.forward
    if own_forward is not None:
        module.forward = own_forward
