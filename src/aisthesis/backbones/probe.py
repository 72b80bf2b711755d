"""A network is tried with noise images before a long run depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aisthesis.backbones.initialise import noise_images
from aisthesis.backbones.layers import DEEPEST, Layer, Scan, scan_network
from aisthesis.backbones.places import place_fault
from aisthesis.backbones.trunk import FrozenTrunk
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.images import Transform

__all__ = ["Probed", "probe"]

N_IMAGES = 2
SEED = 0
# Batched arithmetic may round otherwise than single-image arithmetic, but no more than this.
BATCH_TOLERANCE = 1e-2
NO_LAYER = 'use layer="none" for predictions only'


@dataclass(frozen=True)
class Probed:
    """What two noise images showed: the layer (None if none was asked for) and D."""

    layer: Layer | None
    embedding_dim: int


def probe(trunk: FrozenTrunk, layer: str | None, transform: Transform, called: str) -> Probed:
    """Try `trunk` with two noise images of the transform's crop size, and then with one of them.

    Parameters
    ----------
    trunk : FrozenTrunk
        The network.
    layer : str or None
        Path inside `trunk.module`, or `deepest`.
    transform : Transform
        Gives the images' size.
    called : str
        How messages call the network.

    Raises
    ------
    RequestError
        For each fault its own message; see `Backbone`.
    """
    device = _common_device(trunk, called)
    images = noise_images(transform, N_IMAGES, SEED).to(device)
    scan = _scan(trunk, images, called)
    embedding = _check_embedding(scan.output, called)
    found = None if layer is None else _layer(trunk, scan, layer, images, embedding)
    with torch.no_grad():
        alone = trunk(images[:1])
    _check_independence(embedding, alone, called)
    return Probed(found, embedding.shape[1])


def _layer(trunk: FrozenTrunk, scan: Scan, asked: str, images: Tensor, embedding: Tensor) -> Layer:
    """Give the layer asked for, whose places must be where they seem and have an effect."""
    if asked != DEEPEST:
        layer = scan.layer(asked)
        fault = place_fault(trunk, scan, layer, images, embedding)
        if fault is None:
            return layer
        others = _sound(trunk, scan, scan.from_deepest(), images, embedding)
        remedy = f"the deepest that can be taken: {others.path}" if others else NO_LAYER
        raise RequestError(f"layer {asked!r} of {scan.called} cannot be taken: {fault}; {remedy}")
    found = _sound(trunk, scan, scan.from_deepest(), images, embedding)
    if found is None:
        raise RequestError(
            f"no layer of {scan.called} has places that lie where they seem to and have an effect "
            f"on the embedding; {NO_LAYER}"
        )
    return found


def _sound(
    trunk: FrozenTrunk, scan: Scan, layers: list[Layer], images: Tensor, embedding: Tensor
) -> Layer | None:
    tried = (each for each in layers if not place_fault(trunk, scan, each, images, embedding))
    return next(tried, None)


def _common_device(trunk: FrozenTrunk, called: str) -> torch.device:
    tensors = [t for t in trunk.state_dict().values() if isinstance(t, Tensor)]
    floating = {str(t.dtype) for t in tensors if t.is_floating_point()} - {"torch.float32"}
    if floating:
        raise RequestError(
            f"{called} holds {', '.join(sorted(floating))} tensors, but images are float32; "
            "convert it with module.float()"
        )
    devices = {t.device for t in tensors} or {torch.device("cpu")}
    if len(devices) > 1:
        raise RequestError(
            f"{called} is spread over {', '.join(sorted(str(d) for d in devices))}; "
            "put it on one device with module.to(device)"
        )
    return devices.pop()


def _scan(trunk: FrozenTrunk, images: Tensor, called: str) -> Scan:
    try:
        return scan_network(trunk.module, images, through=trunk, called=called)
    except AisthesisError:
        raise
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError) as e:
        raise RequestError(
            f"{called} could not take a batch of shape {tuple(images.shape)}: "
            f"{type(e).__name__}: {' '.join(str(e).split())}; give a network of normalised "
            "colour images and a transform whose crop_px suits it"
        ) from e


def _check_embedding(output: Any, called: str) -> Tensor:
    if not isinstance(output, Tensor):
        raise RequestError(
            f"{called} gave a {type(output).__name__} for a batch of images, but the embedding "
            "must be a tensor (N, D); give embed= a function that takes it from the output"
        )
    shape = tuple(output.shape)
    if output.ndim != 2:
        remedy = 'embed="pool"' if output.ndim == 4 else "embed= a function of the output"
        raise RequestError(
            f"the embedding must have two axes (N, D), but {called} gave {shape}; use {remedy}"
        )
    if shape[0] != N_IMAGES or shape[1] == 0:
        raise RequestError(
            f"the embedding of {N_IMAGES} images must be ({N_IMAGES}, D), but {called} gave {shape}"
        )
    if not output.is_floating_point():
        raise RequestError(
            f"the embedding must be floating-point, but {called} gave {output.dtype}"
        )
    if not bool(torch.isfinite(output).all()):
        raise RequestError(
            f"the embedding that {called} gives for noise images holds NaN or infinite values; "
            "look at its weights and at the transform's mean and std"
        )
    return output


def _check_independence(together: Tensor, alone: Tensor, called: str) -> None:
    scale = together.abs().max().clamp_min(torch.finfo(together.dtype).tiny)
    if bool((together[:1] - alone).abs().max() > BATCH_TOLERANCE * scale):
        raise RequestError(
            f"{called} gives an image another embedding in another batch, so its predictions would "
            "not be the image's own; it draws random numbers or normalises over the batch "
            "(a BatchNorm without running statistics does)"
        )
