"""How well maps say where people look, as a plain function of labelled maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.api.measuring import backbone_name, by_method
from aisthesis.backbones import Backbone
from aisthesis.errors import RequestError
from aisthesis.human_maps import (
    Frame,
    Seen,
    SeenImages,
    human_map_table,
    human_maps,
    seen_by_density,
    seen_by_mask,
)
from aisthesis.images import ImageFolder
from aisthesis.maps.aligned import aligned
from aisthesis.names.explainers import UNSIGNED

__all__ = ["compare_with_people"]


def compare_with_people(
    maps: Any,
    people: Any,
    *,
    images: str | Path | None = None,
    backbone: Backbone | None = None,
    kind: str = "auto",
    blur_px: float | None = None,
    n_boot: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare maps of one backbone with where people look or click, beside controls.

    Parameters
    ----------
    maps : xarray.DataArray, array or mapping
        Maps (N, h, w) of any resolution, or several such by the name of their method, as
        `ais.explain` gives them.
    people : pandas.DataFrame, path, xarray.DataArray or array
        Fixations or clicks, a row each: `image, x, y` and, where it is known who looked, `subject`;
        in pixels of the upright photograph, from its upper left corner. Or a file of such; or a
        folder or `.npz` with a map of every photograph. For these `images` and `backbone` are
        needed, and maps that name their images. Or densities, or masks (truth values), as an
        array (N, H, W) on the part of the photographs that the network saw; labelled as the maps
        are, they are put into the maps' order.
    images : path, optional
        Folder of the photographs.
    backbone : Backbone, optional
        Its name for the table, and what it sees of a photograph.
    kind : {"auto", "fixations", "clicks", "densities", "masks"}
        What a file or folder holds.
    blur_px : float, optional
        SD of the Gaussian that makes a density of fixations, in pixels of the photograph; a 30th of
        its longer side unless given.
    n_boot, seed : int
        Of the bootstrap over images, and of what is drawn at random.

    Returns
    -------
    pandas.DataFrame
        Columns ``backbone, map, side, score, control, mean, low, high, n, n_undefined,
        n_fixations, n_outside``; scores are `nss`, `auc_judd`, `auc_shuffled`, `cc`, `kl` (less is
        better) and `sim`; see `aisthesis.human_maps.human_map_table`. Without fixations or masks
        only the last three.

    Raises
    ------
    RequestError
        If maps and people are not of the same images, or a file cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> import aisthesis as ais
    >>> looked = np.random.default_rng(0).random((4, 16, 16))
    >>> table = ais.compare_with_people({"own": looked}, looked)
    >>> own = table.query("map == 'own' and score == 'cc' and side == 'either'")
    >>> own[["control", "mean"]].head(1)
       control  mean
    21    none   1.0
    """
    stacks = by_method(maps)
    unsigned = [n for n, one in stacks.items() if getattr(one, "attrs", {}).get("signed") is False]
    if isinstance(people, pd.DataFrame | str | Path):
        same = aligned(stacks)
        arrays = same.arrays
        if backbone is None or images is None or same.names is None:
            raise RequestError(
                "people's fixations and maps of photographs are brought to what the network saw: "
                "give `backbone`, `images` (the folder of the photographs), and maps with an "
                "`image` coordinate"
            )
        names = [str(name) for name in same.names]
        folder = ImageFolder(Path(images))
        sizes = {name: folder.load(name).size for name in names}
        source = people if isinstance(people, pd.DataFrame) else Path(people)
        held = human_maps(source, sizes, kind=kind, blur_px=blur_px, folder=folder)
        seen: Sequence[Seen] | SeenImages = held.seen(names, backbone.transform, sizes)
    else:
        arrays, seen = _by_array(stacks, people)
    return human_map_table(
        backbone_name(backbone, stacks),
        arrays,
        seen,
        unsigned=[*UNSIGNED, *unsigned],
        n_resamples=n_boot,
        seed=seed,
    )


def _by_array(stacks: Mapping[str, Any], people: Any) -> tuple[dict[str, Any], list[Seen]]:
    """Maps and what people saw, in one order, by densities or masks of the network's grid."""
    keyed: dict[tuple[str, str], Any] = {("maps", name): one for name, one in stacks.items()}
    same = aligned({**keyed, ("people", ""): people}).arrays
    looked = np.asarray(same["people", ""])
    if looked.ndim != 3 or looked.dtype.kind not in "biuf":
        raise RequestError(
            "expected people's densities (N, H, W), or masks of truth values, on what the network "
            f"saw, got {looked.dtype} of shape {looked.shape}; a list of fixations is a DataFrame "
            "or a file"
        )
    if looked.dtype != np.bool_ and not (np.isfinite(looked).all() and (looked >= 0).all()):
        raise RequestError(
            "expected finite densities, none below zero; a map with a sign is no density"
        )
    height, width = looked.shape[1:]
    frame = Frame((0.0, 0.0, width, height), (height, width), (width, height))
    seen_by = seen_by_mask if looked.dtype == np.bool_ else seen_by_density
    return {name: same["maps", name] for name in stacks}, [seen_by(frame, one) for one in looked]
