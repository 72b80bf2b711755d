"""What people looked at in many images: one image's at a time, and little of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aisthesis.human_maps.places import Places
from aisthesis.human_maps.seen import Seen

__all__ = ["SeenImages", "seen_images"]


class SeenImages:
    """What people looked at in each image, made when it is asked for; nothing is kept of it.

    Of all images together it keeps where people looked, as `Places` does, and how often.

    Parameters
    ----------
    again : callable
        Gives what people looked at in the image of a number.
    first : iterable of Seen
        The same of all images in turn; it is gone through once, at the start.

    Attributes
    ----------
    any_density, any_points, any_people : bool
        Whether of some image it is known where people looked; with single places; who did.
    n_fixations, n_outside : float
        Fixations within and outside of what the network read; NaN where none are known.
    """

    def __init__(self, again: Callable[[int], Seen], first: Iterable[Seen]) -> None:
        self._again = again
        self.any_density = self.any_points = self.any_people = listed = False
        within = outside = self._n = 0
        self._places = Places()
        for one in first:
            self.any_density |= one.density is not None
            self.any_points |= one.points is not None
            self.any_people |= bool(one.people)
            if one.n_outside is not None:
                listed = True
                within += 0 if one.points is None else len(one.points)
                outside += one.n_outside
            self._places.add(one)
            self._n += 1
        self._places.close()
        self.n_fixations, self.n_outside = (
            (float(within), float(outside)) if listed else (float("nan"), float("nan"))
        )

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Seen:
        if not 0 <= index < len(self):
            raise IndexError(f"expected an image from 0 to {len(self) - 1}, got {index}")
        return self._again(index)

    def __iter__(self) -> Iterator[Seen]:
        return map(self._again, range(len(self)))

    def drawn_elsewhere(
        self, index: int, most: int, rng: np.random.Generator
    ) -> NDArray[np.intp] | None:
        """Draw so many of the fixations on all other images; None, which is all, where as few."""
        start, end = self._places.span(index)
        n = len(self._places) - (end - start)
        return rng.choice(n, most, replace=False) if n > most else None

    def cells_elsewhere(
        self, seen: Seen, index: int, drawn: NDArray[np.intp] | None
    ) -> NDArray[np.intp]:
        """Cells of one image's frame in which people looked on the others, of those drawn.

        Places are taken relative to the sides of the photographs, as pysaliency does.
        """
        start, end = self._places.span(index)
        if drawn is None:
            drawn = np.arange(len(self._places) - (end - start))
        places = self._places.of(np.where(drawn < start, drawn, drawn + (end - start)))
        frame = seen.frame
        cells = frame.cells(places[:, 0] * frame.size_px[0], places[:, 1] * frame.size_px[1])
        return cells[cells >= 0]


def seen_images(seen: Sequence[Seen] | SeenImages) -> SeenImages:
    """Give what people looked at in images, all of which may be held, as `SeenImages`."""
    return seen if isinstance(seen, SeenImages) else SeenImages(seen.__getitem__, seen)
