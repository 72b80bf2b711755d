"""Single channels removed where a chain of operations follows that treats images apart.

There every pair of a channel and an image can be carried by itself: pairs in which the channel
changes nothing (it is zero after its ReLU, say) are left out, those of one image share its intact
values, convolutions go by Winograd's algorithm with the channels last in memory, and what follows
the maps runs on many pairs at once, so that the weights of a large linear layer are read seldom.
Where the chain ends in rows before the output does (several heads on one trunk), the rest goes the
general way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.execution import Execution
from aisthesis.ablation.expansion import Expansion
from aisthesis.ablation.ops import ENTRYWISE, ENTRYWISE_MODULES
from aisthesis.ablation.sums import summed_axes
from aisthesis.ablation.upstream import Upstream
from aisthesis.ablation.winograd import Axis, convolved, kernel_at_points, suits

__all__ = ["PairExecution", "pair_chain"]

_MOST_ROWS = 1024  # pairs behind the maps at once; more gain nothing
_RESHAPING = ("flatten", "reshape", "view", "squeeze", "unsqueeze")
_ARITHMETIC = ("add", "sub", "mul", "div")
_POOLS = ("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d")


def pair_chain(analysis: Analysis, ways: dict[fx.Node, Expansion]) -> list[fx.Node]:
    """First operations that mix channels, if pairs go through them and it pays; else none.

    The last of them gives rows, and is all that the operations after them read of them.
    """
    mixing = analysis.mixing
    if not mixing or mixing[0] not in ways or ways[mixing[0]].kind != "plane":
        return []
    chain = mixing[:1]
    for node in mixing[1:]:
        affected = [n for n in node.all_input_nodes if analysis.states[n] is not None]
        if affected != chain[-1:] or not _apart(node, chain[-1], analysis):
            break
        chain.append(node)
    read_later = {other for node in mixing[len(chain) :] for other in node.all_input_nodes}
    branch = next((k for k, node in enumerate(chain) if node in read_later), len(chain) - 1)
    chain = chain[: branch + 1]
    while chain and len(analysis.shapes[chain[-1]]) > 2:
        chain.pop()
    operations = (analysis.affected[node] for node in chain[1:])
    wide = any(suits(a.operation.name, a.operation.module, a.dtype) for a in operations)
    return chain if wide else []


def _apart(node: fx.Node, before: fx.Node, analysis: Analysis) -> bool:
    """Whether an operation does with each image of a batch what it does with that image alone."""
    operation = analysis.affected[node].operation
    name, module = operation.name, operation.module
    shape, result = analysis.shapes.get(before, ()), analysis.shapes.get(node, ())
    if not shape or not result or shape[0] != result[0]:
        return False
    others = [n for n in node.all_input_nodes if n is not before]
    if name in _ARITHMETIC:  # with what is the same for all images
        fits = all(n in analysis.shapes for n in others)
        return fits and all(len(analysis.shapes[n]) < len(result) for n in others)
    if others:
        return False
    if name in _RESHAPING:
        return shape.numel() == result.numel()
    if name in ("mean", "sum"):
        summed = summed_axes(node, analysis)
        return summed is not None and 0 not in summed[0]
    if name == "batch_norm":
        return module is not None and module.running_var is not None and len(shape) > 1
    if name == "conv2d" or name in _POOLS:
        return len(shape) == 4 and (module is not None or name != "conv2d")
    if name == "linear":
        return module is not None and len(shape) > 1
    kind = name.removeprefix("elementwise:")
    return shape == result and (name in ENTRYWISE or kind in ENTRYWISE_MODULES)


class PairExecution(Execution):
    """Values and changes of one batch, single channels carried pair by pair.

    Parameters
    ----------
    analysis, expansions, upstream, removed
        As for `Execution`.
    chain
        What `pair_chain` gives for them.
    memory_bytes
        Most memory to use.
    """

    def __init__(
        self,
        analysis: Analysis,
        expansions: dict[fx.Node, Expansion],
        upstream: Upstream,
        removed: Tensor,
        chain: list[fx.Node],
        memory_bytes: int,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._kernels: dict[fx.Node, Tensor] = {}
        self._chain = chain
        super().__init__(analysis, expansions, upstream, removed)

    def changed(self, member: np.ndarray | None, at_once: int) -> Tensor:
        """Change of the output, (N, G, ...); sets of several channels go the general way."""
        if member is None:
            single = np.arange(self.analysis.channels)
        elif len(member) and bool((member.sum(1) == 1).all()):
            single = member.argmax(1)
        else:
            self._tail_nodes = self.analysis.mixing
            return super().changed(member, at_once)
        end, mixing = self._chain[-1], self.analysis.mixing
        self._tail_nodes = mixing[len(self._chain) - 1 :]
        each = sum(map(self.analysis.bytes_of, self._tail_nodes))
        most = int(max(1, 0.2 * self._memory_bytes // max(each, 1)))
        pieces = [self.output.new_zeros(0, *self.output.shape)]
        for first in range(0, len(single), most):
            last = min(first + most, len(single))
            ready = {end.name: self._changed_rows(single[first:last], at_once)}
            pieces.append(self._carried(ready, self._rows(member, first, last)))
        return torch.cat(pieces).movedim(0, 1)

    def _changed_rows(self, single: np.ndarray, at_once: int) -> Tensor:
        """Change (P, N, ...) of the chain's end by each of P channels."""
        chain = self._chain
        maps = 1 + max(i for i, node in enumerate(chain) if len(self.analysis.shapes[node]) == 4)
        maps = min(maps + 1, len(chain))  # the next one makes rows of the maps
        end = self._operand(chain[-1], self.analysis.affected[chain[-1]].dtype)
        total = end.new_zeros(len(single), *end.shape)
        waiting: list[tuple[int, np.ndarray, Tensor]] = []
        most = self._rows_at_once(chain[maps - 1])
        for image, positions in self._pairs(single, max(1, at_once * self.images)):
            change = self._plane(chain[0], image, single[positions])
            for node in chain[1:maps]:
                change = self._through(node, change, self._of_image(image))
            waiting.append((image, positions, change))
            if sum(len(some) for _, some, _ in waiting) >= most:
                self._finish(chain[maps:], waiting, total)
                waiting = []
        if waiting:
            self._finish(chain[maps:], waiting, total)
        return total

    def _rows_at_once(self, last: fx.Node) -> int:
        """Pairs to take together through what follows the maps."""
        each = 3 * self.analysis.bytes_of(last) // self.images
        return int(min(max(0.4 * self._memory_bytes // max(each, 1), 1), _MOST_ROWS))

    def _pairs(self, single: np.ndarray, at_once: int) -> Iterator[tuple[int, np.ndarray]]:
        """Each image with positions of channels that change something in it."""
        way = self.expansions[self.analysis.mixing[0]]
        change = self.changes[way.source]
        moves = (change != 0).flatten(2).any(2).cpu().numpy()[:, way.entries[single, 0]]
        for image in range(self.images):
            positions = np.flatnonzero(moves[image])
            for some in np.array_split(positions, max(1, -(-len(positions) // at_once))):
                if len(some):
                    yield image, some

    def _plane(self, node: fx.Node, image: int, channels: np.ndarray) -> Tensor:
        """Change (B, O, h, w) of the first convolution by each channel's own input plane."""
        way, dtype = self.expansions[node], self.analysis.affected[node].dtype
        module: Any = way.module
        entries = torch.as_tensor(way.entries[channels, 0])
        source = self._converted(way.source, self.changes[way.source], dtype)
        own = source[image, entries].unsqueeze(1)
        patches = F.unfold(own, module.kernel_size, module.dilation, module.padding, module.stride)
        if node not in self._kernels:
            weight = self._caster(dtype)(module.weight)
            self._kernels[node] = weight.flatten(2).permute(1, 2, 0).contiguous()  # (C, k, O)
        result = torch.bmm(patches.mT, self._kernels[node][entries])
        return result.unflatten(1, self.analysis.shapes[node][2:]).movedim(3, 1)

    def _of_image(self, image: int) -> Callable[[Tensor], Tensor]:
        def rows(value: Tensor) -> Tensor:
            own = value[image : image + 1]
            return own.contiguous(memory_format=torch.channels_last) if own.ndim == 4 else own

        return rows

    def _through(self, node: fx.Node, change: Tensor, rows: Callable[[Tensor], Tensor]) -> Tensor:
        """Change of one operation's result; `rows` gives the intact rows of the pairs.

        The given change is used up.
        """
        affected, shape = self.analysis.affected[node], self.analysis.shapes[node]
        operation, dtype = affected.operation, affected.dtype
        source = next(n for n in node.all_input_nodes if self.analysis.states[n] is not None)
        change = self._converted(source, change, dtype)
        if operation.name in _RESHAPING:
            return change.reshape(len(change), *shape[1:])
        if suits(operation.name, operation.module, dtype):
            return self._tiled(node, change)
        base = {other: self._operand(other, dtype) for other in node.all_input_nodes}
        base[source] = rows(base[source])
        if operation.name == "relu":  # as in `deltas`, in place
            change.add_(base[source].clamp(max=0))
            return torch.maximum(change, -base[source].clamp(min=0), out=change)
        result = rows(self._operand(node, dtype))
        return operation.change(base, {source: change}, result, self._caster(dtype))

    def _tiled(self, node: fx.Node, change: Tensor) -> Tensor:
        dtype = self.analysis.affected[node].dtype
        module: Any = self.analysis.affected[node].operation.module
        if node not in self._kernels:
            self._kernels[node] = kernel_at_points(self._caster(dtype)(module.weight))
        axes = tuple(Axis(int(length)) for length in self.analysis.shapes[node][2:])
        evaluations = tuple(
            torch.as_tensor(axis.evaluation(padding, cells), dtype=change.dtype)[None]
            for axis, padding, cells in zip(axes, module.padding, change.shape[2:], strict=True)
        )
        x = change.movedim(1, 3).contiguous()
        return convolved(x, self._kernels[node], axes, evaluations).movedim(3, 1)  # type: ignore

    def _finish(
        self, nodes: list[fx.Node], waiting: list[tuple[int, np.ndarray, Tensor]], total: Tensor
    ) -> None:
        """Carry pairs through what follows the maps, and enter them into the chain's end."""
        change = torch.cat([some for _, _, some in waiting])
        positions = torch.as_tensor(np.concatenate([positions for _, positions, _ in waiting]))
        images = torch.cat([torch.full((len(some),), image) for image, some, _ in waiting])
        for node in nodes:
            change = self._through(node, change, lambda value: value[images])
        total[positions, images] = change
