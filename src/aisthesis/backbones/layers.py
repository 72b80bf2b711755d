"""Layers of a network: their names, their outputs' shapes, and the nearest ones to a wrong name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from aisthesis.backbones.layouts import MapLayout, layout_of
from aisthesis.errors import RequestError, nearest, or_list

__all__ = ["Layer", "Scan", "modern_path", "scan_network"]

DEEPEST = "deepest"

_NUMBERED_CHILD = re.compile(r"features\.(\d+)(\..+)?")


@dataclass(frozen=True)
class Layer:
    """A layer whose output is channels on a grid.

    Parameters
    ----------
    path : str
        Dotted path inside the network.
    kind : str
        Name of the layer's class.
    layout : MapLayout
        Where channels and grid are in its output.
    """

    path: str
    kind: str
    layout: MapLayout

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the output for one image."""
        return self.layout.shape


@dataclass(frozen=True)
class _Call:
    path: str
    shape: tuple[int, ...] | None  # None: the output is no tensor


def modern_path(module: nn.Module, path: str) -> str:
    """Give the path inside `module` for either spelling of a ResNet's layers.

    `features.K...` numbers a ResNet's children without its pooling and classifier, so that
    `features.7.2.conv3` is `layer4.2.conv3`. Any other path is given back as it is.
    """
    match = _NUMBERED_CHILD.fullmatch(path)
    children = [name for name, _ in module.named_children()]
    is_resnet = {"layer1", "layer4"} <= set(children) and "features" not in children
    if match is None or not is_resnet:
        return path
    number, rest = int(match[1]), match[2] or ""
    numbered = children[: children.index("layer4") + 1]
    return numbered[number] + rest if number < len(numbered) else path


@dataclass(frozen=True)
class Scan:
    """What one pass of a batch through a network shows of its layers.

    Parameters
    ----------
    layers : dict of str to Layer
        Every layer whose output is a map, in the network's own order.
    output : object
        What the pass gave.
    """

    module: nn.Module = field(repr=False)
    layers: dict[str, Layer]
    output: Any = field(repr=False)
    _calls: tuple[_Call, ...] = field(repr=False)
    _n_images: int
    called: str

    def layer(self, path: str) -> Layer:
        """Give the layer that `path` names: either spelling of a ResNet's layers, or `deepest`.

        Raises
        ------
        RequestError
            If there is no such layer, or its output is no map; the nearest right ones are named.
        """
        if path == DEEPEST:
            return self.deepest()
        inner = modern_path(self.module, path)
        if inner in self.layers:
            return self.layers[inner]
        if inner == "" or inner not in dict(self.module.named_modules()):
            raise RequestError(
                f"there is no layer {path!r} in {self.called}; {self._suggest(inner)}"
            )
        shapes = [call.shape for call in self._calls if call.path == inner]
        raise RequestError(
            f"layer {path!r} of {self.called} cannot be taken: "
            f"{_why_unusable(shapes, self._n_images)}; {self._suggest(inner)}"
        )

    def in_order(self) -> list[str]:
        """Paths of the layers in the order in which they ran."""
        return [call.path for call in self._calls if call.path in self.layers]

    def deepest(self) -> Layer:
        """The last convolution (in transformers: linear map) to run whose output is a map."""
        return self.from_deepest()[0]

    def from_deepest(self) -> list[Layer]:
        """The deepest layer and then those before it, of its own shape first.

        One block earlier the layer of the same shape does the same work; a layer of another shape
        (queries, keys and values side by side) does other work.
        """
        maps = self._convolutions()
        if not maps:
            raise RequestError(
                f"{self.called} has no convolution whose output is a map, so none is the "
                'deepest; name a layer, or layer="none" for predictions only'
            )
        layers = [self.layers[path] for path in reversed(maps)]
        return sorted(layers, key=lambda layer: layer.shape != layers[0].shape)

    def _convolutions(self) -> list[str]:
        parts = dict(self.module.named_modules())
        return [
            call.path
            for call in self._calls
            if call.path in self.layers and isinstance(parts[call.path], nn.Conv2d | nn.Linear)
        ]

    def _suggest(self, path: str) -> str:
        if not self.layers:
            return 'none of its layers can be taken; use layer="none" for predictions only'
        near = nearest(path, self.layers)
        maps = self._convolutions()
        if maps and maps[-1] not in near:
            near.append(maps[-1])
        described = [f"{name} ({_times(self.layers[name].shape)})" for name in near]
        return f"the nearest that can be taken: {or_list(described or list(self.layers)[-3:])}"


def scan_network(
    module: nn.Module,
    images: Tensor,
    through: nn.Module | None = None,
    called: str = "this network",
) -> Scan:
    """Run one batch and note the shape of every layer's output; every hook is removed again.

    Parameters
    ----------
    module : torch.nn.Module
        The network whose layers are wanted, in evaluation mode.
    images : torch.Tensor
        A batch (N, 3, H, W), N ≥ 2 so that the batch axis can be told from others.
    through : torch.nn.Module, optional
        What the batch is given to, where `module` is a part of it.
    called : str, optional
        How messages call the network.
    """
    calls: list[_Call] = []
    with _watched(module, calls), torch.no_grad():
        output = (module if through is None else through)(images)
    layers = _usable_layers(module, calls, images.shape)
    return Scan(module, layers, output, tuple(calls), images.shape[0], called)


def _usable_layers(
    module: nn.Module, calls: list[_Call], images: tuple[int, ...]
) -> dict[str, Layer]:
    size_px = (images[-2], images[-1])
    shapes: dict[str, list[tuple[int, ...] | None]] = {}
    for call in calls:
        shapes.setdefault(call.path, []).append(call.shape)
    usable = {}
    for path, part in module.named_modules():
        found = shapes.get(path, [])
        if path == "" or len(found) != 1 or found[0] is None:
            continue
        layout = layout_of(found[0], images[0], size_px)
        if layout is not None:
            usable[path] = Layer(path, type(part).__name__, layout)
    return usable


def _why_unusable(shapes: list[tuple[int, ...] | None], n_images: int) -> str:
    if not shapes:
        return "it does not run in a pass of the network"
    if len(shapes) > 1:
        return f"it runs {len(shapes)} times in one pass, so its output is not one map"
    if shapes[0] is None:
        return "its output is not a tensor"
    return f"its output {shapes[0]} for {n_images} images holds no channels on a grid"


def _times(shape: tuple[int, int, int]) -> str:
    return " × ".join(str(size) for size in shape)


@contextmanager
def _watched(module: nn.Module, calls: list[_Call]) -> Iterator[None]:
    handles = []
    try:
        # A part that hangs at two places of the network has two paths; both are recorded.
        for path, part in module.named_modules(remove_duplicate=False):

            def note(_part: nn.Module, _inputs: Any, output: Any, path: str = path) -> None:
                shape = tuple(output.shape) if isinstance(output, Tensor) else None
                calls.append(_Call(path, shape))

            handles.append(part.register_forward_hook(note))
        yield
    finally:
        for handle in handles:
            handle.remove()
