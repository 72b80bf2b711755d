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
from torch import fx, nn

from aisthesis.importance.analysis import Analysis
from aisthesis.importance.owners import Owned

__all__ = ["Expansion", "expansions"]

_CONVOLUTIONS = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}
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
    name: str, module: nn.Module, state: Owned, rank: int, entries: np.ndarray | None
) -> str | None:
    if entries is None:
        return None
    single = entries.shape[1] == 1
    if name == "linear" and state.axis == rank - 1 and (single or rank == 2):
        return "column" if single else "block"
    if name in _CONVOLUTIONS and state.axis == 1 and rank == int(name[-2]) + 2 and single:
        plain = module.groups == 1 and module.padding_mode == "zeros"
        return "plane" if plain else None
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
    own = _select(change, 1, entries)  # (N, P, ...)
    planes = _select(cast(module.weight), 1, entries).transpose(0, 1)  # (P, O, ...)
    convolve = _CONVOLUTIONS[f"conv{own.ndim - 2}d"]
    count = len(entries)
    result = convolve(
        own, planes.flatten(0, 1).unsqueeze(1), None,
        module.stride, module.padding, module.dilation, count,
    )  # fmt: skip
    return result.unflatten(1, (count, -1)).transpose(0, 1)


_EXPANDERS = {"column": _column, "block": _block, "plane": _plane}
