"""Stand-ins: networks with the shapes of a study's own that cost next to nothing.

What a study does with scores, maps and tables depends on their shapes alone, so a plan measures it
on these. A stand-in is made out of its name, in whatever process.
"""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn

from aisthesis.backbones import Backbone
from aisthesis.images import Transform

__all__ = ["is_stand_in", "stand_in", "stand_in_name", "stand_in_transform"]

_PREFIX = "stand-in "
_MIXED = 8  # channels after the convolution in which those of the layer meet


def stand_in_name(backbone: Backbone, *, mixes: bool) -> str:
    """Name the stand-in of a network.

    Parameters
    ----------
    backbone : Backbone
    mixes : bool
        Whether the layer's channels meet in the network itself, so that each of them changes the
        whole embedding.
    """
    shape = backbone.map_shape
    about = {
        "name": backbone.name, "shape": list(shape) if shape else None, "mixes": mixes,
        "embedding": backbone.embedding_dim, "transform": backbone.transform.as_dict(),
    }  # fmt: skip
    return _PREFIX + json.dumps(about)


def is_stand_in(name: str) -> bool:
    """Whether a backbone's name is that of a stand-in."""
    return name.startswith(_PREFIX)


def stand_in_transform(name: str) -> Transform:
    """What images go through: the same as for the network that is stood in for."""
    return Transform(**_about(name)["transform"])


def stand_in(name: str) -> Backbone:
    """Make a stand-in, the same for the same name."""
    about = _about(name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        module = _Shapes(about["shape"], about["embedding"], mixes=about["mixes"])
    return Backbone(
        module,
        layer="layer" if about["shape"] else None,
        transform=stand_in_transform(name),
        name=about["name"],
        network="stand-in",
        copy=False,
    )


def _about(name: str) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(name.removeprefix(_PREFIX))
    return about


class _Shapes(nn.Module):
    """Coarse colours through one layer of the shape (C, h, w) to an embedding of D entries."""

    def __init__(self, shape: tuple[int, int, int] | None, embedding: int, *, mixes: bool) -> None:
        super().__init__()
        channels, rows, columns = shape or (embedding, 2, 2)
        mixes = mixes or channels > embedding
        self.coarse = nn.AdaptiveAvgPool2d((rows, columns))
        self.layer = nn.Conv2d(3, channels, 1)
        self.relu = nn.ReLU()
        self.mix = nn.Conv2d(channels, _MIXED, 3, padding=1) if mixes else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        # Either every entry is made of all channels, or the first ones are theirs.
        self.whole = nn.Linear(_MIXED, embedding) if mixes else nn.Identity()
        n_others = 0 if mixes else embedding - channels
        self.others = nn.Conv2d(3, n_others, 1) if n_others else None

    def forward(self, images: Tensor) -> Tensor:
        coarse = self.coarse(images)
        own = self.pool(self.mix(self.relu(self.layer(coarse)))).flatten(1)
        if self.others is None:
            return self.whole(own)
        return torch.cat([own, self.pool(self.others(coarse)).flatten(1)], 1)
