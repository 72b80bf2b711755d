"""Operations where places first meet that need no run for each place: global pools and blocks.

Both are linear, so a window's effect is the sum of its places' effects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.places.owners import Placed
from aisthesis.ablation.sums import summed_axes

__all__ = ["PlaceSum", "place_sums", "window_sums"]

Cast = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class PlaceSum:
    """A linear operation, reached by changes that keep places apart.

    Attributes
    ----------
    node, source
        The operation and what it reads.
    kind : {"pool", "block"}
        A mean or sum over all places, or a linear layer in which each place has its own columns.
    module
        The linear layer.
    labels
        Of the source's entries, see `Placed`.
    dims : tuple of int
        Axes summed over.
    scale : float
        Of the sums: 1 / the number of entries for a mean.
    shape : Size
        Of the result.
    """

    node: fx.Node
    source: fx.Node
    kind: str
    module: Any
    labels: torch.Tensor
    dims: tuple[int, ...]
    scale: float
    shape: torch.Size

    def by_place(self, change: torch.Tensor, count: int, cast: Cast) -> torch.Tensor:
        """Change of the result by each place alone, (h·w, N, ...).

        Parameters
        ----------
        change
            Of the source, with all places removed.
        count
            Number of places.
        cast
            Brings weights to the precision of the computation.
        """
        return (self._pooled if self.kind == "pool" else self._blocks)(change, count, cast)

    def _pooled(self, change: torch.Tensor, count: int, _cast: Cast) -> torch.Tensor:
        spread = [axis for axis in self.dims if self.labels.shape[axis] > 1]
        rest = [axis for axis in self.dims if axis not in spread]
        own = change.sum(rest, keepdim=True) if rest else change
        own = own.movedim(spread, list(range(len(spread)))).flatten(0, len(spread) - 1)
        index = self.labels.flatten().to(change.device, torch.int64)
        sums = own.new_zeros(count + 1, *own.shape[1:]).index_add_(0, index, own)
        return (sums[1:] * self.scale).reshape(count, *self.shape)

    def _blocks(self, change: torch.Tensor, count: int, cast: Cast) -> torch.Tensor:
        order, sizes = _entries(self.labels, count)
        index = torch.as_tensor(order, device=change.device)
        own = change.index_select(1, index).unflatten(1, (count, sizes)).transpose(0, 1)
        weight = cast(self.module.weight).index_select(1, index).unflatten(1, (count, sizes))
        return torch.bmm(own, weight.permute(1, 2, 0))  # (P, N, m) @ (P, m, O)


def place_sums(analysis: Analysis, count: int) -> dict[fx.Node, PlaceSum]:
    """Those of the mixing operations that can be done so."""
    found = {}
    for node in analysis.mixing:
        affected = [n for n in node.all_input_nodes if analysis.states[n] is not None]
        if len(affected) != 1 or len(node.all_input_nodes) != 1:
            continue
        state = analysis.states[affected[0]]
        if isinstance(state, Placed):
            way = _pool(node, analysis, state) or _block(node, analysis, state, count)
            if way is not None:
                found[node] = way
    return found


def _pool(node: fx.Node, analysis: Analysis, state: Placed) -> PlaceSum | None:
    """A mean or a sum over every axis along which places differ."""
    summed = summed_axes(node, analysis)
    if summed is None:
        return None
    labels = _along(state.labels, summed[0])
    if labels is None or labels.numel() == 1:
        return None
    source, shape = node.all_input_nodes[0], analysis.shapes[node]
    return PlaceSum(node, source, "pool", None, labels, summed[0], summed[1], shape)


def _along(labels: torch.Tensor, dims: tuple[int, ...]) -> torch.Tensor | None:
    """Labels that differ along some axes only; None where they have other places elsewhere.

    Entries of no place may lie beside those of a place (channels that another branch has given):
    they do not change, so they count as of any.
    """
    others = [axis for axis in range(labels.ndim) if axis not in dims]
    own = labels.amax(others, keepdim=True) if others else labels
    return own if bool(((labels == own) | (labels == 0)).all()) else None


def _block(node: fx.Node, analysis: Analysis, state: Placed, count: int) -> PlaceSum | None:
    """A linear layer after a flattening: the same number of columns for every place."""
    operation = analysis.affected[node].operation
    labels = state.labels
    if operation.name != "linear" or operation.module is None:
        return None
    if labels.ndim != 2 or labels.shape[0] != 1 or _entries(labels, count)[1] == 0:
        return None
    source, shape = node.all_input_nodes[0], analysis.shapes[node]
    return PlaceSum(node, source, "block", operation.module, labels, (1,), 1.0, shape)


def _entries(labels: torch.Tensor, count: int) -> tuple[np.ndarray, int]:
    """Entries in order of their places, and how many each has; 0 if that differs."""
    flat = labels.flatten().cpu().numpy()
    owned = np.flatnonzero(flat > 0)
    counts = np.bincount(flat[owned] - 1, minlength=count)
    if counts.min() == 0 or counts.min() != counts.max():
        return owned, 0
    return owned[np.argsort(flat[owned], kind="stable")], int(counts[0])


def window_sums(
    each: torch.Tensor, shape: tuple[int, int], side: int, chosen: np.ndarray
) -> torch.Tensor:
    """Sums (P, ...) over the windows around some places.

    Entries are added, never subtracted, so that no digits are lost.

    Parameters
    ----------
    each : (h·w, ...)
        One value for each place.
    shape : (h, w)
        Of the grid.
    side
        Of the windows, which are cut off at the edges.
    chosen : (P,) int
        Numbers of the places.
    """
    height, width = shape
    places = torch.as_tensor(chosen, device=each.device)
    if side == 1:
        return each[places]
    row, column = places // width, places % width
    total = each.new_zeros(len(chosen), *each.shape[1:])
    reach = side // 2
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            y, x = row + down, column + right
            inside = ((y >= 0) & (y < height) & (x >= 0) & (x < width)).nonzero()[:, 0]
            total.index_add_(0, inside, each[(y * width + x)[inside]])
    return total
