"""A backbone: a frozen network with the layer, transform and weights that go with it."""

from __future__ import annotations

import hashlib
import inspect
import json
from dataclasses import InitVar, dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from aisthesis.backbones.copying import independent_copies
from aisthesis.backbones.layouts import MapLayout
from aisthesis.backbones.probe import probe
from aisthesis.backbones.trunk import Embed, FrozenTrunk
from aisthesis.backbones.weights import WeightsRecord, tensors_digest
from aisthesis.errors import RequestError
from aisthesis.images import Transform

__all__ = ["Backbone"]

GIVEN = WeightsRecord(kind="given", source="a network that the caller built")


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen network, the layer of it that is explained, and what its images go through.

    The network is tried with two noise images when the backbone is made, so that a wrong layer or
    an embedding of the wrong shape comes to light before a long run.

    Parameters
    ----------
    module : torch.nn.Module
        Takes normalised images (N, 3, H, W), float32. It is copied, and the copy is frozen: no
        gradient, `eval()` for good. Yours is left as it is, and later changes to it do not reach
        the backbone.
    layer : str, optional
        Dotted path inside `module` of the layer that is explained, or `deepest` for the last
        convolution whose output is a map; None for a backbone that only predicts. A ResNet's
        `features.7.2.conv3` is taken as `layer4.2.conv3`, and stored so.
    transform : Transform
        What an image goes through first; the network is tried at its crop size.
    embed : {"pool"}, callable, torch.nn.Module or None
        What makes an embedding (N, D) of the network's output: nothing (the default), the global
        average pool of maps (N, C, h, w), or a function of the output. Fingerprints tell functions
        apart by name and source; one that depends on other variables should be a module instead.
    name : str, optional
        How tables and files call the backbone; the class's name in lower case unless given.
    network : str, optional
        Library and architecture, for provenance; the class's full name unless given.
    weights : WeightsRecord, optional
        Where the weights came from. Its `sha256` is always computed from the network in use.
    copy : bool, optional
        False hands `module` itself over: it is frozen in place and stays so.

    Attributes
    ----------
    trunk : FrozenTrunk
        Normalised images (N, 3, H, W) to embeddings (N, D).
    layout : MapLayout or None
        Where channels and grid are in the layer's output.
    embedding_dim : int
        D.

    Raises
    ------
    RequestError
        If the layer does not exist or gives no map, or the embedding is not (N, D), finite and
        each image's own. Each fault has its own message.

    Examples
    --------
    >>> from torch import nn
    >>> import aisthesis as ais
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU())
    >>> seen = ais.Transform(32, 32)
    >>> own = ais.Backbone(network, layer="0", transform=seen, embed="pool", name="own")
    >>> own.embedding_dim, own.layout.height_map
    (8, 15)
    """

    module: nn.Module = field(repr=False)
    layer: str | None = field(default=None, kw_only=True)
    transform: Transform = field(kw_only=True)
    embed: Embed = field(default=None, kw_only=True, repr=False)
    name: str = field(default="", kw_only=True)
    network: str = field(default="", kw_only=True)
    weights: WeightsRecord = field(default=GIVEN, kw_only=True)
    copy: InitVar[bool] = field(default=True, kw_only=True)

    trunk: FrozenTrunk = field(init=False, repr=False)
    layout: MapLayout | None = field(init=False, repr=False)
    embedding_dim: int = field(init=False)

    def __post_init__(self, copy: bool) -> None:
        _check_kinds(self.module, self.transform, self.embed, self.layer)
        kind = type(self.module)
        module, embed = self.module, self.embed
        if copy:
            module, embed = independent_copies(module, embed)
        trunk = FrozenTrunk(module, embed)
        name = self.name or kind.__name__.lower()
        probed = probe(trunk, self.layer, self.transform, name)
        digest = tensors_digest(trunk)
        for attribute, value in {
            "module": module,
            "embed": embed,
            "name": name,
            "network": self.network or f"{kind.__module__}.{kind.__qualname__}",
            "weights": replace(self.weights, sha256=digest),
            "layer": probed.layer.path if probed.layer else None,
            "trunk": trunk,
            "layout": probed.layer.layout if probed.layer else None,
            "embedding_dim": probed.embedding_dim,
        }.items():
            object.__setattr__(self, attribute, value)

    @property
    def trunk_layer(self) -> str | None:
        """Dotted path of the layer inside `trunk`."""
        return None if self.layer is None else f"module.{self.layer}"

    @property
    def map_shape(self) -> tuple[int, int, int] | None:
        """(C, h, w) of the layer's output for one image; None for prediction only."""
        return self.layout.shape if self.layout else None

    @property
    def input_px(self) -> int:
        """Side of the square that the network reads; of another rectangle the longer side."""
        return max(self.transform.size_px)

    @property
    def input_size_px(self) -> tuple[int, int]:
        """Height and width of what the network reads."""
        return self.transform.size_px

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next((p.device for p in self.trunk.parameters()), torch.device("cpu"))

    @cached_property
    def n_parameters(self) -> int:
        """Number of the trunk's parameters (the dropped classifier does not count)."""
        return sum(parameter.numel() for parameter in self.trunk.parameters())

    @cached_property
    def embedding_fingerprint(self) -> str:
        """Digest of all that embeddings depend on: architecture, tensors, embed and transform."""
        return _digest(
            network=self.network,
            architecture=repr(self.trunk.module),
            embed=_embed_identity(self.embed),
            weights=self.weights.sha256,
            transform=self.transform.identity(),
        )

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that maps depend on: `embedding_fingerprint` and the layer."""
        return _digest(embedding=self.embedding_fingerprint, layer=self.layer)

    def to_map(self, output: Tensor) -> Tensor:
        """Give the layer's output as maps (N, C, h, w), whatever its own layout is.

        Raises
        ------
        RequestError
            If the backbone has no layer.
        """
        if self.layout is None:
            raise RequestError(
                f"{self.name} is for prediction only; name a layer of it to have maps"
            )
        return self.layout.to_map(output)

    def as_dict(self) -> dict[str, Any]:
        """Give what provenance records of a backbone, ready for JSON."""
        return {
            "name": self.name,
            "network": self.network,
            "layer": self.layer,
            "map_shape": list(self.map_shape) if self.map_shape else None,
            "embedding_dim": self.embedding_dim,
            "n_parameters": self.n_parameters,
            "transform": self.transform.as_dict(),
            "weights": self.weights.as_dict(),
            "fingerprint": self.fingerprint,
        }


def _check_kinds(module: Any, transform: Any, embed: Any, layer: Any) -> None:
    if not isinstance(module, nn.Module):
        raise RequestError(f"a backbone needs a torch.nn.Module, but it was given {_kind(module)}")
    if not isinstance(transform, Transform):
        raise RequestError(
            f"a backbone needs an aisthesis.images.Transform, but it was given {_kind(transform)}"
        )
    if not (embed is None or callable(embed) or embed == "pool"):
        raise RequestError(
            f'embed should be None, "pool" or a function of the network\'s output, '
            f"but it is {embed!r}"
        )
    if not (layer is None or isinstance(layer, str)):
        raise RequestError(f"layer should be a dotted path or None, but it is {_kind(layer)}")


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def _embed_identity(embed: Embed) -> str:
    """Tell one `embed` from another; a function by its name and source."""
    if embed is None or isinstance(embed, str):
        return str(embed)
    if isinstance(embed, nn.Module):
        return repr(embed)  # its tensors are in the weights' digest
    name = f"{embed.__module__}.{getattr(embed, '__qualname__', type(embed).__qualname__)}"
    try:
        return f"{name}\n{inspect.getsource(embed)}"
    except (OSError, TypeError):
        return name


def _digest(**parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
