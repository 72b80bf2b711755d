"""The steps of a study as plain functions, for use without a study folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, checked
from aisthesis.errors import RequestError
from aisthesis.explainers.base import Explainer
from aisthesis.explainers.registry import explainers_named
from aisthesis.heads import FitOptions, RatingEnsemble, RatingHead, embed_images, fit_mlp
from aisthesis.images import ImageFolder, View, batches, check_images
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.judgments.ratings.splits import split
from aisthesis.names.explainers import BASE, BY_PLACE, FORMER, checked_names
from aisthesis.parts import given_name
from aisthesis.store.map_axes import map_axes
from aisthesis.studies.ratings.explaining.explain import explain_batch, explain_places
from aisthesis.studies.ratings.explaining.explainers import image_seeds, maps_by, subject_of
from aisthesis.studies.shared.ablation_plans import place_plan_for, plan_for
from aisthesis.studies.shared.boxes import crop_boxes
from aisthesis.studies.shared.catalogue import build

__all__ = ["backbone", "explain", "fit", "rating_of"]

#: SDs of ratings of which maps fit into float32, from the smallest scores to sums over channels.
_SDS = (1e-30, 1e32)


def backbone(
    name: str,
    *,
    layer: str | None = None,
    weights: str | Path = "default",
    weights_dir: str | Path | None = None,
    input_px: int | None = None,
    view: View | None = None,
    seed: int = 0,
) -> Backbone:
    """Make a backbone by name.

    Parameters
    ----------
    name : str
        One of the seven, `torchvision:NAME`, `timm:NAME` or `miniature:NAME`.
    layer : str, optional
        Dotted path or `deepest`; the backbone's own by default.
    weights : {"default", "random"} or path
        Official weights, seeded random ones, or a local state dict.
    weights_dir : path, optional
        Folder of already downloaded official files.
    input_px : int, optional
        Side of the crop, instead of the backbone's own.
    view : {"crop", "squash", "pad"}, optional
        What the network sees of a photograph, instead of what its own transform shows it (the
        centre, for nearly all): the whole, squashed, or the whole in its shape with bars beside it.
    seed : int
        Of random weights.

    Raises
    ------
    RequestError
        If a name, layer or file is wrong; the nearest right ones are named.
    AisthesisError
        If official weights are neither here nor to be had.

    Examples
    --------
    >>> import aisthesis as ais
    >>> ais.backbone("miniature:vgg16").layer
    'features.28'
    """
    wanted = {"name": name, "layer": layer, "weights": str(weights), "input_px": input_px}
    asked = checked(BackboneConfig, {**wanted, "view": view}, "backbone")
    return build(asked, weights_dir=Path(weights_dir) if weights_dir else None, seed=seed)


def rating_of(images: ImageFolder, ratings: Any) -> dict[str, float]:
    """Take ratings from a table's path, a mapping or a pandas Series, by the folder's image name.

    Raises
    ------
    RequestError
        If they are something else, an image is rated twice or not in the folder, or a rating is no
        finite number.
    """
    if isinstance(ratings, str | Path):
        table = read_ratings(Path(ratings), folder=images).mean
        ratings = dict(zip(table["image"], table["rating"], strict=True))
    if not isinstance(ratings, Mapping | pd.Series):
        raise RequestError(
            "expected ratings as the path of a table, a mapping or a pandas Series by image name, "
            f"got {type(ratings).__name__}; of a DataFrame give df.set_index('image')['rating']"
        )
    by_name: dict[str, float] = {}
    faults: dict[str, list[str]] = {}
    for given, value in ratings.items():
        name = images.listed_name(str(given))
        if images.why_not(name) is not None:
            faults.setdefault(f"are not in {images.root}", []).append(str(given))
        elif name in by_name:
            faults.setdefault("are rated twice", []).append(str(given))
        try:
            by_name[name] = float(value)
        except (TypeError, ValueError):
            by_name[name] = float("nan")
        if not np.isfinite(by_name[name]):
            faults.setdefault("have a rating that is no finite number", []).append(str(given))
    if faults:
        said = (f"{len(names)} rated images {what}: {', '.join(names[:5])}"
                for what, names in faults.items())  # fmt: skip
        raise RequestError(f"{'; '.join(said)}; correct or remove them")
    return by_name


def fit(
    backbone: Backbone,
    images: str | Path,
    ratings: Any,
    *,
    seed: int = 0,
    test: float = 0.2,
    validation: float = 0.2,
    options: FitOptions | None = None,
    batch_size: int = 8,
    advance: Callable[[int], None] = lambda n: None,
) -> RatingHead:
    """Fit a head on a frozen backbone.

    Parameters
    ----------
    backbone : Backbone
    images : path
        Folder of images.
    ratings : path, mapping or pandas.Series
        A table of ratings, or ratings by image name.
    seed : int
        Of the split, the initialisation and the order of the images.
    test, validation : float
        Shares of images held out; `test` images play no part in the fit.
    options : FitOptions, optional
        How the head is trained.
    advance : callable
        Told how many images were just embedded.

    Returns
    -------
    RatingHead
        Embeddings (N, D) to ratings (N,), in rating units, in eval mode.

    Examples
    --------
    With photographs in the folder `photos` and a table `ratings.csv`:

    >>> import aisthesis as ais
    >>> backbone = ais.backbone("miniature:vgg16")
    >>> head = ais.fit(backbone, "photos", "ratings.csv", seed=0)
    >>> float(head.rating_sd) > 0
    True
    """
    folder = ImageFolder(Path(images))
    rated = rating_of(folder, ratings)
    checked = check_images(folder, sorted(rated), on_fault="stop")
    y = np.array([rated[name] for name in checked.names])
    if len(y) and np.ptp(y) <= 1e-12 * np.abs(y).max():
        raise RequestError(
            f"all {len(y)} images have the same rating ({y[0]:g}), so there is nothing to predict; "
            "ratings that differ between images are needed"
        )
    parts = split(checked.names, y, test=test, validation=validation, seed=seed, fit_seed=seed)
    z = embed_images(
        backbone.trunk,
        folder,
        checked.names,
        backbone.transform,
        batch_size=batch_size,
        device=backbone.device,
        advance=advance,
    )
    place = {name: i for i, name in enumerate(checked.names)}
    train, held = (np.array([place[n] for n in names]) for names in (parts.train, parts.validation))
    return fit_mlp(torch.from_numpy(z), torch.from_numpy(y), train, held, options, seed=seed).head


def explain(
    backbone: Backbone,
    head: RatingHead,
    images: str | Path,
    ratings: Any = None,
    *,
    method: str | Explainer = "ais",
    batch_size: int = 8,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    advance: Callable[[int], None] = lambda n: None,
) -> xr.DataArray:
    """Make a heatmap of every image.

    Parameters
    ----------
    backbone : Backbone
        With a layer.
    head : RatingHead
        Fitted on that backbone.
    images : path
        Folder of images.
    ratings : path, mapping or pandas.Series, optional
        Needed for `ais` and `ais_place`; images without one are left out there.
    method : str or Explainer
        `ais` or `evidence`: channels weighted by their Alignment-Importance Score or by their
        evidence; `ais_place` or `evidence_place`: the same scores of the layer's places
        themselves, each removed in all channels; or another out of
        `aisthesis.names.explainers.EXPLAINERS`; or one of your own, as the object itself or as
        `package.module:attribute`.
    seed : int
        Of what an explainer draws at random.
    options : mapping, optional
        By place: `window` (1, 3, 5 or "auto") and `replace` ("zero" or "mean"). Of the other
        explainers: the arguments of `aisthesis.explainers.registry.explainers_named`.

    Returns
    -------
    xarray.DataArray
        Dims (image, y, x); by AIS and evidence at the layer's own resolution, in rating units x
        activation, and by place in rating units; by others on their own grid. `attrs` say the
        method and what its values are; `crop_left` ... `height_px` along `image` what the network
        saw of each photograph, in its pixels.

    Raises
    ------
    RequestError
        If the method is unknown or its library is missing, AIS has no ratings, the backbone has
        no layer, or the head's ratings are on a scale that maps cannot be held on.

    Examples
    --------
    With photographs in the folder `photos` and a table `ratings.csv`:

    >>> import aisthesis as ais
    >>> backbone = ais.backbone("miniature:vgg16")
    >>> head = ais.fit(backbone, "photos", "ratings.csv")
    >>> maps = ais.explain(backbone, head, "photos", method="evidence")
    >>> maps.dims
    ('image', 'y', 'x')
    """
    if not isinstance(method, str):
        method = given_name("explainer", method)
    method = FORMER.get(method, method)
    checked_names([method])
    rated_only = method in ("ais", "ais_place")
    if rated_only and ratings is None:
        other = method.replace("ais", "evidence")
        raise RequestError(f"AIS needs human ratings; give them, or ask for method={other!r}")
    if backbone.trunk_layer is None:
        raise RequestError(f"{backbone.name} predicts only; name a layer of it to have maps")
    _require_scale(head)
    if method not in BASE:
        return _explain_otherwise(
            backbone, head, Path(images), method, batch_size, seed, options or {}, advance
        )
    folder = ImageFolder(Path(images))
    rated = {} if ratings is None else rating_of(folder, ratings)
    names = sorted(rated) if rated_only else list(folder.names)
    head = head.to(backbone.device)
    model = RatingEnsemble(backbone.trunk, [head])
    explained = _explained_by(backbone, model, method, folder, options or {})
    maps: list[np.ndarray] = []
    sizes: dict[str, tuple[int, int]] = {}
    for batch in batches(folder, names, backbone.transform, batch_size):
        rating = torch.tensor(
            [rated.get(name, np.nan) for name in batch.names], dtype=torch.float64
        )
        maps.append(explained(batch.pixels.to(backbone.device), rating)[method][0])
        sizes |= zip(batch.names, batch.sizes_px, strict=True)
        advance(len(batch.names))
    return xr.DataArray(
        stack := np.concatenate(maps),
        dims=("image", "y", "x"),
        coords=_coordinates(backbone, sizes, stack.shape),
        name=method,
        attrs={"method": method, "backbone": backbone.name, "layer": backbone.layer},
    )


def _coordinates(
    backbone: Backbone, sizes: Mapping[str, tuple[int, int]], shape: tuple[int, ...]
) -> dict[str, Any]:
    """Images, what the network saw of each in its own pixels, and the centres of the cells."""
    names = list(sizes)
    boxes = crop_boxes(sizes, backbone.transform, names)
    return {
        "image": pd.Index(names, name="image"),
        **{name: ("image", values) for name, values in boxes.items()},
        **map_axes(boxes, shape[1], shape[2], backbone.input_size_px),
    }


def _require_scale(head: RatingHead) -> None:
    """Refuse a head of ratings whose maps, in their units, float32 cannot hold."""
    sd = float(getattr(head, "rating_sd", 1.0))
    if not _SDS[0] <= sd <= _SDS[1]:
        raise RequestError(
            f"expected ratings with an SD from {_SDS[0]:g} to {_SDS[1]:g}, as maps are in rating "
            f"units and in float32; the head was fitted to an SD of {sd:.2g}; fit it again with "
            "ratings divided by that"
        )


def _explained_by(
    backbone: Backbone,
    model: RatingEnsemble,
    method: str,
    folder: ImageFolder,
    options: Mapping[str, Any],
) -> Callable[[torch.Tensor, torch.Tensor], dict[str, np.ndarray]]:
    """The function of pixels and ratings that makes maps by channels or by places."""
    if method not in BY_PLACE:
        plan = plan_for(backbone, model, folder)
        return lambda pixels, rating: explain_batch(backbone, plan, pixels, rating)
    unknown = sorted(set(options) - {"window", "replace"})
    if unknown:
        raise RequestError(
            f"expected options `window` and `replace` for {method}, got {', '.join(unknown)}"
        )
    places = place_plan_for(backbone, model, options.get("window", "auto"), folder)
    replace = options.get("replace", "zero")
    return lambda pixels, rating: explain_places(places, pixels, rating, replace)


def _explain_otherwise(
    backbone: Backbone,
    head: RatingHead,
    images: Path,
    method: str,
    batch_size: int,
    seed: int,
    options: Mapping[str, Any],
    advance: Callable[[int], None],
) -> xr.DataArray:
    """Make maps by an explainer that needs no channel ablation."""
    (explainer,) = explainers_named([method], batch_size=batch_size, **options)
    folder = ImageFolder(images)
    subject = subject_of(backbone, [head.to(backbone.device)])
    maps: list[np.ndarray] = []
    sizes: dict[str, tuple[int, int]] = {}
    for batch in batches(folder, list(folder.names), backbone.transform, batch_size):
        seeds = image_seeds(seed, backbone.name, batch.names)
        pixels = batch.pixels.to(backbone.device)
        maps.append(maps_by(explainer, subject, pixels, seeds))
        sizes |= zip(batch.names, batch.sizes_px, strict=True)
        advance(len(batch.names))
    return xr.DataArray(
        stack := np.concatenate(maps),
        dims=("image", "y", "x"),
        coords=_coordinates(backbone, sizes, stack.shape),
        name=explainer.name,
        attrs={
            "method": explainer.name,
            "words": explainer.words,
            "signed": explainer.signed,
            "backbone": backbone.name,
            "layer": backbone.layer,
        },
    )
