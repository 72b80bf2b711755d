"""Human maps of every kind, on what one network read of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.errors import RequestError, or_list
from aisthesis.human_maps.densities import read_densities
from aisthesis.human_maps.fixations import Fixations, fixations_of, on_photographs, read_fixations
from aisthesis.human_maps.frame import Frame, frames_of
from aisthesis.human_maps.images import SeenImages
from aisthesis.human_maps.seen import Seen, seen_by_fixations
from aisthesis.images import Transform
from aisthesis.judgments.files.folder import Folder

__all__ = ["KINDS", "HumanMaps", "human_maps"]

KINDS = ("auto", "fixations", "clicks", "densities", "masks")
_LISTS = ("fixations", "clicks")
_ARRAYS = (".npz", ".npy", ".mat")


@dataclass(frozen=True, eq=False)
class HumanMaps:
    """Where people looked or clicked, whatever file says it.

    Attributes
    ----------
    path : Path or None
        Folder or file of densities or masks; None for a list of fixations.
    kind : {"fixations", "clicks", "densities", "masks"}
    fixations : Fixations or None
        A list, of photographs that are known.
    blur_px : float or None
        SD of a fixation, in pixels of the photograph; None for a 30th of its longer side.
    """

    path: Path | None
    kind: str
    fixations: Fixations | None = None
    blur_px: float | None = None

    @property
    def said(self) -> tuple[str, ...]:
        """What was left out or understood, in words."""
        return () if self.fixations is None else self.fixations.said

    def seen(
        self,
        images: Sequence[str],
        transform: Transform,
        sizes_px: Mapping[str, tuple[float, float]],
    ) -> SeenImages:
        """What people looked at within what a network reads of each of some images.

        Raises
        ------
        RequestError
            As `read_densities`.
        """

        def frame_of(name: str) -> Frame:
            return frames_of(transform, [sizes_px[name]])[0]

        if self.fixations is None:
            if self.path is None:
                raise RequestError("expected fixations, or a folder or file of maps")
            return read_densities(self.path, images, frame_of, self.kind)
        table, (start_of, order) = self.fixations.table, self._by_image

        def of_image(k: int) -> Seen:
            name = images[k]
            own = table.iloc[order[slice(*start_of.get(name, (0, 0)))]]
            return seen_by_fixations(frame_of(name), own, self.blur_px)

        return SeenImages(of_image, map(of_image, range(len(images))))

    @cached_property
    def _by_image(self) -> tuple[dict[str, tuple[int, int]], NDArray[np.intp]]:
        """Where the rows of each image start and end among the rows in order of the images."""
        if self.fixations is None:
            return {}, np.empty(0, np.intp)
        codes, names = pd.factorize(self.fixations.table["image"])
        ends = np.cumsum([0, *np.bincount(codes)]).tolist()
        spans = dict(zip(map(str, names), pairwise(ends), strict=True))
        return spans, np.argsort(codes, kind="stable")


def human_maps(
    source: Path | pd.DataFrame,
    sizes_px: Mapping[str, tuple[float, float]],
    *,
    kind: str = "auto",
    columns: Mapping[str, str] | None = None,
    blur_px: float | None = None,
    folder: Folder | None = None,
) -> HumanMaps:
    """Find out what a file, folder or table holds of where people look.

    Parameters
    ----------
    source : Path or pandas.DataFrame
        A list of fixations or clicks (`read_fixations`), or a folder or `.npz` of densities
        (`read_densities`).
    sizes_px : mapping
        Width and height of every photograph of the study, upright.
    kind : str
        One of `KINDS`; "auto" takes a folder or `.npz` for densities and anything else for a list
        of fixations. Densities and masks are read when they are asked for.
    columns, folder
        As of `read_fixations`.
    blur_px : float, optional
        SD of a fixation in pixels of the photograph.

    Raises
    ------
    RequestError
        If there is no such file, or it is no such list; see `read_fixations`, `on_photographs`.
    """
    if kind not in KINDS:
        raise RequestError(f"expected a kind of human maps, {or_list(KINDS)}, got {kind!r}")
    if isinstance(source, pd.DataFrame):
        if kind not in ("auto", *_LISTS):
            raise RequestError(f"expected a folder or file of {kind}, got a table")
        found = kind if kind != "auto" else "fixations"
        listed = on_photographs(fixations_of(source), sizes_px)
        return HumanMaps(None, found, listed, blur_px)
    if not source.exists():
        raise RequestError(
            f"There is no file or folder {source}; give a list of fixations (image, x, y), or a "
            "folder of maps."
        )
    by_image = source.is_dir() or source.suffix.lower() in _ARRAYS
    found = kind if kind != "auto" else "densities" if by_image else "fixations"
    if found in _LISTS:
        if by_image:
            raise RequestError(
                f"expected a table of {found} (image, x, y), but {source} is a folder or holds "
                'arrays; say kind = "densities" or "masks" for maps'
            )
        listed = on_photographs(read_fixations(source, columns, folder), sizes_px)
        return HumanMaps(None, found, listed, blur_px)
    if not by_image:
        raise RequestError(
            f"expected a folder, or a .npz, with one of the {found} for each image, but {source} "
            'is a file of another kind; a list of fixations has kind = "fixations"'
        )
    return HumanMaps(source, found, None, blur_px)
