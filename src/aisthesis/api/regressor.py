"""A rating predictor with the face of scikit-learn: for pipelines and cross-validation."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from aisthesis.backbones import Backbone
from aisthesis.errors import RequestError
from aisthesis.heads import FitOptions
from aisthesis.heads.embeddings import embedded
from aisthesis.heads.ensembles import fit_held_back
from aisthesis.images.read import photograph_of

__all__ = ["RatingRegressor"]

#: Embeddings by the bytes of their image, as long as the network lives: folds share them.
_KEPT: weakref.WeakKeyDictionary[Backbone, dict[str, NDArray[np.float32]]] = (
    weakref.WeakKeyDictionary()
)


class RatingRegressor(RegressorMixin, BaseEstimator):
    """Human ratings of images from a frozen network's embedding, as scikit-learn regressors are.

    The head is that of a study (`FitOptions`): it is fitted to part of the images and stopped by
    the others. An image is run through the network once, however many folds or clones ask for it.

    Parameters
    ----------
    backbone : Backbone or str
        A backbone, or a name as `ais.backbone` takes it. Clones share it.
    layer, weights, weights_dir
        Of a backbone that is given by name, as in `ais.backbone`.
    seed : int
        Of the images that stop the fit, the initialisation and the order of the images.
    validation : float
        Share of the images given to `fit` that stop it.
    hidden, dropout, learning_rate, weight_decay, epochs, patience
        Of the head, as in `FitOptions`.
    batch_size : int
        Images in one forward pass.

    Attributes
    ----------
    head_ : RatingHead
        After `fit`: embeddings (N, D) to ratings (N,).
    backbone_ : Backbone

    Examples
    --------
    >>> import numpy as np
    >>> import aisthesis as ais
    >>> images = np.random.default_rng(0).integers(0, 255, (12, 64, 64, 3), dtype=np.uint8)
    >>> model = ais.RatingRegressor("miniature:vgg16", epochs=2)
    >>> model.fit(images, images.mean((1, 2, 3))).predict(images[:3]).shape
    (3,)
    """

    def __init__(
        self,
        backbone: Any = "vgg16",
        *,
        layer: str | None = None,
        weights: str = "default",
        weights_dir: str | None = None,
        seed: int = 0,
        validation: float = 0.2,
        hidden: int = 16,
        dropout: float = 0.2,
        learning_rate: float = 1e-4,
        weight_decay: float = 1e-2,
        epochs: int = 500,
        patience: int = 30,
        batch_size: int = 8,
    ) -> None:
        self.backbone = backbone
        self.layer = layer
        self.weights = weights
        self.weights_dir = weights_dir
        self.seed = seed
        self.validation = validation
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size

    def fit(self, X: Any, y: ArrayLike) -> RatingRegressor:
        """Fit the head.

        Parameters
        ----------
        X : sequence of N paths, PIL images or arrays (H, W, 3) of uint8
        y : (N,)
            Ratings, in rating units; at least six, not all the same.

        Raises
        ------
        RequestError
            If an image cannot be read, `X` and `y` differ in length, or a rating is not finite.
        """
        images = _images(X)
        ratings = np.asarray(y, dtype=np.float64)
        if ratings.shape != (len(images),):
            raise RequestError(
                f"expected one rating an image, got {len(images)} images and ratings of shape "
                f"{ratings.shape}"
            )
        if not np.isfinite(ratings).all():
            n = int((~np.isfinite(ratings)).sum())
            raise RequestError(f"expected finite ratings, got {n} that are not; leave them out")
        self.backbone_ = self._built()
        options = FitOptions(
            hidden=self.hidden,
            dropout=self.dropout,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            epochs=self.epochs,
            patience=self.patience,
        )
        self.head_ = fit_held_back(
            self._embeddings(images), ratings, options, validation=self.validation, seed=self.seed
        )
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict ratings (N,), in rating units, of images as `fit` takes them."""
        check_is_fitted(self, "head_")
        with torch.no_grad():
            z = torch.from_numpy(self._embeddings(_images(X)))
            predicted: NDArray[np.float64] = self.head_(z).double().numpy()
        return predicted

    def __sklearn_clone__(self) -> RatingRegressor:
        """Give an unfitted estimator on the same network: a frozen one need not be copied."""
        return type(self)(**self.get_params(deep=False))

    def _built(self) -> Backbone:
        if isinstance(self.backbone, Backbone):
            return self.backbone
        if not isinstance(self.backbone, str):
            raise RequestError(
                f"expected a Backbone or its name, got {type(self.backbone).__name__}"
            )
        where = None if self.weights_dir is None else str(self.weights_dir)
        return _named(self.backbone, self.layer, str(self.weights), where, self.seed)

    def _embeddings(self, images: Sequence[Any]) -> NDArray[np.float32]:
        """Embeddings (N, D), made for images that this network has not seen."""
        backbone = getattr(self, "backbone_", None) or self._built()
        kept = _KEPT.setdefault(backbone, {})
        photographs = [photograph_of(one) for one in images]
        names = [_digest(one) for one in photographs]
        new = {n: p for n, p in zip(names, photographs, strict=True) if n not in kept}
        keys = list(new)
        with torch.no_grad():
            for start in range(0, len(keys), self.batch_size):
                some = keys[start : start + self.batch_size]
                pixels = torch.stack([backbone.transform(new[name]) for name in some])
                rows = embedded(backbone.trunk, pixels.to(backbone.device))
                kept.update(zip(some, rows, strict=True))
        return np.stack([kept[name] for name in names])


def _images(X: Any) -> Sequence[Any]:
    """Images one by one: of a sequence, a column of a table, or an array (N, H, W, 3)."""
    if isinstance(X, str | Path | Image.Image):
        raise RequestError("expected a sequence of images, got a single one; give [image]")
    array = X if isinstance(X, list | tuple) else np.asarray(X)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]  # a table of one column, as pipelines hand it on
    if isinstance(array, np.ndarray) and array.ndim not in (1, 3, 4):
        raise RequestError(
            f"expected N images as paths, PIL images or arrays (N, H, W, 3), got an array of shape "
            f"{array.shape}"
        )
    images = list(array)
    if not images:
        raise RequestError("expected at least one image, got none")
    return images


def _digest(image: Image.Image) -> str:
    return hashlib.sha256(repr(image.size).encode() + image.tobytes()).hexdigest()


@lru_cache(maxsize=2)
def _named(
    name: str, layer: str | None, weights: str, weights_dir: str | None, seed: int
) -> Backbone:
    """Build a backbone by name; clones of one estimator get the same."""
    from aisthesis.studies.ratings.explaining.functions import backbone

    return backbone(name, layer=layer, weights=weights, weights_dir=weights_dir, seed=seed)
