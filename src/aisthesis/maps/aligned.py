"""Arrays of the same images, brought into one order by the images' names.

Labelled arrays (xarray, pandas) say which image is which and which axis is which; that, and not
the order in which they happen to lie, decides what is compared with what.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from aisthesis.errors import RequestError

__all__ = ["Aligned", "aligned", "laid_out"]

Key = TypeVar("Key", bound=Hashable)

#: Axes of a stack of maps, of maps by several heads, and of one number an image.
MAPS = ("image", "y", "x")
SEED_MAPS = ("seed", "image", "y", "x")
VALUES = ("image",)

_NAMED = 3  # images that a message names


@dataclass(frozen=True, eq=False)
class Aligned(Generic[Key]):
    """Arrays whose images come in one order.

    Attributes
    ----------
    arrays : dict
        By key, each with a shape and to be sliced, axes in the order that was asked for.
    names : pandas.Index or None
        The images' names in that order; None where no array says them.
    """

    arrays: dict[Key, Any]
    names: pd.Index | None

    @property
    def images(self) -> Any:
        """Names of the images, or 0 to N - 1 where there are none, for a table's column."""
        if self.names is not None:
            return self.names.to_numpy()
        first = next(iter(self.arrays.values()), None)
        return np.arange(0 if first is None else int(first.shape[0]))


def aligned(arrays: Mapping[Key, Any], dims: Sequence[str] = MAPS) -> Aligned[Key]:
    """Bring arrays of the same images into one order: that of the first that has names.

    Parameters
    ----------
    arrays : mapping
        Tensors, arrays, `xarray.DataArray` (or a `Dataset` of one variable) or, for one number an
        image, `pandas.Series`. Those with an `image` coordinate (of a Series: its index) are put in
        order by it; those without lie in that same order already.
    dims : sequence of str
        Names of the axes that are wanted. A `DataArray` that has them in another order is
        transposed; a dimension of another name takes the place that is left.

    Raises
    ------
    RequestError
        If an array names an image twice, arrays name different images or are of different length,
        a dimension is too many, or which image is which in an array without names is not certain,
        because the others come in different orders.
    """
    held = {key: laid_out(one, dims) for key, one in arrays.items()}
    named = {key: names for key, one in arrays.items() if (names := _names(one)) is not None}
    if not named:
        return Aligned(held, None)
    first, wanted = next(iter(named.items()))
    for key, names in named.items():
        _refuse_twice(key, names)
    for key, names in named.items():
        _refuse_others(first, wanted, key, names)
    moved = [key for key, names in named.items() if not names.equals(wanted)]
    axis = dims.index("image")
    for key, one in held.items():
        if key not in named:
            _refuse_uncertain(key, int(one.shape[axis]), len(wanted), first, moved)
    for key in moved:
        order = named[key].get_indexer(wanted)
        held[key] = held[key].isel(image=order) if hasattr(held[key], "isel") else held[key][order]
    return Aligned(held, wanted.rename("image"))


def laid_out(array: Any, dims: Sequence[str] = MAPS) -> Any:
    """Give an array with its axes as they are wanted; one without names of axes as it is.

    Raises
    ------
    RequestError
        If a labelled array has more or fewer dimensions, or a Dataset more than one variable.
    """
    import xarray as xr

    if isinstance(array, xr.Dataset):
        if len(array.data_vars) != 1:
            held = ", ".join(str(name) for name in array.data_vars) or "nothing"
            raise RequestError(
                f"expected one stack of maps, got a Dataset that holds {held}; name one of them, "
                "as in `maps['ais']`"
            )
        array = next(iter(array.data_vars.values()))
    if isinstance(array, pd.Series):
        return array.to_numpy()
    if not isinstance(array, xr.DataArray):
        return array
    if array.ndim != len(dims):
        more = [str(name) for name in array.dims if name not in dims]
        advice = f"average over {', '.join(more)} or choose one" if more else "keep every axis"
        got = ", ".join(map(str, array.dims))
        raise RequestError(f"expected the dimensions {', '.join(dims)}, got ({got}); {advice}")
    left = iter([name for name in dims if name not in array.dims])
    known = [name if name in dims else next(left) for name in array.dims]
    plain = array.variable.copy(deep=False)  # still not read, where it lies on a disk
    plain.dims = tuple(known)
    return plain.transpose(*dims)


def _names(array: Any) -> pd.Index | None:
    """The images' names that an array carries."""
    import xarray as xr

    if isinstance(array, pd.Series):
        return None if isinstance(array.index, pd.RangeIndex) else array.index
    if isinstance(array, xr.DataArray | xr.Dataset) and "image" in array.indexes:
        return array.indexes["image"]
    return None


def _refuse_twice(key: Any, names: pd.Index) -> None:
    if not names.is_unique:
        twice = names[names.duplicated()].unique()
        raise RequestError(
            f"expected each image once, but {_said(key)} names {_some(twice)} more than once; keep "
            "one of each"
        )


def _refuse_others(first: Any, wanted: pd.Index, key: Any, names: pd.Index) -> None:
    lacking, more = wanted.difference(names, sort=False), names.difference(wanted, sort=False)
    if not (len(lacking) or len(more)):
        return
    parts = [
        f"{who} has {len(some)} that {other} has not ({_some(some)})"
        for who, other, some in (
            (_said(first), _said(key), lacking), (_said(key), _said(first), more)
        )
        if len(some)
    ]  # fmt: skip
    raise RequestError(
        f"expected the same images everywhere, but {' and '.join(parts)}; take those that both "
        "have, as `xarray.align(a, b, join='inner')` does"
    )


def _refuse_uncertain(key: Any, n: int, n_wanted: int, first: Any, moved: Sequence[Any]) -> None:
    if n != n_wanted:
        raise RequestError(
            f"expected the same images everywhere, but {_said(first)} has {n_wanted} and "
            f"{_said(key)}, which does not name its images, {n}; give both for the same images"
        )
    if moved:
        raise RequestError(
            f"{_said(key)} does not name its images, and {_said(first)} and {_said(moved[0])} come "
            f"in different orders, so which image is which in {_said(key)} is not certain; give it "
            "as an xarray.DataArray with an `image` coordinate"
        )


def _said(key: Any) -> str:
    return " of ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _some(names: pd.Index) -> str:
    shown = ", ".join(str(name) for name in names[:_NAMED])
    return f"{shown}, ..." if len(names) > _NAMED else shown
