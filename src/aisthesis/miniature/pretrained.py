"""Miniature backbones with the weights that come with the package."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.overrides import TorchFunctionMode

from aisthesis.backbones import KNOWN, Backbone, WeightsRecord
from aisthesis.backbones.initialise import random_network
from aisthesis.backbones.recipe import Network, Recipe, scaled_px
from aisthesis.backbones.state import not_finite
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.images import Transform, View
from aisthesis.miniature.networks import BUILDERS, LAYERS, build, embedding_network, require_known

__all__ = [
    "MINIATURES",
    "MINIATURE_PREFIX",
    "miniature_backbone",
    "miniature_transform",
    "miniature_weights",
    "training_record",
]

MINIATURE_PREFIX = "miniature:"
MINIATURES: tuple[str, ...] = tuple(BUILDERS)
DEFAULT, RANDOM = "default", "random"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Side after resizing, side of the crop and interpolation: those of the full-size networks.
_GEOMETRY: dict[str, tuple[int, int, str]] = {
    "vgg16": (256, 224, "bilinear"),
    "vgg19": (256, 224, "bilinear"),
    "resnet152": (232, 224, "bilinear"),
    "densenet161": (256, 224, "bilinear"),
    "efficientnet_b3": (273, 256, "bicubic"),
    "barlow_twins": (256, 224, "bilinear"),
}


def miniature_backbone(
    name: str,
    *,
    layer: str | None = None,
    weights: str | Path = DEFAULT,
    seed: int = 0,
    label: str | None = None,
    input_px: int | None = None,
    view: View | None = None,
) -> Backbone:
    """Make one of the six miniature backbones; its weights come with the package.

    Parameters
    ----------
    name : str
        ``vgg16``, ``vgg19``, ``resnet152``, ``densenet161``, ``efficientnet_b3`` or
        ``barlow_twins``, with or without the prefix ``miniature:``.
    layer : str, optional
        Dotted path, ``deepest``, or ``none`` for prediction only; by default the layer of the
        full-size backbone.
    weights : {"default", "random"} or path
        The package's own, random ones by ``seed`` (the control that has learnt nothing), or a
        ``.safetensors`` file as ``tools/train_miniatures.py`` writes it.
    seed : int
        Seed of random weights; unused otherwise.
    label : str, optional
        The backbone's name in tables; ``miniature:NAME`` by default.
    input_px : int, optional
        Side of its square input, 32 to 2048 px; 224 by default, EfficientNetB3 256.
    view : {"crop", "squash", "pad"}, optional
        Another view of photographs than its own: see `Transform`.

    Returns
    -------
    Backbone
        Frozen, its classification layer replaced by the identity.

    Raises
    ------
    RequestError
        If there is no such miniature, layer or input, or the file does not fit.
    AisthesisError
        If the package's own weights are missing or damaged.
    """
    plain = name.removeprefix(MINIATURE_PREFIX)
    require_known(plain)
    recipe = Recipe(
        name=f"{MINIATURE_PREFIX}{plain}",
        network=f"miniature {KNOWN[plain].network}",
        build=lambda: _fresh(plain),
        transform=miniature_transform(plain, view, input_px),
        layer=LAYERS[plain],
        official=None,
    )
    if str(weights) == RANDOM:
        network = random_network(recipe, seed).module
        record = WeightsRecord(kind="random", source=f"seed {seed}")
    else:
        network, record = _trained(plain, weights)
    wanted = layer or recipe.layer
    return Backbone(
        # Narrow convolutions run about twice as fast on a CPU with the channels last.
        network.to(memory_format=torch.channels_last),
        layer=None if wanted == "none" else wanted,
        transform=recipe.transform,
        name=label or recipe.name,
        network=recipe.network,
        weights=record,
        copy=False,
    )


def miniature_weights(name: str, weights: str | Path = DEFAULT) -> Path | None:
    """Where the file of a miniature's weights is; None for random ones."""
    if str(weights) == RANDOM:
        return None
    if str(weights) != DEFAULT:
        return Path(weights)
    plain = name.removeprefix(MINIATURE_PREFIX)
    require_known(plain)
    return Path(str(_packaged(f"{plain}.safetensors")))


def training_record() -> dict[str, dict[str, Any]]:
    """Give what was recorded when the package's miniatures were trained, by name.

    Returns
    -------
    dict
        For each miniature: seed, seconds, numbers of images and epochs, objective, parameters,
        bytes, ``ridge_plcc`` (a ridge regression on its embeddings against planted ratings, on
        held-out rendered images) and, where it learnt a classification, ``balanced_accuracy``.
    """
    text = _packaged("training.json").read_text(encoding="utf-8")
    record: dict[str, dict[str, Any]] = json.loads(text)
    return record


def _packaged(file_name: str) -> Any:
    return files("aisthesis.miniature") / "weights" / file_name


def miniature_transform(
    name: str, view: View | None = None, input_px: int | None = None
) -> Transform:
    """Give the transform of a miniature, which is not made; `input_px` is its side."""
    plain = name.removeprefix(MINIATURE_PREFIX)
    require_known(plain)
    resize_px, crop_px, interpolation = _GEOMETRY[plain]
    own = Transform(*scaled_px(resize_px, crop_px, input_px), MEAN, STD, interpolation)
    return own if view is None else own.seeing(view)


def _fresh(name: str) -> Network:
    network = build(name, num_classes=1)
    return Network(embedding_network(name, network), dropped=())


def _trained(name: str, weights: str | Path) -> tuple[nn.Module, WeightsRecord]:
    if str(weights) != DEFAULT:
        path = Path(weights)
        if not path.is_file():
            raise RequestError(
                f"The weights of {MINIATURE_PREFIX}{name} should be 'default', 'random' or a "
                f".safetensors file, but there is no file {path}."
            )
        return _load(name, path), _record(path, str(path), "file")
    packaged = _packaged(f"{name}.safetensors")
    if not packaged.is_file():
        raise AisthesisError(
            f"The package's weights of {MINIATURE_PREFIX}{name} are missing ({packaged}); install "
            "aisthesis again or run tools/train_miniatures.py."
        )
    with as_file(packaged) as path:
        source = f"aisthesis/miniature/weights/{name}.safetensors"
        return _load(name, path), _record(path, source, "miniature")


def _record(path: Path, source: str, kind: Any) -> WeightsRecord:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightsRecord(kind=kind, source=source, file_sha256=digest)


class _Uninitialised(TorchFunctionMode):
    """Draws no first weights, which tensors without values would take long over."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _DRAWING:
            return args[0]
        return func(*args, **(kwargs or {}))


_DRAWING = (torch.Tensor.normal_, torch.Tensor.uniform_)


def _load(name: str, path: Path) -> nn.Module:
    try:
        state = {key: value.float() for key, value in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise RequestError(f"{path} cannot be read as safetensors: {error}") from error
    with torch.device("meta"), _Uninitialised():
        network = embedding_network(name, build(name, num_classes=1))
    wanted = network.state_dict()
    unlike = [
        key
        for key, value in wanted.items()
        if not key.endswith("num_batches_tracked")
        and (key not in state or state[key].shape != value.shape)
    ]
    if unlike:
        raise RequestError(
            f"{path} does not fit {MINIATURE_PREFIX}{name}: {len(unlike)} of its {len(wanted)} "
            f"tensors are missing or have another shape, first {unlike[0]}."
        )
    spoilt = not_finite(state)
    if spoilt:
        raise RequestError(
            f"{path} holds NaN or infinity in {len(spoilt)} of its tensors, first {spoilt[0]}; "
            "give whole weights."
        )
    # Keys of the classifier are passed over; counters of batches are in no file.
    counters = {key: torch.zeros((), dtype=torch.long) for key in wanted if key not in state}
    network.load_state_dict({key: (state | counters)[key] for key in wanted}, assign=True)
    return network.eval()
