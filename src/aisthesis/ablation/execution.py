"""One forward pass, and from it the change of the output for every set of removed channels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import fx
from torch.utils import _pytree as pytree

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.expansion import Expansion
from aisthesis.ablation.owners import Owned, State, run_operation
from aisthesis.ablation.upstream import Upstream, node_module
from aisthesis.errors import RequestError
from aisthesis.memory import is_out_of_memory

__all__ = ["Execution", "check_output", "widest"]


def widest(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor in float64, or in float32 on a device that has no float64."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def check_output(output: Any, images: int) -> None:
    """Refuse a network whose output is not one row of predictions per image.

    Raises
    ------
    RequestError
        If `output` is no floating tensor of shape (N,) or (N, K).
    """
    if not isinstance(output, torch.Tensor) or not output.is_floating_point():
        raise RequestError(
            f"expected a network that gives one number per image, got {type(output).__name__}; "
            "wrap it in a module that returns the prediction"
        )
    if output.ndim not in (1, 2) or output.shape[0] != images:
        raise RequestError(
            f"expected an output of shape ({images},) or ({images}, K) for {images} images, got "
            f"{tuple(output.shape)}; wrap the network in a module that returns the prediction"
        )


class Execution:
    """Values and changes of one batch.

    Parameters
    ----------
    analysis, expansions
        What is known of the network for this shape of input.
    upstream
        Values that the removal does not reach, of the same batch.
    removed : Tensor
        The layer's output with everything removed that can be.
    """

    def __init__(
        self,
        analysis: Analysis,
        expansions: dict[fx.Node, Expansion],
        upstream: Upstream,
        removed: torch.Tensor,
    ) -> None:
        self.analysis, self.expansions = analysis, expansions
        self.values = dict(upstream.values)
        self.activation: torch.Tensor = self.values[analysis.target]
        # of channel-wise values: each entry with its own channel removed, and how it changes
        self.after: dict[fx.Node, Any] = {analysis.target: removed}
        self.changes: dict[fx.Node, Any] = {analysis.target: removed - self.activation}
        self._casts: dict[tuple[int, torch.dtype], tuple[torch.Tensor, torch.Tensor]] = {}
        self._operands: dict[tuple[fx.Node, torch.dtype | None], Any] = {}
        self._owners: dict[tuple[fx.Node, int], torch.Tensor] = {}
        self._tail_nodes = analysis.mixing
        self.vectorised = True
        self.images = self.activation.shape[0]
        self._forward()
        output = self.values[analysis.output]
        check_output(output, self.images)
        self.output = widest(output)

    def changed(self, member: np.ndarray | None, at_once: int) -> torch.Tensor:
        """Change of the output, (N, G, ...), for sets of removed channels.

        Parameters
        ----------
        member : (G, C) bool, or None
            Sets; None removes each channel alone.
        at_once
            Number of sets to carry together.
        """
        analysis = self.analysis
        if analysis.states[analysis.output] is None:
            sets = analysis.channels if member is None else len(member)
            return self.output.new_zeros(self.images, sets, *self.output.shape[1:])
        pieces = [self._piece(member, *span) for span in self._spans(member, at_once)]
        if not pieces:
            return self.output.new_zeros(self.images, 0, *self.output.shape[1:])
        return torch.cat(pieces).movedim(0, 1)

    def _forward(self) -> None:
        """Intact values of everything after the layer, and the changes while channels are apart."""
        analysis = self.analysis
        kept = {analysis.target, analysis.output, *analysis.mixing}
        kept.update(*(node.all_input_nodes for node in analysis.mixing))
        last_read = {
            other: node for node in analysis.trace.after for other in (node, *node.all_input_nodes)
        }
        for node in analysis.trace.after:
            if node in analysis.affected:
                if node in analysis.needed:
                    self._visit(node)
            elif all(other in self.values for other in node.all_input_nodes):
                module = node_module(analysis.trace, node)
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), self.values.__getitem__)
                self.values[node] = run_operation(node, module, args, kwargs)
            for other in node.all_input_nodes:
                if other not in kept and last_read[other] is node:
                    self.values.pop(other, None)
                    self.changes.pop(other, None)
                if last_read[other] is node:
                    self.after.pop(other, None)

    def _visit(self, node: fx.Node) -> None:
        affected = self.analysis.affected[node]
        dtype, cast = affected.dtype, self._caster(affected.dtype)
        inputs = node.all_input_nodes
        base = {other: self._converted(other, self.values[other], dtype) for other in inputs}
        value = affected.operation.value(base, cast)
        self.values[node] = value
        if affected.channelwise:
            reached = [other for other in inputs if other in self.changes]
            changes = {n: self._converted(n, self.changes[n], dtype) for n in reached}
            removed = {n: self._converted(n, self.after[n], dtype) for n in reached}
            after = affected.operation.value({**base, **removed}, cast)
            self.after[node] = after
            self.changes[node] = affected.operation.change(base, changes, value, cast, after)

    def _spans(self, member: np.ndarray | None, at_once: int) -> Iterator[tuple[int, int]]:
        sets = self.analysis.channels if member is None else len(member)
        for first in range(0, sets, at_once):
            yield first, min(first + at_once, sets)

    def _piece(self, member: np.ndarray | None, first: int, last: int) -> torch.Tensor:
        """Change of the output for some of the sets, (P, N, ...)."""
        ready = self._ready(first, last) if member is None else {}
        return self._carried(ready, self._rows(member, first, last))

    def _carried(self, ready: dict[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
        """Change of the output (P, N, ...) for sets of removed parts, P rows, run together."""
        if self.vectorised:
            try:
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
                    return widest(torch.func.vmap(self._tail)(ready, rows))
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                # An operation that cannot be vectorised, or that looks at data.
                self.vectorised = False
        singly = [
            self._tail({name: change[p] for name, change in ready.items()}, rows[p])
            for p in range(len(rows))
        ]
        return widest(torch.stack(singly))

    def _ready(self, first: int, last: int) -> dict[str, torch.Tensor]:
        """Changes (P, N, ...) of the operations that need not be run for each single part."""
        ready = {}
        for node, expansion in self.expansions.items():
            dtype = self.analysis.affected[node].dtype
            change = self._converted(expansion.source, self.changes[expansion.source], dtype)
            ready[node.name] = expansion.changes(change, first, last, self._caster(dtype))
        return ready

    def _rows(self, member: np.ndarray | None, first: int, last: int) -> torch.Tensor:
        """Removed channels of each set, (P, C + 1); the last column stands for no channel."""
        channels = self.analysis.channels
        rows = np.zeros((last - first, channels + 1), dtype=bool)
        if member is None:
            rows[np.arange(last - first), np.arange(first, last)] = True
        else:
            rows[:, :-1] = member[first:last]
        return torch.as_tensor(rows, device=self.activation.device)

    def _tail(self, ready: dict[str, torch.Tensor], row: torch.Tensor) -> torch.Tensor:
        """Change of the output for one set; runs under vmap."""
        analysis = self.analysis
        changes: dict[fx.Node, Any] = {}
        for node in self._tail_nodes:
            if node.name in ready:
                changes[node] = ready[node.name]
                continue
            affected = analysis.affected[node]
            inputs = {
                other: self._converted(other, self._change(other, changes, row), affected.dtype)
                for other in node.all_input_nodes
                if analysis.states[other] is not None
            }
            base = {other: self._operand(other, affected.dtype) for other in node.all_input_nodes}
            result = self._operand(node, affected.dtype)
            cast = self._caster(affected.dtype)
            changes[node] = affected.operation.change(base, inputs, result, cast)
            for other in analysis.dying.get(node, ()):
                changes.pop(other, None)
        return self._change(analysis.output, changes, row)

    def _change(self, node: fx.Node, changes: dict[fx.Node, Any], row: torch.Tensor) -> Any:
        if node in changes:
            return changes[node]
        return self._restricted(node, self.analysis.states[node], self.changes[node], row, 0)

    def _restricted(
        self, node: fx.Node, state: State, change: Any, row: torch.Tensor, position: int
    ) -> Any:
        """The part of a channel-wise change that the removed channels cause."""
        if isinstance(state, tuple):
            return type(change)(
                self._restricted(node, inner, part, row, position + number)
                for number, (inner, part) in enumerate(zip(state, change, strict=True))
            )
        if not isinstance(state, Owned):
            return torch.zeros_like(change)
        if (node, position) not in self._owners:
            owner = torch.as_tensor(state.owner, device=change.device)
            self._owners[node, position] = torch.where(owner < 0, self.analysis.channels, owner)
        shape = [1] * change.ndim
        shape[state.axis] = -1
        removed = row[self._owners[node, position]].reshape(shape)
        return torch.where(removed, change, 0.0)

    def _operand(self, node: fx.Node, dtype: torch.dtype | None) -> Any:
        key = (node, dtype)
        if key not in self._operands:
            self._operands[key] = self._converted(node, self.values[node], dtype)
        return self._operands[key]

    def _converted(self, node: fx.Node, value: Any, dtype: torch.dtype | None) -> Any:
        """Floating tensors of a value in the precision of a computation."""
        own = self.analysis.dtypes[node]
        if dtype is None:
            return pytree.tree_map(_to, value, own)
        cast = self._caster(dtype) if node.op == "get_attr" else None
        return pytree.tree_map(lambda leaf: cast(leaf) if cast else _to(leaf, dtype), value)

    def _caster(self, dtype: torch.dtype | None) -> Any:
        """Brings parameters to a precision, each once in this batch."""

        def cast(tensor: torch.Tensor) -> torch.Tensor:
            if dtype is None or tensor.dtype == dtype or not tensor.is_floating_point():
                return tensor
            key = (id(tensor), dtype)
            if key not in self._casts:
                self._casts[key] = (tensor, tensor.to(dtype))
            return self._casts[key][1]

        return cast


def _to(leaf: Any, dtype: torch.dtype | None) -> Any:
    floating = isinstance(leaf, torch.Tensor) and leaf.is_floating_point()
    return leaf.to(dtype) if floating and dtype is not None and dtype.is_floating_point else leaf
