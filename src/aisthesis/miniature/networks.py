"""The six networks in miniature: torchvision's topologies and module paths, fewer channels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.loading import loading

VGG_WIDTHS = (8, 16, 32, 64, 64)
VGG_HIDDEN = 128
VGG_CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


class NarrowVGG(nn.Module):
    """torchvision's VGG with an eighth of its channels and a classifier with the same indices."""

    def __init__(self, convolutions: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, count in zip(VGG_WIDTHS, convolutions, strict=True):
            for _ in range(count):
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
                before = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(VGG_WIDTHS[-1] * 7 * 7, VGG_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(VGG_HIDDEN, VGG_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(VGG_HIDDEN, num_classes),
        )
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Give (N, num_classes) of images (N, 3, H, W)."""
        scores: Tensor = self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
        return scores


def _vgg(name: str, num_classes: int) -> nn.Module:
    return NarrowVGG(VGG_CONVOLUTIONS[name], num_classes)


def _of_torchvision(name: str, num_classes: int) -> nn.Module:
    with loading():
        from aisthesis.miniature.narrow import NARROW  # loads torchvision

    return NARROW[name](name, num_classes)


BUILDERS: dict[str, Callable[[str, int], nn.Module]] = {
    "vgg16": _vgg,
    "vgg19": _vgg,
    "resnet152": _of_torchvision,
    "densenet161": _of_torchvision,
    "efficientnet_b3": _of_torchvision,
    "barlow_twins": _of_torchvision,
}

LAYERS: dict[str, str] = {
    "vgg16": "features.28",
    "vgg19": "features.28",
    "resnet152": "layer4.2.conv3",
    "densenet161": "features.denseblock4.denselayer24.conv2",
    "efficientnet_b3": "features.8.0",
    "barlow_twins": "layer4.2.conv3",
}

CLASSIFIERS: dict[str, str] = {
    "vgg16": "classifier.6",
    "vgg19": "classifier.6",
    "resnet152": "fc",
    "densenet161": "classifier",
    "efficientnet_b3": "classifier.1",
    "barlow_twins": "fc",
}


def build(name: str, num_classes: int) -> nn.Module:
    """Build a miniature with fresh weights from torch's current random state.

    Parameters
    ----------
    name : str
        One of ``vgg16``, ``vgg19``, ``resnet152``, ``densenet161``, ``efficientnet_b3`` and
        ``barlow_twins``.
    num_classes : int
        Outputs of the classification layer, at least 1.

    Returns
    -------
    torch.nn.Module
        Network with the module paths of torchvision's full-size one.

    Raises
    ------
    RequestError
        If there is no such miniature.
    """
    require_known(name)
    if num_classes < 1:
        raise RequestError(f"A network needs at least 1 output, got num_classes = {num_classes}.")
    return BUILDERS[name](name, num_classes)


def require_known(name: str) -> None:
    """Raise a RequestError that names the nearest miniatures unless ``name`` is one."""
    if name not in BUILDERS:
        close = or_list(nearest(name, BUILDERS) or BUILDERS)
        raise RequestError(f"There is no miniature backbone {name!r}; did you mean {close}?")


def embedding_network(name: str, network: nn.Module) -> nn.Module:
    """Replace a network's classification layer by the identity, in place, and return it."""
    parent, _, child = CLASSIFIERS[name].rpartition(".")
    setattr(network.get_submodule(parent), child, nn.Identity())
    return network
