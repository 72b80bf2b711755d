"""Activation baseline: how much of an importance map is only where the layer is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.pairs import stacks_of
from aisthesis.errors import RequestError

__all__ = ["activation_baseline"]


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
    wanted = metrics_named(metrics)
    tables = []
    for backbone, one in maps.items():
        both = {"importance": one, "activation": activations[backbone]}
        for start, stacks in stacks_of(both, size_px):
            images = start + np.arange(len(stacks["importance"]))
            for order, metric in enumerate(wanted):
                value = metric(stacks["importance"], stacks["activation"]).cpu().numpy()
                tables.append(
                    pd.DataFrame(
                        {
                            "image": images,
                            "metric": metric.name,
                            "backbone": backbone,
                            "value": value,
                            "order": order,
                        }
                    )
                )
    if not tables:
        return pd.DataFrame(columns=["image", "metric", "backbone", "value"])
    table = pd.concat(tables, ignore_index=True)
    position = table["backbone"].map({name: place for place, name in enumerate(maps)})
    table = table.assign(position=position).sort_values(
        ["position", "image", "order"], kind="stable", ignore_index=True
    )
    return table.drop(columns=["position", "order"])
