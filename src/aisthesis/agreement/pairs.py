"""Agreement of every pair of backbones on every image, a few images at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray

from aisthesis.agreement.metrics import ORIGINAL_METRICS, Metric, metrics_named
from aisthesis.agreement.parallel import in_threads
from aisthesis.agreement.registration import register
from aisthesis.agreement.stack import MapStack
from aisthesis.errors import RequestError
from aisthesis.maps.aligned import aligned

__all__ = ["agree", "compare", "pair_table", "pair_values"]

Key = TypeVar("Key", bound=Hashable)

#: Pixels of one backbone's maps held at a time; on the CPU few enough for its cache.
PIXELS_AT_ONCE = {"cpu": 4 * 224 * 224, "other": 256 * 224 * 224}
#: Maps of one backbone held at a time by metrics that need no pixels.
SMALL_MAPS_AT_ONCE = 256
#: Values of all maps that are read at a time, where that is not fewer than four pieces of work.
VALUES_READ = 8 << 20


def pair_values(
    maps: Mapping[str, Any],
    metrics: Sequence[str] = ORIGINAL_METRICS,
    size_px: int = 224,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | str | None = None,
    boxes: Mapping[str, ArrayLike] | None = None,
) -> pd.DataFrame:
    """Compare the maps of every pair of backbones, image by image.

    Each map is upsampled to the pixel grid and z-scored; what a metric needs of one map (its
    pixels sorted, its windows' moments) is computed once, not once per pair. Images are taken a
    few at a time, so beyond the table itself memory does not grow with their number, also when
    `maps` are lazy arrays on disk.

    Parameters
    ----------
    maps
        (N, h, w) maps of the same N images by backbone: tensors, NumPy arrays or anything that
        has a shape and can be sliced; h and w may differ between backbones. At least two. Labelled
        maps (`xarray.DataArray`) are put in one order by their `image` coordinate.
    metrics
        Names out of `METRICS`; by default the four of the original description.
    size_px
        Side of the pixel grid.
    progress
        Called with (images done, N) after each step.
    device
        Where to compute; by default where the maps are.
    boxes
        (N, 4) by backbone: left, top, right, bottom of the part of each photograph that it saw, in
        the photograph's pixels, in the order of the maps. Each pair is compared over the part that
        both saw, place by place; without, all saw the same.

    Returns
    -------
    DataFrame
        Columns ``image`` (names where maps have them, else 0 to N - 1), ``metric``,
        ``backbone_a``, ``backbone_b``, ``value``, in this order of rows, metrics and backbones as
        they were given; NaN where undefined.

    Raises
    ------
    RequestError
        If a metric is unknown, fewer than two backbones are given, or their maps are not of the
        same images.
    """
    wanted = metrics_named(metrics)
    _require_two(maps)
    same = aligned(maps)
    pairs = list(combinations(same.arrays, 2))
    values = compare(same.arrays, pairs, metrics, size_px, progress, device, boxes)
    return pair_table(values, [one.name for one in wanted], pairs, same.images)


def compare(
    maps: Mapping[Key, Any],
    pairs: Sequence[tuple[Key, Key]],
    metrics: Sequence[str] = ORIGINAL_METRICS,
    size_px: int = 224,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | str | None = None,
    boxes: Mapping[Key, ArrayLike] | None = None,
) -> NDArray[np.float64]:
    """Compare chosen pairs of stacks, image by image, deriving what a metric needs of each once.

    Parameters
    ----------
    maps
        (N, h, w) maps of the same N images by any key: kind of map and backbone, say. Labelled
        ones are put in the order of the first of them.
    pairs
        The keys of the two stacks of each comparison.
    metrics, size_px, progress, device, boxes
        As in `pair_values`; boxes by the keys of `maps`.

    Returns
    -------
    ndarray
        (N, metrics, pairs) float64; NaN where undefined.

    Raises
    ------
    RequestError
        If a metric is unknown or the stacks are not of the same images.
    """
    wanted = metrics_named(metrics)
    maps = aligned(maps).arrays
    n_images = _common_length(maps)
    values = np.empty((n_images, len(wanted), len(pairs)))
    if not pairs:
        return values
    registered = register(maps, pairs, boxes, size_px)
    on_cpu = torch.device(device or _device_of(maps)).type == "cpu"
    at_once = _images_at_once(on_cpu, size_px, any(one.needs_pixels for one in wanted))
    for read in _chunks(n_images, _images_read(registered.maps, at_once)):
        stacks = {
            name: MapStack.of(one[read], size_px, device) for name, one in registered.maps.items()
        }

        def work(chunk: slice, stacks: dict[Any, MapStack] = stacks, read: slice = read) -> None:
            few = {name: one.take(chunk) for name, one in stacks.items()}
            place = slice(read.start + chunk.start, read.start + chunk.stop)
            values[place] = _values_of_chunk(few, wanted, registered.pairs)

        chunks = _chunks(read.stop - read.start, at_once)
        for chunk in in_threads(work, chunks) if on_cpu else _in_turn(work, chunks):
            if progress is not None:
                progress(read.start + chunk.stop, n_images)
    return values


def agree(
    maps_a: Any,
    maps_b: Any,
    metrics: Sequence[str] = ("cosine",),
    size_px: int = 224,
) -> pd.DataFrame:
    """Compare two stacks of maps of the same images.

    Parameters
    ----------
    maps_a, maps_b
        (N, h, w) maps, tensors or arrays; h and w may differ between the two. Two
        `xarray.DataArray` are compared image by image by their `image` coordinates, in whatever
        order these and the dimensions come.
    metrics
        Names out of `METRICS`.
    size_px
        Side of the pixel grid on which they are z-scored and compared.

    Returns
    -------
    DataFrame
        One row per image, in the order of `maps_a`; ``image`` (its name, or 0 to N - 1 where no
        map has one) and a column per metric.

    Raises
    ------
    RequestError
        If the maps are not of the same images, or one names an image twice.

    Examples
    --------
    >>> import numpy as np
    >>> import aisthesis as ais
    >>> one, other = np.random.default_rng(0).normal(size=(2, 3, 7, 7))
    >>> ais.agree(one, other, metrics=["cosine", "mse"]).round(2)
       image  cosine   mse
    0      0    0.21  1.58
    1      1    0.03  1.93
    2      2   -0.25  2.50
    """
    table = pair_values({"a": maps_a, "b": maps_b}, metrics, size_px)
    names = [one.name for one in metrics_named(metrics)]
    columns = {name: table.loc[table["metric"] == name, "value"].to_numpy() for name in names}
    return pd.DataFrame({"image": table["image"].unique(), **columns})


def _images_at_once(on_cpu: bool, size_px: int, needs_pixels: bool) -> int:
    if not isinstance(size_px, int) or size_px < 1:
        raise RequestError(f"expected size_px as a positive whole number, got {size_px!r}")
    if not needs_pixels:
        return SMALL_MAPS_AT_ONCE
    return max(1, PIXELS_AT_ONCE["cpu" if on_cpu else "other"] // size_px**2)


def _images_read(maps: Mapping[Any, Any], at_once: int) -> int:
    """Images whose maps are read and standardised together: several pieces of work at least."""
    values = sum(int(np.prod(one.shape[-2:])) for one in maps.values())
    return max(4 * at_once, min(SMALL_MAPS_AT_ONCE, VALUES_READ // max(1, values)))


def _chunks(n_images: int, at_once: int) -> list[slice]:
    starts = range(0, n_images, at_once)
    return [slice(start, min(start + at_once, n_images)) for start in starts]


def _in_turn(work: Callable[[slice], None], chunks: Sequence[slice]) -> Iterator[slice]:
    for chunk in chunks:
        work(chunk)
        yield chunk


def _values_of_chunk(
    stacks: Mapping[Key, MapStack],
    metrics: Sequence[Metric],
    pairs: Sequence[tuple[Key, Key]],
) -> NDArray[np.float64]:
    """(images, metrics, pairs) values of a few images."""
    rows = [
        torch.stack([one(stacks[a], stacks[b]) for a, b in pairs], dim=1)  # (images, pairs)
        for one in metrics
    ]
    result: NDArray[np.float64] = torch.stack(rows, dim=1).cpu().numpy()
    return result


def pair_table(
    values: NDArray[np.float64],
    metrics: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    images: Any = None,
) -> pd.DataFrame:
    """Put (N, metrics, pairs) values into the long table of `pair_values`.

    `images` are the names for the column of that name; 0 to N - 1 without.
    """
    called = np.arange(len(values)) if images is None else np.asarray(images)
    image, one, pair = (axis.ravel() for axis in np.indices(values.shape, dtype=np.int32))
    first, second = ([names[side] for names in pairs] for side in (0, 1))
    backbones = list(dict.fromkeys([*first, *second]))
    place = {name: position for position, name in enumerate(backbones)}
    codes_a, codes_b = (
        np.array([place[name] for name in side], dtype=np.intp) for side in (first, second)
    )
    return pd.DataFrame(
        {
            "image": called[image],
            "metric": np.array(metrics, dtype=object)[one],
            "backbone_a": np.array(backbones, dtype=object)[codes_a[pair]],
            "backbone_b": np.array(backbones, dtype=object)[codes_b[pair]],
            "value": values.ravel(),
        }
    )


def _require_two(maps: Mapping[str, Any]) -> None:
    if len(maps) < 2:
        raise RequestError(
            f"expected maps of at least two backbones to compare, got {len(maps)}; "
            "explain another backbone"
        )


def _common_length(maps: Mapping[Key, Any]) -> int:
    lengths = {name: int(one.shape[0]) for name, one in maps.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise RequestError(
            f"expected maps of the same images for every backbone, got {said}; "
            "explain the same images with each"
        )
    return next(iter(lengths.values()), 0)


def _device_of(maps: Mapping[Key, Any]) -> torch.device:
    one = next(iter(maps.values()))
    return one.device if isinstance(one, torch.Tensor) else torch.device("cpu")
