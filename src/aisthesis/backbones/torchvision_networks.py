"""Recipes for torchvision's classification networks, the seven known ones among them."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from torch import nn

from aisthesis.backbones.known import KNOWN, KnownBackbone
from aisthesis.backbones.recipe import Network, Recipe, scaled_px
from aisthesis.backbones.weights import WeightsFile
from aisthesis.errors import AisthesisError, RequestError, nearest, or_list
from aisthesis.images import Transform
from aisthesis.loading import loading

__all__ = ["is_torchvision_network", "known_recipe", "torchvision_recipe"]

PREFIX = "torchvision:"
N_CLASSES = 1000

# Both were ported from TensorFlow: with official weights they undo the usual normalisation
# themselves. Their auxiliary classifiers only serve training.
_AUXILIARY = {"inception_v3": ("AuxLogits",), "googlenet": ("aux1", "aux2")}
_PORTED = {"aux_logits": False, "transform_input": True, "init_weights": True}

_FIXED_SIZE_PREFIX = "vit_"  # built for one input size
_NEEDS_MEMORY_PREFIX = "regnet_"  # computes its widths with tensors, so the meta device fails


def known_recipe(known: KnownBackbone, input_px: int | None = None) -> Recipe:
    """Give the recipe of one of the seven; `input_px` overrides its input size."""
    weights = _models().get_weight(known.transform_of)

    transform = _transform(weights, known.input_px if input_px is None else input_px)

    def build() -> Network:
        network = _build(known.network, transform.size_px[0])
        # A file with a classifier is then another network's of the same name (resnet50.pth).
        return network if known.has_classifier else Network(network.module, dropped=())

    return Recipe(
        name=known.name,
        network=f"torchvision {known.network}",
        build=build,
        transform=transform,
        layer=known.layer or "none",
        official=known.weights,
    )


def torchvision_recipe(name: str, input_px: int | None = None) -> Recipe:
    """Give the recipe of `torchvision:NAME`; unless a layer is named, the deepest is taken.

    Raises
    ------
    RequestError
        If torchvision has no classification network of that name; the nearest are named.
    """
    models = _models()
    network = name.removeprefix(PREFIX)
    names = models.list_models(module=models)
    if network not in names:
        near = [PREFIX + found for found in nearest(network, names)]
        known = [found for found in KNOWN if found == network]
        raise RequestError(
            f"torchvision has no classification network {network!r}; "
            f"the nearest: {or_list([*known, *near]) or 'none'}"
        )
    weights = models.get_model_weights(network).DEFAULT
    transform = _transform(weights, input_px)
    return Recipe(
        name=name,
        network=f"torchvision {network}",
        build=lambda: _build(network, transform.size_px[0]),
        transform=transform,
        layer="deepest",
        official=_official_file(weights.url),
        builds_on_meta=not network.startswith(_NEEDS_MEMORY_PREFIX),
    )


def is_torchvision_network(name: str) -> bool:
    """Whether torchvision has a classification network of that name (without prefix)."""
    models = _models()
    return name in models.list_models(module=models)


def _models() -> ModuleType:
    with loading():  # takes seconds, and the table of backbones does without
        import torchvision.models

    return torchvision.models


def _build(network: str, crop_px: int) -> Network:
    auxiliary = _AUXILIARY.get(network, ())
    arguments: dict[str, Any] = dict(_PORTED) if auxiliary else {}
    if network.startswith(_FIXED_SIZE_PREFIX):
        arguments["image_size"] = crop_px
    module = _models().get_model(network, weights=None, **arguments)
    return Network(module, (_take_off_classifier(module), *auxiliary))


def _take_off_classifier(module: nn.Module) -> str:
    """Replace the last layer that gives one number per class by the identity; give its path."""
    found = [
        path
        for path, part in module.named_modules()
        if (isinstance(part, nn.Linear) and part.out_features == N_CLASSES)
        or (isinstance(part, nn.Conv2d) and part.out_channels == N_CLASSES)
    ]
    if not found:
        raise AisthesisError(f"{type(module).__name__} has no classifier of {N_CLASSES} classes")
    parent, _, child = found[-1].rpartition(".")
    setattr(module.get_submodule(parent), child, nn.Identity())
    return found[-1]


def _transform(weights: Any, input_px: int | None) -> Transform:
    preset = weights.transforms()
    resize_px, crop_px = scaled_px(preset.resize_size[0], preset.crop_size[0], input_px)
    return Transform(
        resize_px=resize_px,
        crop_px=crop_px,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
        interpolation=preset.interpolation.value,
    )


def _official_file(url: str) -> WeightsFile:
    file_name = PurePosixPath(urlparse(url).path).name
    _, dash, prefix = PurePosixPath(file_name).stem.rpartition("-")
    return WeightsFile(url, file_name, sha256_prefix=prefix if dash and _is_hash(prefix) else "")


def _is_hash(text: str) -> bool:
    return len(text) >= 8 and set(text) <= set("0123456789abcdef")
