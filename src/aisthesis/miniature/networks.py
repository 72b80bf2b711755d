"""The six networks in miniature: torchvision's topologies and module paths, fewer channels."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torchvision.models.densenet import DenseNet
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.models.vgg import VGG, make_layers

from aisthesis.errors import RequestError, nearest, or_list

VGG_WIDTHS = (8, 16, 32, 64, 64)
VGG_HIDDEN = 128
VGG_CONVOLUTIONS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
RESNET_BLOCKS = {"resnet152": (3, 8, 36, 3), "barlow_twins": (3, 4, 6, 3)}
RESNET_WIDTH = {"resnet152": 6, "barlow_twins": 8}  # 64 at full size
DENSENET_BLOCKS = (6, 12, 36, 24)
DENSENET_GROWTH = 8  # 48 at full size
EFFICIENTNET_WIDTH = 0.25  # 1.2 at full size
EFFICIENTNET_DEPTH = 1.4  # as at full size
EFFICIENTNET_LAST = 192  # 1536 at full size


class NarrowVGG(VGG):
    """torchvision's VGG with an eighth of its channels and a classifier with the same indices.

    torchvision's constructor would first draw 120 million weights of the full-size classifier,
    which takes longer than a miniature takes for a batch of images.
    """

    def __init__(self, layers: list[str | int], num_classes: int) -> None:
        nn.Module.__init__(self)
        self.features = make_layers(layers)
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
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)


def _vgg(name: str, num_classes: int) -> nn.Module:
    layers: list[str | int] = []
    for width, convolutions in zip(VGG_WIDTHS, VGG_CONVOLUTIONS[name], strict=True):
        layers += [width] * convolutions + ["M"]
    return NarrowVGG(layers, num_classes)


class NarrowResNet(ResNet):
    """torchvision's ResNet with ``width`` channels where the original has 64.

    torchvision fixes the stage widths (64 to 512) in its constructor, so stem and stages are
    built again here, by its own ``_make_layer``.
    """

    def __init__(self, blocks: tuple[int, int, int, int], width: int, num_classes: int) -> None:
        super().__init__(Bottleneck, [1, 1, 1, 1], num_classes=num_classes)
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for stage, count in enumerate(blocks):
            layer = self._make_layer(
                Bottleneck, width * 2**stage, count, stride=1 if stage == 0 else 2
            )
            setattr(self, f"layer{stage + 1}", layer)
        self.fc = nn.Linear(width * 8 * Bottleneck.expansion, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _resnet(name: str, num_classes: int) -> nn.Module:
    return NarrowResNet(RESNET_BLOCKS[name], RESNET_WIDTH[name], num_classes)


def _densenet(name: str, num_classes: int) -> nn.Module:
    """Narrow a DenseNet-161: its growth rate shrinks, its 6-12-36-24 layers stay."""
    return DenseNet(
        growth_rate=DENSENET_GROWTH,
        block_config=DENSENET_BLOCKS,
        num_init_features=2 * DENSENET_GROWTH,
        bn_size=2,
        num_classes=num_classes,
    )


def _efficientnet(name: str, num_classes: int) -> nn.Module:
    """Narrow an EfficientNet-B3: its width multiplier shrinks, its depth stays."""
    # expand ratio, kernel, stride, channels in, channels out, layers (before multipliers)
    stages = [
        (1, 3, 1, 32, 16, 1),
        (6, 3, 2, 16, 24, 2),
        (6, 5, 2, 24, 40, 2),
        (6, 3, 2, 40, 80, 3),
        (6, 5, 1, 80, 112, 3),
        (6, 5, 2, 112, 192, 4),
        (6, 3, 1, 192, 320, 1),
    ]
    settings = [
        MBConvConfig(*stage, width_mult=EFFICIENTNET_WIDTH, depth_mult=EFFICIENTNET_DEPTH)
        for stage in stages
    ]
    # No dropout and no dropped paths: they regularise a wide network that trains for long.
    return EfficientNet(
        settings,
        dropout=0.0,
        stochastic_depth_prob=0.0,
        num_classes=num_classes,
        last_channel=EFFICIENTNET_LAST,
    )


BUILDERS: dict[str, Callable[[str, int], nn.Module]] = {
    "vgg16": _vgg,
    "vgg19": _vgg,
    "resnet152": _resnet,
    "densenet161": _densenet,
    "efficientnet_b3": _efficientnet,
    "barlow_twins": _resnet,
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
