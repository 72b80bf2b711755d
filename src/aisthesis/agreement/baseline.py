"""Activation baseline: how much of an importance map is only where the layer is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.pairs import compare
from aisthesis.errors import RequestError
from aisthesis.maps.aligned import aligned

__all__ = ["activation_baseline", "baseline_table"]


def activation_baseline(
    maps: Mapping[str, Any],
    activations: Mapping[str, Any],
    metrics: Sequence[str] = ("cosine",),
    size_px: int = 224,
) -> pd.DataFrame:
    """Compare each backbone's importance maps with its layer's mean activation.

    Parameters
    ----------
    maps
        (N, h, w) AIS or evidence maps by backbone.
    activations
        (N, h, w) mean of the target layer's activations over channels, by backbone.
    metrics
        Names out of `METRICS`.
    size_px
        Side of the pixel grid on which both are z-scored and compared.

    Returns
    -------
    DataFrame
        ``image, metric, backbone, value``, rows by backbone, image, metric; NaN where undefined.
        `summarise` makes one row per metric and backbone of it.
    """
    missing = [name for name in maps if name not in activations]
    if missing:
        raise RequestError(
            f"expected the mean activations of every backbone, those of {', '.join(missing)} are "
            "missing; give them under the same name as the maps"
        )
    names = [one.name for one in metrics_named(metrics)]
    both = {("map", name): one for name, one in maps.items()}
    both |= {("activation", name): activations[name] for name in maps}
    pairs = [(("map", name), ("activation", name)) for name in maps]
    same = aligned(both)
    values = compare(same.arrays, pairs, names, size_px)
    return baseline_table(values, names, list(maps), same.images)


def baseline_table(
    values: NDArray[np.float64],
    metrics: Sequence[str],
    backbones: Sequence[str],
    images: Any = None,
) -> pd.DataFrame:
    """Put (N, metrics, backbones) values into the long table of `activation_baseline`.

    `images` are the names for the column of that name; 0 to N - 1 without.
    """
    called = np.arange(len(values)) if images is None else np.asarray(images)
    backbone, image, metric = (
        axis.ravel() for axis in np.indices(values.transpose(2, 0, 1).shape, dtype=np.int32)
    )
    return pd.DataFrame(
        {
            "image": called[image],
            "metric": np.array(metrics, dtype=object)[metric],
            "backbone": np.array(backbones, dtype=object)[backbone],
            "value": values.transpose(2, 0, 1).ravel(),
        }
    )
