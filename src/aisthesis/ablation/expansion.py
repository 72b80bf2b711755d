"""The first operation that mixes channels, for single channels, without one run per channel.

On an input whose entries belong to single channels, a linear operation needs the removed
channel's own entries only: one column or one block of columns of the weight of a linear layer,
one input plane of a convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.owners import Owned

__all__ = ["Expansion", "expansions"]

Cast = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Expansion:
    """A linear operation reached by channel-wise changes; `entries[c]` are those of channel c."""

    node: fx.Node
    source: fx.Node
    kind: str  # "column", "block" or "plane"
    module: Any
    entries: np.ndarray  # (C, m)

    def changes(self, change: torch.Tensor, first: int, last: int, cast: Cast) -> torch.Tensor:
        """Change of the result for each of the channels `first` to `last` - 1, (P, N, ...)."""
        entries = self.entries[first:last]
        return _EXPANDERS[self.kind](self.module, change, entries, cast)


def expansions(analysis: Analysis) -> dict[fx.Node, Expansion]:
    """Those of the mixing operations that can be done so."""
    found = {}
    for node in analysis.mixing:
        affected = [n for n in node.all_input_nodes if analysis.states[n] is not None]
        operation = analysis.affected[node].operation
        state = analysis.states[affected[0]]
        if len(affected) != 1 or operation.module is None or not isinstance(state, Owned):
            continue
        rank = len(analysis.shapes[affected[0]])
        entries = _entries(state.owner, analysis.channels)
        kind = _kind(operation.name, operation.module, state, rank, entries)
        if kind is not None and entries is not None:
            found[node] = Expansion(node, affected[0], kind, operation.module, entries)
    return found


def _kind(
    name: str, module: Any, state: Owned, rank: int, entries: np.ndarray | None
) -> str | None:
    if entries is None:
        return None
    single = entries.shape[1] == 1
    if name == "linear" and state.axis == rank - 1 and (single or rank == 2):
        return "column" if single else "block"
    if name == "conv2d" and state.axis == 1 and rank == 4 and single:
        plain = module.groups == 1 and module.padding_mode == "zeros"
        return "plane" if plain and not isinstance(module.padding, str) else None
    return None


def _entries(owner: np.ndarray, channels: int) -> np.ndarray | None:
    """Entries of each channel (C, m); None unless every channel has the same number."""
    owned = np.flatnonzero(owner >= 0)
    counts = np.bincount(owner[owned], minlength=channels)
    if counts.min() == 0 or counts.min() != counts.max():
        return None
    return owned[np.argsort(owner[owned], kind="stable")].reshape(channels, -1)


def _select(tensor: torch.Tensor, axis: int, entries: np.ndarray) -> torch.Tensor:
    """Entries of one axis, as a view where they follow each other."""
    flat = entries.reshape(-1)
    if np.array_equal(flat, np.arange(flat[0], flat[0] + len(flat))):
        return tensor.narrow(axis, int(flat[0]), len(flat))
    return tensor.index_select(axis, torch.as_tensor(flat, device=tensor.device))


def _column(module: Any, change: torch.Tensor, entries: np.ndarray, cast: Cast) -> torch.Tensor:
    own = _select(change, change.ndim - 1, entries).movedim(-1, 0)  # (P, N, ...)
    columns = _select(cast(module.weight), 1, entries).t()  # (P, O)
    return own.unsqueeze(-1) * columns.reshape(len(entries), *[1] * (own.ndim - 1), -1)


def _block(module: Any, change: torch.Tensor, entries: np.ndarray, cast: Cast) -> torch.Tensor:
    own = _select(change, 1, entries).unflatten(1, entries.shape).transpose(0, 1)  # (P, N, m)
    blocks = _select(cast(module.weight), 1, entries).unflatten(1, entries.shape)  # (O, P, m)
    return torch.bmm(own, blocks.permute(1, 2, 0))


def _plane(module: Any, change: torch.Tensor, entries: np.ndarray, cast: Cast) -> torch.Tensor:
    own = _select(change, 1, entries)  # (N, P, h, w)
    images, count, *size = own.shape
    kernel, stride = module.kernel_size, module.stride
    padding, dilation = module.padding, module.dilation
    patches = F.unfold(own.reshape(-1, 1, *size), kernel, dilation, padding, stride)
    patches = patches.unflatten(0, (images, count)).transpose(0, 1)  # (P, N, k, positions)
    planes = _select(cast(module.weight), 1, entries).transpose(0, 1).flatten(2)  # (P, O, k)
    result = planes.unsqueeze(1) @ patches  # (P, N, O, positions)
    height, width = (
        (size[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in range(2)
    )
    return result.unflatten(3, (height, width))


_EXPANDERS = {"column": _column, "block": _block, "plane": _plane}
