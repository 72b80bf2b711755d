"""One map looked at: over its photograph, on a scale whose middle is zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

from aisthesis.errors import AisthesisError, RequestError
from aisthesis.images.read import photograph_of
from aisthesis.maps.colour import signed_rgba, stated_limit
from aisthesis.names.explainers import BY_CHANNEL, BY_PLACE
from aisthesis.report.folder.stored_maps import CropBox
from aisthesis.report.pictures.overlays import OPACITY, lay_over

__all__ = ["box_of", "overlay", "show", "units_of"]

_EDGES = ("crop_left", "crop_top", "crop_right", "crop_bottom", "width_px", "height_px")


def overlay(
    map: Any, photograph: Any = None, *, limit: float | None = None, side_px: int = 512
) -> Image.Image:
    """Lay one map over its photograph: red above zero, blue below, zero lets it show through.

    Parameters
    ----------
    map : xarray.DataArray or array, (y, x)
        One image's map, as ``study.maps["vgg16"].sel(image="r23.jpg")``. What the network saw of
        the photograph is taken from its coordinates; an array covers the whole photograph.
    photograph : path, PIL.Image.Image or array (H, W, 3) of uint8, optional
        Upright; none for the map alone, on white.
    limit : float, optional
        Magnitude that gets the strongest colour, in the map's unit. Default: the map's largest,
        rounded up to two digits.
    side_px : int
        Longer side of the picture.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Raises
    ------
    RequestError
        If the map is not one image's, or not finite, or the photograph cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> import aisthesis as ais
    >>> ais.overlay(np.array([[-1.0, 0.0], [0.0, 2.0]]), side_px=64).size
    (64, 64)
    """
    values = _one_map(map)
    limit = _limit(values, limit)
    image = None if photograph is None else photograph_of(photograph)
    return lay_over(image, values, box_of(map, image), side_px, limit=limit)


def show(
    map: Any,
    photograph: Any = None,
    ax: Any = None,
    *,
    limit: float | None = None,
    colour_bar: bool = True,
    title: str | None = None,
) -> Any:
    """Draw one map over its photograph into matplotlib axes, with a colour bar around zero.

    Parameters
    ----------
    map, photograph, limit
        As in `overlay`.
    ax : matplotlib.axes.Axes, optional
        Where to; new ones by default. Their units are the photograph's pixels.
    colour_bar : bool
        Whether a bar with the map's unit stands beside it.
    title : str, optional
        The image's name by default, where the map says it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    RequestError
        As in `overlay`.
    AisthesisError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib; matplotlib.use("agg")
    >>> import numpy as np
    >>> import aisthesis as ais
    >>> ax = ais.show(np.array([[-1.0, 0.0], [0.0, 2.0]]), title="two places")
    >>> ax.get_title()
    'two places'
    """
    plt = _pyplot()
    values = _one_map(map)
    limit = _limit(values, limit)
    image = None if photograph is None else photograph_of(photograph)
    picture = lay_over(image, values, box_of(map, image), 1024, limit=limit)
    if ax is None:
        ax = plt.subplots()[1]
    width, height = image.size if image is not None else values.shape[::-1]
    ax.imshow(np.asarray(picture), extent=(0, width, height, 0))
    ax.set_xticks([])
    ax.set_yticks([])
    named = map.coords["image"] if _labelled(map) and "image" in map.coords else None
    ax.set_title(
        title if title is not None else "" if named is None else str(named.values.reshape(-1)[0])
    )
    if colour_bar:
        scale = plt.cm.ScalarMappable(plt.Normalize(-limit, limit), _colours())
        ax.figure.colorbar(scale, ax=ax, label=units_of(map), shrink=0.8)
    return ax


def units_of(map: Any) -> str:
    """Unit of a map's values, in words; empty where it says none."""
    if not _labelled(map):
        return ""
    if "units" in map.attrs:
        return str(map.attrs["units"])
    name = str(map.attrs.get("method", map.name))
    by_place, by_channel = name in BY_PLACE, name in BY_CHANNEL
    return "rating units" if by_place else "rating units × activation" if by_channel else name


def box_of(map: Any, photograph: Image.Image | None = None) -> CropBox | None:
    """What the network saw of the photograph, where the map says it, in the photograph's pixels.

    A photograph that is given at another size than the network's study read it has the box at its
    own.
    """
    if not _labelled(map) or not all(edge in map.coords for edge in _EDGES):
        return None
    values = [float(map.coords[edge].values.reshape(-1)[0]) for edge in _EDGES]
    if not np.isfinite(values).all():
        return None
    if photograph is None:
        return CropBox(*values)
    across, down = photograph.width / values[4], photograph.height / values[5]
    left, top, right, bottom = values[:4]
    return CropBox(
        left * across, top * down, right * across, bottom * down,
        float(photograph.width), float(photograph.height),
    )  # fmt: skip


def _labelled(map: Any) -> bool:
    return isinstance(map, xr.DataArray)


def _one_map(map: Any) -> NDArray[np.float64]:
    if isinstance(map, Mapping | xr.Dataset):
        raise RequestError(
            "expected one map (y, x), got several by name; choose one, as study.maps['vgg16']"
        )
    array = map
    if _labelled(map):  # a stack of one image is that image's
        array = map.isel({axis: 0 for axis in map.dims[:-2] if map.sizes[axis] == 1})
    values = np.asarray(array, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        hint = "; choose one with .sel(image=...)" if values.ndim > 2 else ""
        raise RequestError(f"expected one image's map (y, x), got shape {values.shape}{hint}")
    if not np.isfinite(values).all():
        raise RequestError(
            "expected a finite map, got NaN or infinity; an image without a rating has no AIS "
            "map, but one of its evidence"
        )
    return values


def _limit(values: NDArray[np.float64], limit: float | None) -> float:
    limit = stated_limit(values) if limit is None else float(limit)
    if not (np.isfinite(limit) and limit > 0):
        raise RequestError(f"expected a positive colour limit, got {limit}")
    return limit


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise AisthesisError(
            "drawing into axes needs matplotlib; install it (pip install matplotlib), or take "
            "ais.overlay, which gives a picture without it"
        ) from None
    return pyplot


def _colours() -> Any:
    """The colours of the overlay as they look on white."""
    from matplotlib.colors import LinearSegmentedColormap

    scale = np.linspace(-1.0, 1.0, 201)[None]
    rgba = signed_rgba(scale, 1.0, opacity=OPACITY, fade=True)[0] / 255
    colours, alpha = rgba[:, :3], rgba[:, 3:]
    return LinearSegmentedColormap.from_list("aisthesis", 1 - alpha + alpha * colours, N=201)
