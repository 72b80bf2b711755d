"""Maps of where people look or click, drawn or computed by others: an array or picture an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.human_maps.frame import Frame
from aisthesis.human_maps.images import SeenImages
from aisthesis.human_maps.seen import Seen, seen_by_density, seen_by_mask
from aisthesis.images import ImageFault, decode_grey
from aisthesis.judgments.files.array_files import load_arrays

__all__ = ["read_densities"]

_ENDINGS = (".npy", ".png", ".tif", ".tiff", ".jpg", ".jpeg")
#: How far a map's sides may be from the photograph's shape, in its own pixels.
_ROUNDED_PX = 1.0


def read_densities(
    path: Path, images: Sequence[str], frame_of: Callable[[str], Frame], kind: str
) -> SeenImages:
    """Read maps of whole photographs and take from each what a network read of it.

    All are read once at the start; those in a folder are read again when they are asked for, and
    a file of arrays is held as a whole.

    Parameters
    ----------
    path : Path
        A folder with a grey picture or `.npy` for each image, named as it is, or a `.npz` with an
        array for each. A map covers its whole photograph, at any resolution.
    images : sequence of str
        Names of the images.
    frame_of : callable
        What the network read of an image, by its name.
    kind : {"densities", "masks"}
        Masks hold where their value is above half of their largest possible (pictures) or above
        zero (truth values, 0 and 1).

    Returns
    -------
    SeenImages
        Nothing is seen of an image without a map.

    Raises
    ------
    RequestError
        If there is no map of any image, one cannot be read, holds negative or undefined values or
        nothing but zeros, is a colour picture, or has another shape than its photograph.
    """
    held = _held(path, images)
    if not any(source is not None for source in held.values()):
        raise RequestError(
            f"expected a map for each image in {path}, but none is named as one of the "
            f"{len(images)} images ({', '.join(images[:3])}{', ...' if len(images) > 3 else ''})"
        )
    faults: list[str] = []

    def of_image(k: int) -> Seen:
        name = images[k]
        return _seen(held[name], name, frame_of(name), kind)

    def or_fault(k: int) -> Seen:
        try:
            return of_image(k)
        except _UnfitError as fault:
            faults.append(str(fault))
            return Seen(frame_of(images[k]))

    seen = SeenImages(of_image, map(or_fault, range(len(images))))
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise RequestError(
            f"{len(faults)} of {len(images)} maps in {path} cannot be used: "
            f"{'; '.join(faults[:3])}{more}"
        )
    return seen


class _UnfitError(RequestError):
    """A map that cannot be used, and why."""


def _seen(source: Any, name: str, frame: Frame, kind: str) -> Seen:
    """What people looked at in one image, by its map."""
    if source is None:
        return Seen(frame)
    values = _values(source, name)
    reason = _why_unfit(values, frame, kind)
    if reason is not None:
        raise _UnfitError(f"{source.name if isinstance(source, Path) else name} {reason}")
    if kind == "masks":
        return seen_by_mask(frame, frame.resampled(values > _half(values)) > 0.5)
    return seen_by_density(frame, frame.resampled(values))


def _held(path: Path, images: Sequence[str]) -> dict[str, Any]:
    """Where each image's map is: a file, or an array; None where there is none."""
    if path.is_dir():
        return {name: _file(path, name) for name in images}
    arrays = load_arrays(path)
    if "" in arrays:
        raise RequestError(
            f"{path.name} holds one array without names of images; give a .npz with an array for "
            "each image, named as it is, or a folder with a file for each"
        )
    stems = {Path(name).with_suffix("").as_posix(): array for name, array in arrays.items()}
    return {
        name: arrays.get(name, stems.get(Path(name).with_suffix("").as_posix())) for name in images
    }


def _file(folder: Path, image: str) -> Path | None:
    named = folder / image
    found = [named] if named.suffix.lower() in _ENDINGS else []
    found += [named.with_suffix(ending) for ending in _ENDINGS]
    # The map of photo.jpg may be called photo.jpg.npy.
    found += [named.with_name(named.name + ending) for ending in _ENDINGS]
    return next((path for path in found if path.is_file()), None)


def _values(source: Any, name: str) -> NDArray[np.float64]:
    if not isinstance(source, Path):
        array = np.asarray(source)
    elif source.suffix.lower() == ".npy":
        array = next(iter(load_arrays(source).values()))
    else:
        try:
            return decode_grey(source)
        except ImageFault as fault:
            raise RequestError(f"The map {source} cannot be read: it {fault.reason}.") from None
    array = np.squeeze(array)
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise RequestError(
            f"the map of {name} should be an array (rows, columns) of numbers, got {array.dtype} "
            f"of shape {array.shape}"
        )
    return array.astype(np.float64)


def _why_unfit(values: NDArray[np.float64], frame: Frame, kind: str) -> str | None:
    height, width = values.shape
    if not np.isfinite(values).all():
        return "holds values that are not finite"
    if (values < 0).any():
        return "holds values below zero; a density has none"
    if kind != "masks" and not (values > 0).any():
        return "is zero everywhere"
    wide, high = frame.size_px
    if min(abs(width * high / wide - height), abs(height * wide / high - width)) > _ROUNDED_PX:
        return (
            f"is {width} x {height}, another shape than its photograph of {wide:g} x {high:g} px; "
            "give maps of whole photographs"
        )
    return None


def _half(values: NDArray[np.float64]) -> float:
    """What a mask's values must be above: half of 255, or of 1."""
    return 127.5 if values.max() > 1 else 0.5
