"""A predictor of ratings that reads only the channels worth keeping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from aisthesis.backbones import Backbone
from aisthesis.backbones.retained import retained_backbone
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.heads import RatingHead, embed_images
from aisthesis.heads.mlp import head_of
from aisthesis.images import ImageFolder, check_images
from aisthesis.store.whole import whole_file
from aisthesis.studies.ratings.explaining.functions import explain, rating_of
from aisthesis.studies.ratings.retaining.batches import retain_heads

__all__ = ["RetainedPredictor", "retain"]

_MASK = "retained"


@dataclass(frozen=True, eq=False)
class RetainedPredictor:
    """A head on a backbone of which only some channels of the layer are kept.

    Attributes
    ----------
    whole : Backbone
        With all its channels; left as it is.
    head : RatingHead
        Fitted on it.
    channels : (n,)
        Channels that are kept, best first where that is known.

    Examples
    --------
    With photographs in the folder `photos` and a table `ratings.csv`:

    >>> import numpy as np
    >>> import aisthesis as ais
    >>> backbone = ais.backbone("miniature:vgg16")
    >>> head = ais.fit(backbone, "photos", "ratings.csv")
    >>> kept = ais.RetainedPredictor(backbone, head, np.array([0, 3]))
    >>> ratings = kept.predict("photos")  # a pandas Series by image name
    >>> ratings.name
    'prediction'
    """

    whole: Backbone
    head: RatingHead
    channels: NDArray[np.intp]

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone without the other channels; `ais.explain` and the like take it."""
        return retained_backbone(self.whole, self.channels)

    def predict(
        self,
        images: str | Path,
        *,
        batch_size: int = 8,
        advance: Callable[[int], None] = lambda n: None,
    ) -> pd.Series[float]:
        """Rate the images of a folder, by name, in rating units."""
        folder = ImageFolder(Path(images))
        checked = check_images(folder, folder.names)
        z = embed_images(
            self.backbone.trunk, folder, checked.names, self.backbone.transform,
            batch_size=batch_size, device=self.backbone.device,
            advance=advance,
        )  # fmt: skip
        with torch.no_grad():
            values = self.head.cpu()(torch.from_numpy(z)).double().numpy()
        return pd.Series(values, index=pd.Index(checked.names, name="image"), name="prediction")

    def explain(self, images: str | Path, ratings: Any = None, **options: Any) -> xr.DataArray:
        """Make a heatmap of every image; parameters as in `ais.explain`.

        Channels that are not kept have no importance and add nothing to a map.
        """
        return explain(self.backbone, self.head, images, ratings, **options)

    def save(self, path: str | Path, metadata: dict[str, str] | None = None) -> Path:
        """Write head and channels to one safetensors file, whole or not at all.

        The backbone's weights are not in it: the file names them by their digest.
        """
        path = Path(path)
        total = self.whole.layout.channels if self.whole.layout else 0
        mask = torch.zeros(total, dtype=torch.uint8)
        mask[torch.from_numpy(np.asarray(self.channels, dtype=np.int64))] = 1
        tensors = {k: v.detach().cpu().contiguous() for k, v in self.head.state_dict().items()}
        known = {
            "backbone": self.whole.name,
            "layer": str(self.whole.layer),
            "weights_sha256": str(self.whole.weights.sha256),
        }
        with whole_file(path) as partial:
            save_file({**tensors, _MASK: mask}, partial, metadata={**(metadata or {}), **known})
        return path

    @classmethod
    def load(cls, path: str | Path, backbone: Backbone) -> RetainedPredictor:
        """Read a predictor that `save` wrote, for the backbone that it was made with.

        Raises
        ------
        AisthesisError
            If the file is missing or holds no such predictor.
        RequestError
            If the backbone has other weights or another layer.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = dict(file.metadata() or {})
            tensors = load_file(path)
            mask = tensors.pop(_MASK).numpy()
            head = head_of(tensors)
        except (OSError, SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise AisthesisError(
                f"{path} does not hold a retained predictor ({error}); make it with "
                "`aisthesis retain`"
            ) from error
        _require_same(path, metadata, backbone)
        kept = np.flatnonzero(mask).astype(np.intp)
        return cls(backbone, head, kept)


def _require_same(path: str | Path, metadata: dict[str, str], backbone: Backbone) -> None:
    for what, asked, held in (
        ("weights", metadata.get("weights_sha256"), str(backbone.weights.sha256)),
        ("layer", metadata.get("layer"), str(backbone.layer)),
    ):
        if asked != held:
            raise RequestError(
                f"{path} was made with {what} {str(asked)[:24]}, but the backbone has {held[:24]}; "
                "give the backbone that it was made with"
            )


def retain(
    backbone: Backbone,
    head: RatingHead,
    images: str | Path,
    ratings: Any,
    *,
    batch_size: int = 8,
    advance: Callable[[int], None] = lambda n: None,
) -> RetainedPredictor:
    """Keep the channels that make a head's predictions agree with people best.

    Channels are ranked by AIS_c = corr(y, f) - corr(y, f_-c) over all images given; the first n
    that maximise the correlation are kept. Give the images that the head was fitted on, and judge
    the result on others: on the same ones it flatters itself.

    Parameters
    ----------
    backbone : Backbone
        With a layer.
    head : RatingHead
        Fitted on it.
    images : path
        Folder of images.
    ratings : path, mapping or pandas.Series
        A table of ratings, or ratings by image name.
    advance : callable
        Told how many images were just done; every image comes twice.

    Examples
    --------
    With photographs in the folder `photos` and a table `ratings.csv`:

    >>> import aisthesis as ais
    >>> backbone = ais.backbone("miniature:vgg16")
    >>> head = ais.fit(backbone, "photos", "ratings.csv")
    >>> kept = ais.retain(backbone, head, "photos", "ratings.csv")
    >>> 0 < len(kept.channels) <= backbone.layout.channels
    True
    """
    if backbone.trunk_layer is None:
        raise RequestError(f"{backbone.name} has no layer whose channels could be kept")
    folder = ImageFolder(Path(images))
    rated = rating_of(folder, ratings)
    names = check_images(folder, sorted(rated)).names
    y = np.array([rated[name] for name in names])
    found = retain_heads(
        backbone, [head], folder, names, y, [np.arange(len(names))],
        batch_size=batch_size, advance=advance,
    )[0]  # fmt: skip
    return RetainedPredictor(backbone, head, found.retained)
