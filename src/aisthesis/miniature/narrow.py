"""Miniatures made of torchvision's own classes, which take seconds to load."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn
from torchvision.models.densenet import DenseNet
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.resnet import Bottleneck, ResNet

__all__ = ["NARROW"]

RESNET_BLOCKS = {"resnet152": (3, 8, 36, 3), "barlow_twins": (3, 4, 6, 3)}
RESNET_WIDTH = {"resnet152": 6, "barlow_twins": 8}  # 64 at full size
DENSENET_BLOCKS = (6, 12, 36, 24)
DENSENET_GROWTH = 8  # 48 at full size
EFFICIENTNET_WIDTH = 0.25  # 1.2 at full size
EFFICIENTNET_DEPTH = 1.4  # as at full size
EFFICIENTNET_LAST = 192  # 1536 at full size


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
    """Narrow a ResNet: its blocks stay, its channels shrink."""
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


NARROW: dict[str, Callable[[str, int], nn.Module]] = {
    "resnet152": _resnet,
    "densenet161": _densenet,
    "efficientnet_b3": _efficientnet,
    "barlow_twins": _resnet,
}
