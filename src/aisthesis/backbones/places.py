"""Are the cells of a layer's map where they seem to be, and do they matter? Found by trying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from aisthesis.backbones.layers import Layer, Scan
from aisthesis.backbones.layouts import MapLayout
from aisthesis.backbones.trunk import FrozenTrunk

__all__ = ["place_fault"]

# Measured on 40 of timm's architectures: responses that lie at places have an SD over cells above
# .2, those of attention that looks everywhere below .13; a map's halves then correlate with the
# picture's by more than .6 in raster order, and by less than .12 in any other order.
LOCAL_SD = 0.2
RASTER_CORRELATION = 0.3
FEWEST_CELLS = 9
# Of the embedding's largest entry: what rounding alone may change it by.
NO_EFFECT = 1e-6
SEED = 0


@dataclass(frozen=True)
class _Response:
    """How a layer answers to changes of one half of the picture.

    Parameters
    ----------
    sd : float
        Of (far half - near half) / (both) over cells: near zero where every cell sees everything.
    correlation : float
        Of that with the half that a cell seems to lie in; the smaller one of both axes.
    """

    sd: float
    correlation: float

    @property
    def is_local(self) -> bool:
        return self.sd > LOCAL_SD

    @property
    def is_raster(self) -> bool:
        return self.is_local and self.correlation >= RASTER_CORRELATION


def place_fault(
    trunk: FrozenTrunk, scan: Scan, layer: Layer, images: Tensor, embedding: Tensor
) -> str | None:
    """Say what is wrong with the places of a layer; None if nothing is.

    Parameters
    ----------
    trunk : FrozenTrunk
        The network.
    scan : Scan
        Of the network, with the same images.
    layer : Layer
        One of the scan's.
    images : torch.Tensor
        Two images (2, 3, H, W).
    embedding : torch.Tensor
        Of the images, (2, D).
    """
    if _is_plain(trunk.module, layer.layout):
        return None
    if not _has_effect(trunk, layer, images, embedding):
        return (
            "none of its places has an effect on the embedding (noise in all of them changes "
            "nothing, as where a class token alone is read), so a map of it would show nothing"
        )
    answers = _Answers(trunk, scan, layer, images)
    if answers.are_transposed():
        return (
            f"its output (image, {', '.join(map(str, layer.layout.lengths))}) has its places along "
            "the last axis, so channels would be taken for places and places for channels"
        )
    if not answers.are_raster():
        return (
            f"its {layer.layout.height_map} × {layer.layout.width_map} cells are not in the order "
            "of the picture (a change of one half of the picture changes cells elsewhere), so a "
            "map of it would be scrambled"
        )
    return None


def _is_plain(module: nn.Module, layout: MapLayout) -> bool:
    """Whether trying is not worth its passes: torchvision's maps (N, C, h, w) are convolutions'.

    The package's miniatures are torchvision's networks, narrower.
    """
    kept = type(module).__module__.startswith(("torchvision.", "aisthesis.miniature."))
    return layout.kind == "channels_first" and kept


def _has_effect(trunk: FrozenTrunk, layer: Layer, images: Tensor, embedding: Tensor) -> bool:
    """Whether anything at the layer's places can change the embedding."""
    prefix = layer.layout.prefix_tokens
    if _moves(trunk, layer.path, prefix, images, embedding):
        return True
    if prefix and _moves(trunk, layer.path, 0, images, embedding):
        return False  # only through what has no place
    # Weights of zero, as before training, are no fault: maps are then flat, which is said.
    return _is_connected(trunk, layer.path, images)


def _moves(trunk: FrozenTrunk, path: str, prefix: int, images: Tensor, embedding: Tensor) -> bool:
    """Whether noise in the layer's output, from a token on, changes the embedding."""
    generator = torch.Generator().manual_seed(SEED)

    def noise(_part: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        changed = output.clone()
        places = changed[:, prefix:]
        drawn = torch.randn(places.shape, generator=generator).to(places)
        places.copy_((10 * places.double().std() + 1) * drawn)
        return changed

    with _hooked(trunk.module, {path: noise}), torch.no_grad():
        changed = trunk(images)
    scale = embedding.abs().max().clamp_min(torch.finfo(embedding.dtype).tiny)
    # Not "greater than": where noise leads to NaN, it has an effect.
    return not bool((changed - embedding).abs().max() <= NO_EFFECT * scale)


def _is_connected(trunk: FrozenTrunk, path: str, images: Tensor) -> bool:
    """Whether the embedding is computed from the layer's output at all."""
    leaves: list[Tensor] = []

    def leaf(_part: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        leaves.append(output.detach().requires_grad_())
        return leaves[0].clone()

    with _hooked(trunk.module, {path: leaf}), torch.inference_mode(False), torch.enable_grad():
        total = trunk(images.clone()).sum()
        if not total.requires_grad:
            return False
        return torch.autograd.grad(total, leaves[0], allow_unused=True)[0] is not None


class _Answers:
    """Where a layer's output, and those of the layers around it, change with the picture's halves.

    Parameters
    ----------
    trunk, scan, layer, images
        As for `place_fault`.
    """

    def __init__(self, trunk: FrozenTrunk, scan: Scan, layer: Layer, images: Tensor) -> None:
        self.layer, self.scan = layer, scan
        self.few = layer.layout.height_map * layer.layout.width_map < FEWEST_CELLS
        other = layer.layout.transposed(_size_px(images))
        alike = _same_grid if other is None else _any_grid
        readings = {path: each.layout for path, each in scan.layers.items() if alike(each, layer)}
        self.own = {} if self.few else _responses(trunk, readings, images)
        self.other = None
        if other is not None and not self.few:
            self.other = _responses(trunk, {layer.path: other}, images).get(layer.path)

    def are_transposed(self) -> bool:
        """Whether the layer's last axis runs over places, and the one that should over channels.

        Its own answer tells, read either way; where it has no place (tokens that are mixed), the
        lengths of the axes do: one that is no layer's number of places but is one's of channels.
        """
        own = self.own.get(self.layer.path)
        if own is None or self.other is None or own.is_raster:
            return False
        if own.is_local or self.other.is_local:
            return self.other.is_raster
        known = [self.scan.layers[path].layout for path, one in self.own.items() if one.is_raster]
        first = self.layer.layout.lengths[0]
        return first in {k.channels for k in known} and first not in {k.places for k in known}

    def are_raster(self) -> bool:
        """Whether the layer's cells lie where they seem to.

        Where its own answer has no place (attention that looks everywhere), the nearest layer of
        the same layout whose answer has one speaks for it: first those that run later.
        """
        order = [p for p in self.scan.in_order() if _same_grid(self.scan.layers[p], self.layer)]
        here = order.index(self.layer.path)
        for path in (*order[here:], *reversed(order[:here])):
            if path in self.own and self.own[path].is_local:
                return self.own[path].is_raster
        return True


def _size_px(images: Tensor) -> tuple[int, int]:
    return images.shape[-2], images.shape[-1]


def _any_grid(_one: Layer, _other: Layer) -> bool:
    return True


def _same_grid(one: Layer, other: Layer) -> bool:
    a, b = one.layout, other.layout
    return (a.kind, a.shape[1:], a.prefix_tokens) == (b.kind, b.shape[1:], b.prefix_tokens)


def _responses(
    trunk: FrozenTrunk, readings: dict[str, MapLayout], images: Tensor
) -> dict[str, _Response]:
    """Change the picture's four halves, one after another, and see where each layer changes."""
    found: dict[str, _Response] = {}

    def note(path: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_part: nn.Module, _inputs: Any, output: Tensor) -> None:
            if len(output) != 5:  # its first axis only happened to be as long as the batch
                return
            maps = readings[path].to_map(output.detach()).double()
            found[path] = _response((maps[1:] - maps[:1]).square().sum(1).sqrt())

        return hook

    with _hooked(trunk.module, {path: note(path) for path in readings}), torch.no_grad():
        trunk(_with_changed_halves(images[:1], images[1:2]))
    return found


def _with_changed_halves(image: Tensor, other: Tensor) -> Tensor:
    """The image, and it with its upper, lower, left and right half of another: (5, 3, H, W)."""
    height, width = image.shape[-2:]
    batch = image.repeat(5, 1, 1, 1)
    for number, half in enumerate((
        (slice(None, height // 2), slice(None)),
        (slice(height // 2, None), slice(None)),
        (slice(None), slice(None, width // 2)),
        (slice(None), slice(width // 2, None)),
    )):  # fmt: skip
        batch[(number + 1, slice(None), *half)] = other[(0, slice(None), *half)]
    return batch


def _response(changes: Tensor) -> _Response:
    """Of the changes (4, h, w) by the upper, lower, left and right half."""
    sds, correlations = [], []
    for axis, (near, far) in enumerate(((changes[0], changes[1]), (changes[2], changes[3]))):
        answer = (far - near) / (far + near).clamp_min(torch.finfo(changes.dtype).tiny)
        cells = torch.arange(answer.shape[axis], dtype=answer.dtype, device=answer.device)
        side = torch.sign(cells - (len(cells) - 1) / 2)
        side = side[:, None].expand_as(answer) if axis == 0 else side.expand_as(answer)
        centred, sided = answer - answer.mean(), side - side.mean()
        length = float(centred.norm() * sided.norm())
        correlations.append(float((centred * sided).sum()) / length if length > 0 else 0.0)
        sds.append(float(answer.std(correction=0)))
    return _Response(max(sds), min(correlations))


@contextmanager
def _hooked(module: nn.Module, hooks: dict[str, Callable[..., Any]]) -> Iterator[None]:
    handles = []
    try:
        for path, hook in hooks.items():
            handles.append(module.get_submodule(path).register_forward_hook(hook))
        yield
    finally:
        for handle in handles:
            handle.remove()
