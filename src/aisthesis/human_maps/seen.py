"""What people looked at in one image, on the grid that a network read of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from aisthesis.human_maps.frame import Frame

__all__ = ["LeftOut", "Seen", "seen_by_density", "seen_by_fixations", "seen_by_mask"]

Map = NDArray[np.float64]
Points = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class LeftOut:
    """One person's fixations, and the density of everybody else's."""

    points: Points
    density: Map
    others: Map


@dataclass(frozen=True, eq=False)
class Seen:
    """What people looked at within what a network read of one photograph.

    Attributes
    ----------
    frame : Frame
        The grid.
    density : array, shape of the frame, or None
        Where people looked, summing to one; None where they did not look into the frame.
    points : array, shape (P,), or None
        Cells of the fixations, or of the mask; None where only a density is known.
    places : array, shape (F, 2)
        Horizontal and vertical place of all fixations on the photograph, in its sides.
    people : tuple of LeftOut
        Each person who looked into the frame against all others who did.
    n_outside : int or None
        Fixations on the photograph that lie outside the frame; None where no fixations are known.
    """

    frame: Frame
    density: Map | None = None
    points: Points | None = None
    places: Map = field(default_factory=lambda: np.empty((0, 2)))
    people: tuple[LeftOut, ...] = ()
    n_outside: int | None = None


def seen_by_fixations(frame: Frame, fixations: pd.DataFrame, blur_px: float | None = None) -> Seen:
    """Give one image's fixations, in pixels of the photograph, on what a network read of it.

    Parameters
    ----------
    frame : Frame
        What was read.
    fixations : pandas.DataFrame
        `x`, `y` and, where it is known who looked, `subject`; fixations beside the photograph are
        left out.
    blur_px : float, optional
        As of `Frame.density`.
    """
    width, height = frame.size_px
    on = fixations["x"].between(0, width, inclusive="left")
    on &= fixations["y"].between(0, height, inclusive="left")
    own = fixations[on]
    x, y = own["x"].to_numpy(np.float64), own["y"].to_numpy(np.float64)
    cells = frame.cells(x, y)
    inside = cells >= 0
    places = np.stack([x / width, y / height], axis=1)
    n_outside = int((~inside).sum())
    if not inside.any():
        return Seen(frame, None, cells[inside], places, (), n_outside)
    people: list[LeftOut] = []
    if "subject" in own:
        who = own["subject"].to_numpy()
        # Who did not look into the frame says nothing about it.
        names = list(dict.fromkeys(who[inside]))
        there = np.isin(who, names)
        for name in names if len(names) > 1 else ():
            one = who == name
            rest = there & ~one
            people.append(
                LeftOut(
                    cells[one & inside],
                    frame.density(x[one], y[one], blur_px),
                    frame.density(x[rest], y[rest], blur_px),
                )
            )
    return Seen(
        frame, frame.density(x, y, blur_px), cells[inside], places, tuple(people), n_outside
    )


def seen_by_density(frame: Frame, density: ArrayLike | None) -> Seen:
    """Give a density over the frame's window; None, or one that is zero there, is not seen."""
    if density is None:
        return Seen(frame)
    values = np.asarray(density, dtype=np.float64)
    total = values.sum()
    return Seen(frame, values / total if total > 0 else None)


def seen_by_mask(frame: Frame, mask: ArrayLike | None) -> Seen:
    """Give a mask over the frame's window as fixations, one in each of its cells."""
    if mask is None:
        return Seen(frame)
    inside = np.asarray(mask, dtype=bool)
    points = np.flatnonzero(inside)
    x, y = frame.centres(points)
    places = np.stack([x / frame.size_px[0], y / frame.size_px[1]], axis=1)
    density = inside / points.size if points.size else None
    return Seen(frame, density, points, places)
