"""`maps.zarr`: what its groups hold, one per backbone, and how they are opened.

A backbone's group holds AIS and evidence maps; maps by other explainers have grids of their own
and so a group each inside it, named after the explainer.
"""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from aisthesis.errors import RequestError
from aisthesis.names.labels import slug
from aisthesis.store.store_index import group_attributes

__all__ = ["DIMENSIONS", "IMAGES_A_CHUNK", "LONG_NAMES", "group_key", "open_maps"]

IMAGES_A_CHUNK = 32

_PER_CHANNEL = ("seed", "image", "channel")
_PER_POSITION = ("seed", "image", "y", "x")
DIMENSIONS = {
    "ais": _PER_POSITION,
    "evidence": _PER_POSITION,
    "ais_place": _PER_POSITION,
    "evidence_place": _PER_POSITION,
    "importance": _PER_CHANNEL,
    "delta_prediction": _PER_CHANNEL,
    "activation": ("image", "y", "x"),
}
LONG_NAMES = {
    "ais": "heatmap weighted by the Alignment-Importance Score (rating units x activation)",
    "evidence": "heatmap weighted by the evidence score (rating units x activation)",
    "ais_place": "Alignment-Importance Score of each place, all channels removed (rating units)",
    "evidence_place": "evidence of each place, all channels removed (rating units)",
    "importance": "Alignment-Importance Score of each channel (rating units)",
    "delta_prediction": "prediction without the channel minus prediction (rating units)",
    "activation": "mean of the layer's activations over channels",
}


def group_key(root: Path, label: str) -> str | None:
    """The key that a finished group was written under; None where there is no finished group."""
    attributes = group_attributes(root / slug(label)) or {}
    return str(attributes.get("key")) if attributes.get("complete") else None


def open_maps(root: Path, label: str) -> xr.Dataset:
    """Open a backbone's maps lazily.

    Raises
    ------
    RequestError
        If the study holds no maps of that backbone.
    """
    if group_key(root, label) is None:
        raise RequestError(f"{root} holds no maps of {label}; run `aisthesis explain` first")
    return xr.open_zarr(root / slug(label), consolidated=False, chunks=None)
