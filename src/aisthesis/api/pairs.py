"""What in one image makes it like another: the places of both, removed one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import xarray as xr
from PIL import Image

from aisthesis.ablation.places.plan import place_plan
from aisthesis.backbones import Backbone
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.importance.similarity import dissimilarity_of, pair_places
from aisthesis.studies.shared.boxes import crop_boxes

__all__ = ["explain_pair", "load_image"]


@torch.no_grad()
def explain_pair(
    backbone: Backbone,
    first: str | Path | Image.Image,
    second: str | Path | Image.Image,
    *,
    window: Literal[1, 3, 5, "auto"] = "auto",
    replace: Literal["zero", "mean"] = "zero",
) -> xr.DataArray:
    """Show in both of two images what makes a network find them alike.

    A place of one image's layer is removed in all channels, everything after it is computed
    again, and the place is given what the similarity S_ij, Pearson's r of the two embeddings,
    loses by it: ``S_ij - S_ij without the place``. The other image stays as it is.

    Parameters
    ----------
    backbone : Backbone
        With a layer. No head is needed.
    first, second : path or PIL image
        The two images.
    window : {1, 3, 5, "auto"}
        Side of the square of places that are removed together.
    replace : {"zero", "mean"}
        What a removed place becomes: zero, or each channel's mean over the image.

    Returns
    -------
    xarray.DataArray
        Dims (image, y, x): a map of each of the two, in units of correlation, -2 to 2; positive
        where a place makes them alike, negative where it sets them apart, NaN where an embedding
        is constant. `attrs["similarity"]` is S_ij. The coordinates along `image` say what part
        of each photograph the network saw (`crop_left`, ..., `width_px`, in pixels of the
        original, turned upright).

    Raises
    ------
    RequestError
        If the backbone has no layer, an image is neither, or an option is none of those.
    ImageFault
        If an image cannot be read.

    Examples
    --------
    Of two photographs:

    >>> import aisthesis as ais
    >>> backbone = ais.backbone("miniature:vgg16")
    >>> pair = ais.explain_pair(backbone, "photos/0000.png", "photos/0001.png")
    >>> pair.dims, -1 <= pair.attrs["similarity"] <= 1
    (('image', 'y', 'x'), True)
    """
    if backbone.trunk_layer is None or backbone.layout is None:
        raise RequestError(f"{backbone.name} predicts only; name a layer of it to have maps")
    images = [load_image(one) for one in (first, second)]
    pixels = torch.stack([backbone.transform(image) for image in images]).to(backbone.device)
    plan = place_plan(
        backbone.trunk,
        backbone.trunk_layer,
        pixels,
        window=window,
        channel_axis=backbone.layout.channel_axis,
        grid=(backbone.layout.height_map, backbone.layout.width_map),
    )
    found = plan(pixels, replace=replace)
    intact = found.output.double().cpu().numpy()
    without = found.removed.double().cpu().numpy()  # (image, y, x, entry of the embedding)
    rows, columns = without.shape[1:3]
    maps = [
        pair_places(without[i].reshape(rows * columns, -1), intact[i], intact[1 - i])
        for i in (0, 1)
    ]
    names = [_name(first, "first"), _name(second, "second")]
    sizes = {str(i): image.size for i, image in enumerate(images)}  # names may be equal
    boxes = crop_boxes(sizes, backbone.transform, list(sizes))
    return xr.DataArray(
        np.stack(maps).reshape(2, rows, columns),
        dims=("image", "y", "x"),
        coords={
            "image": pd.Index(names, name="image"),
            **{name: ("image", values) for name, values in boxes.items()},
        },
        name="alikeness",
        attrs={
            "long_name": "what a place adds to the similarity of the two images (correlation)",
            "similarity": 1 - float(dissimilarity_of(intact)[0, 1]),
            "backbone": backbone.name,
            "layer": backbone.layer,
            "window": plan.window,
            "replace": replace,
        },
    )


def load_image(image: Any) -> Image.Image:
    """Take a PIL image, or read a file upright, in RGB."""
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    if not isinstance(image, str | Path):
        raise RequestError(
            f"expected the path of an image or a PIL image, got {type(image).__name__}"
        )
    path = Path(image)
    return ImageFolder(path.parent).load(path.name)


def _name(image: str | Path | Image.Image, otherwise: str) -> str:
    return otherwise if isinstance(image, Image.Image) else Path(image).name
