"""Run tiles of masked images, computing again only the windows that a square reaches."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from aisthesis.explainers.occlusion.layout import Layout, Tile, Window
from aisthesis.explainers.occlusion.local import LocalNetwork, Step, pad_for, run_from

__all__ = ["Intact", "intact_values", "masked_images", "run_tile"]

Windows = tuple[Window, Window]  # rows, columns


@dataclass(frozen=True)
class Intact:
    """Values of the unmasked image: as they are, and padded for those who read them."""

    values: dict[fx.Node, Tensor]  # each (1, C, H, W)
    padded: dict[tuple[fx.Node, fx.Node], Tensor]  # by (reader, source)


def intact_values(network: LocalNetwork, image: Tensor, cuts: Collection[int]) -> Intact:
    """Run the local calls on one image (1, 3, H, W) and keep what its windows are cut from.

    Parameters
    ----------
    network
        The network and its local part.
    image
        (1, 3, H, W).
    cuts
        So many calls compute windows only, one number for each size of squares: at each of them
        windows are pasted into whole values, which are kept.
    """
    cut = max(cuts)
    values: dict[fx.Node, Tensor] = {}
    padded: dict[tuple[fx.Node, fx.Node], Tensor] = {}
    kept = {network.steps[0].node}
    for each in cuts:
        kept.update(network.values_needed_from(each))
    readers: dict[fx.Node, int] = {}
    for number, step in enumerate(network.steps[:cut]):
        readers.update(dict.fromkeys(step.sources, number))
        if step.kind == "joining":
            kept.update(step.sources)
    for number, step in enumerate(network.steps[:cut]):
        if step.kind == "input":
            values[step.node] = image
            continue
        read = [pad_for(step, values[source]) for source in step.sources]
        if step.kind == "sliding":
            padded[step.node, step.sources[0]] = read[0]
        values[step.node] = step.apply(*read)
        for source in step.sources:
            if readers[source] == number and source not in kept:
                values.pop(source, None)
    return Intact(values, padded)


def run_tile(
    network: LocalNetwork, layout: Layout, tile: Tile, intact: Intact, fill: Tensor
) -> Tensor:
    """Predictions of a tile's masked images.

    Parameters
    ----------
    network, layout, tile
        What to run.
    intact
        Of the image, up to the layout's cut.
    fill : (C,)
        Colour of the squares, in the network's normalised units.

    Returns
    -------
    (P,) or (P, K)
        One row a position, columns of the grid varying fastest.
    """
    changed: dict[fx.Node, Tensor] = {}  # (rows, columns, C, h, w)
    placed: dict[fx.Node, Windows] = {}
    for step in network.steps[: layout.cut]:
        windows = layout.windows(step, tile)
        placed[step.node] = windows
        if step.kind == "input":
            changed[step.node] = _masked(layout, step, tile, windows, intact, fill)
            continue
        read = [_read(step, source, windows, changed, placed, intact) for source in step.sources]
        grid = read[0].shape[:2]
        result = step.apply(*(one.flatten(0, 1) for one in read))
        changed[step.node] = result.unflatten(0, grid)
    whole = {
        node: _pasted(intact.values[node], changed[node], placed[node])
        for node in network.values_needed_from(layout.cut)
    }
    return run_from(network, layout.cut, whole)


def masked_images(image: Tensor, layout: Layout, tile: Tile, fill: Tensor) -> Tensor:
    """Whole masked images (P, C, H, W) of a tile."""
    rows, columns = layout.squares
    masked = image.repeat(tile.size, 1, 1, 1).unflatten(0, (len(tile.rows), len(tile.columns)))
    colour = fill[:, None, None]
    for i, row in enumerate(tile.rows):
        for j, column in enumerate(tile.columns):
            high = slice(int(rows.start[row]), int(rows.stop[row]))
            wide = slice(int(columns.start[column]), int(columns.stop[column]))
            masked[i, j, :, high, wide] = colour
    return masked.flatten(0, 1)


def _masked(
    layout: Layout, step: Step, tile: Tile, windows: Windows, intact: Intact, fill: Tensor
) -> Tensor:
    """Windows of the image with the square in them; the square may be cut off at an edge."""
    image = _cut(intact.values[step.node], windows[0].start, windows[1].start, windows)
    inside = []
    for spans, chosen, window in (
        (layout.rows[step.node], tile.rows, windows[0]),
        (layout.columns[step.node], tile.columns, windows[1]),
    ):
        cells = window.start[:, None] + np.arange(window.length)
        covered = (cells >= spans.start[chosen, None]) & (cells < spans.stop[chosen, None])
        inside.append(torch.from_numpy(covered).to(image.device))
    square = inside[0][:, None, None, :, None] & inside[1][None, :, None, None, :]
    return torch.where(square, fill[:, None, None], image)


def _cut(
    value: Tensor, top: NDArray[np.int64], left: NDArray[np.int64], windows: Windows | tuple
) -> Tensor:
    """Windows (rows, columns, C, h, w) of one value (1, C, H, W)."""
    height, width = (w.length if isinstance(w, Window) else int(w) for w in windows)
    every = value[0].unfold(1, height, 1).unfold(2, width, 1)  # a view: (C, rows, columns, h, w)
    y, x = (torch.from_numpy(np.ascontiguousarray(s)).to(value.device) for s in (top, left))
    return every.movedim(0, 2)[y[:, None], x[None, :]]


def _read(
    step: Step,
    source: fx.Node,
    windows: Windows,
    changed: dict[fx.Node, Tensor],
    placed: dict[fx.Node, Windows],
    intact: Intact,
) -> Tensor:
    """What a step reads of a source to compute its windows."""
    own, held = changed[source], placed[source]
    if step.axes is None and all(
        a.length == b.length and np.array_equal(a.start, b.start)
        for a, b in zip(windows, held, strict=True)
    ):
        return own
    if step.axes is None:
        value, offsets, sizes = intact.values[source], (0, 0), [w.length for w in windows]
        starts = [w.start for w in windows]
    else:
        value = intact.padded[step.node, source]
        offsets = (step.axes[0].padding, step.axes[1].padding)
        sizes = [a.cells_read(w.length) for a, w in zip(step.axes, windows, strict=True)]
        starts = [w.start * a.stride for a, w in zip(step.axes, windows, strict=True)]
    patch = _cut(value, starts[0], starts[1], tuple(sizes))
    shifts = [
        held_axis.start + offset - start
        for held_axis, offset, start in zip(held, offsets, starts, strict=True)
    ]
    _paste(patch, own, shifts[0], shifts[1])
    return patch


def _paste(patch: Tensor, own: Tensor, down: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Write windows into patches, each shifted by so much; what lies outside is left out.

    Few shifts differ within a tile, so those that are equal are written together.
    """
    for dy in np.unique(down):
        rows = torch.from_numpy(np.flatnonzero(down == dy)).to(patch.device)[:, None]
        to_y, from_y = _overlap(int(dy), own.shape[3], patch.shape[3])
        for dx in np.unique(right):
            columns = torch.from_numpy(np.flatnonzero(right == dx)).to(patch.device)[None, :]
            to_x, from_x = _overlap(int(dx), own.shape[4], patch.shape[4])
            patch[rows, columns, :, to_y, to_x] = own[rows, columns, :, from_y, from_x]


def _overlap(shift: int, own: int, patch: int) -> tuple[slice, slice]:
    """Where a window lies in its patch, and which part of the window that is."""
    start, stop = max(shift, 0), max(min(shift + own, patch), max(shift, 0))
    return slice(start, stop), slice(start - shift, stop - shift)


def _pasted(value: Tensor, own: Tensor, held: Windows) -> Tensor:
    """Whole values (P, C, H, W) with the windows in them."""
    rows, columns = own.shape[:2]
    whole = value[0].expand(rows, columns, *value.shape[1:]).clone()
    _paste(whole, own, held[0].start, held[1].start)
    return whole.flatten(0, 1)
