"""Whether maps are right, as plain functions: against masks, and against their network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from aisthesis.backbones import Backbone
from aisthesis.errors import RequestError
from aisthesis.faithfulness import BASELINES, faithfulness_table, load_masks, localisation_table
from aisthesis.heads import RatingHead
from aisthesis.images import ImageFolder, batches
from aisthesis.maps.aligned import aligned
from aisthesis.names.explainers import UNSIGNED
from aisthesis.studies.ratings.explaining.explainers import subject_of

__all__ = ["backbone_name", "by_method", "faithful", "localise"]

_SIDES = ("raising", "lowering")


def localise(
    maps: Any,
    masks: Any,
    *,
    backbone: Backbone | None = None,
    n_boot: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score maps of one backbone against masks of the evidence, beside controls.

    Parameters
    ----------
    maps : xarray.DataArray, array or mapping
        Maps (N, h, w) of any resolution, or several such by the name of their method, as
        `ais.explain` gives them.
    masks : array, mapping or path
        Where there is evidence, (N, H, W) of truth values on the part of the photographs that the
        network saw: of what raises the rating, or by `raising` and `lowering`; labelled as the
        maps are, they are put into the maps' order. Or a folder with the folders `raising` and
        `lowering` of mask images, named as the maps' images are; then `backbone` is needed.
    backbone : Backbone, optional
        Its name for the table, and its transform for mask images.
    n_boot, seed : int
        Of the bootstrap over images.

    Returns
    -------
    pandas.DataFrame
        Columns ``backbone, map, side, score, control, mean, low, high, n, n_undefined``, see
        `aisthesis.faithfulness.localisation_table`.

    Raises
    ------
    RequestError
        If maps and masks are not of the same images, or a mask is missing or unfit.

    Examples
    --------
    >>> import numpy as np
    >>> import aisthesis as ais
    >>> masks = np.zeros((4, 16, 16), bool)
    >>> masks[:, :8] = True
    >>> table = ais.localise({"own": masks.astype(float)}, masks)
    >>> table.query("score == 'auc' and map == 'own' and side == 'raising'")[["control", "mean"]]
        control  mean
    10     none   1.0
    11   centre   0.5
    12  uniform   0.5
    """
    stacks = by_method(maps)
    if isinstance(masks, str | Path):
        masks = _read_masks(Path(masks), stacks, backbone)
    elif not isinstance(masks, Mapping):
        masks = {"raising": masks}
    unknown = [str(side) for side in masks if side not in _SIDES]
    if unknown or not masks:
        raise RequestError(
            f"expected masks by `raising` and `lowering`, got {', '.join(unknown) or 'none'}"
        )
    given = next(iter(masks.values()))
    none = given.copy(data=np.zeros(given.shape, bool)) if isinstance(given, xr.DataArray) else (
        np.zeros(np.shape(given), bool)
    )  # fmt: skip
    return localisation_table(
        backbone_name(backbone, stacks),
        stacks,
        *(masks.get(side, none) for side in _SIDES),
        n_resamples=n_boot,
        seed=seed,
    )


def faithful(
    backbone: Backbone,
    head: RatingHead,
    images: str | Path,
    maps: Any,
    *,
    baselines: Sequence[str] = BASELINES,
    n_steps: int = 10,
    cell_px: int = 16,
    n_squares: int = 50,
    n_boot: int = 2000,
    seed: int = 0,
    batch_size: int = 8,
    advance: Callable[[int], None] = lambda n: None,
) -> pd.DataFrame:
    """Ask whether maps know what moves the prediction, beside random maps and a centre prior.

    Parameters
    ----------
    backbone, head
        What the maps explain.
    images : path
        Folder of images; those are read that the maps name. Maps without names are taken to be of
        all of its images, in the order of their names.
    maps : xarray.DataArray, array or mapping
        Maps (N, h, w) of any resolution, or several such by the name of their method, as
        `ais.explain` gives them.
    baselines, n_steps, cell_px, n_squares, n_boot, seed
        As of `aisthesis.faithfulness.faithfulness_table`.
    batch_size : int
        Images run together.
    advance : callable
        Told how many images were just done.

    Returns
    -------
    pandas.DataFrame
        Columns ``method, measure, baseline, mean, low, high, n, n_undefined, control, difference,
        difference_low, difference_high, difference_p_corrected``; changes of the prediction are in
        SDs of the ratings that the head was fitted to.

    Raises
    ------
    RequestError
        If the maps are not of the same images, or an image is not in the folder.

    Examples
    --------
    With photographs in the folder `photos` and a table `ratings.csv`:

    >>> import aisthesis as ais
    >>> backbone = ais.backbone("miniature:vgg16")
    >>> head = ais.fit(backbone, "photos", "ratings.csv")
    >>> maps = ais.explain(backbone, head, "photos", method="evidence")
    >>> few = {"baselines": ["blur"], "n_steps": 2, "n_squares": 0}  # by default more are asked
    >>> table = ais.faithful(backbone, head, "photos", maps[:2], **few)
    >>> sorted(set(table["method"]))
    ['centre', 'evidence', 'random']
    """
    stacks = by_method(maps)
    same = aligned(stacks)
    folder = ImageFolder(Path(images))
    names = list(folder.names) if same.names is None else [str(name) for name in same.names]
    absent = [name for name in names if folder.why_not(name) is not None]
    if absent:
        raise RequestError(
            f"expected the images that the maps name in {images}, but {len(absent)} are not there: "
            f"{', '.join(absent[:5])}; give the folder that was explained"
        )
    if len(names) != len(same.images):
        raise RequestError(
            f"expected a map of each of the {len(names)} images in {images}, got "
            f"{len(same.images)} maps without names; give them an `image` coordinate"
        )
    subject = subject_of(backbone, [head.to(backbone.device)])
    read = [b.pixels for b in batches(folder, names, backbone.transform, batch_size)]
    unsigned = [n for n, one in stacks.items() if getattr(one, "attrs", {}).get("signed") is False]
    return faithfulness_table(
        subject.model, torch.cat(read).to(backbone.device), same.arrays,
        unit=float(getattr(head, "rating_sd", 1.0)) or 1.0, baselines=baselines,
        unsigned=[*UNSIGNED, *unsigned], n_steps=n_steps,
        cell_px=cell_px, n_squares=n_squares, n_boot=n_boot, seed=seed, batch_size=4 * batch_size,
        advance=advance,
    )  # fmt: skip


def backbone_name(backbone: Backbone | None, stacks: Mapping[str, Any]) -> str:
    """Name of the network that maps are of, for a table: as given, else as the maps say it."""
    if backbone is not None:
        return backbone.name
    return str(getattr(next(iter(stacks.values())), "attrs", {}).get("backbone", ""))


def by_method(maps: Any) -> dict[str, Any]:
    """One stack of maps under its method's name, or several under theirs."""
    if isinstance(maps, xr.Dataset):
        return {str(name): one for name, one in maps.data_vars.items()}
    if isinstance(maps, Mapping):
        if not maps:
            raise RequestError("expected the maps of at least one method, got none")
        return {str(name): one for name, one in maps.items()}
    return {str(getattr(maps, "name", None) or "map"): maps}


def _read_masks(
    folder: Path, stacks: Mapping[str, Any], backbone: Backbone | None
) -> dict[str, xr.DataArray]:
    names = aligned(stacks).names
    if backbone is None or names is None:
        lacking = "`backbone`, whose crop" if backbone is None else "an `image` coordinate, whose"
        raise RequestError(
            f"mask images in {folder} are read by the maps' image names through the backbone's "
            f"crop; give {lacking} {'is' if backbone is None else 'names are'} needed"
        )
    found = {
        side: load_masks(folder / side, [str(name) for name in names], backbone.transform)
        for side in _SIDES
        if (folder / side).is_dir()
    }
    if not found:
        raise RequestError(f"expected a folder `raising` or `lowering` of masks in {folder}")
    return {
        side: xr.DataArray(masks, dims=("image", "y", "x"), coords={"image": names})
        for side, masks in found.items()
    }
