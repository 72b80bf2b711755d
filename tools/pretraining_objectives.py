"""What pretraining changes: the losses, and what makes the target layer fit for ablation."""

from __future__ import annotations

import torch
from pretraining_data import ABOUT_EVIDENCE
from torch import Tensor, nn
from torch.nn import functional

from aisthesis.miniature.networks import (
    DENSENET_GROWTH,
    LAYERS,
    RESNET_BLOCKS,
    VGG_CONVOLUTIONS,
    embedding_network,
)

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
PROJECTION = 192
SPARSE_ENOUGH = 0.4  # the density of a channel that is active on a sixth of the image
OFF_DIAGONAL = 0.01  # Barlow Twins' lambda, for a projection this narrow


def normalised(images: Tensor) -> Tensor:
    """Scale uint8 images (N, 3, S, S) to the networks' input, channels last."""
    scaled = (images.float() / 255 - MEAN) / STD
    return scaled.contiguous(memory_format=torch.channels_last)


def turned(images: Tensor) -> Tensor:
    """Turn and mirror a batch at random: none of the statements depends on it."""
    images = torch.rot90(images, int(torch.randint(4, ())), (2, 3))
    return images.flip(3) if torch.rand(()) < 0.5 else images


def view(images: Tensor) -> Tensor:
    """Return a distorted view of a batch of normalised images, for Barlow Twins."""
    n, _, side, _ = images.shape
    angle = torch.randint(4, (n,)) * (torch.pi / 2) + (torch.rand(n) - 0.5) * 0.5
    scale, mirror = 0.85 + 0.25 * torch.rand(n), torch.randint(2, (n,)) * 2.0 - 1
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = mirror * scale * angle.cos(), -scale * angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = mirror * scale * angle.sin(), scale * angle.cos()
    theta[:, :, 2] = (torch.rand(n, 2) - 0.5) * 0.15
    grid = functional.affine_grid(theta, [n, 3, side, side], align_corners=False)
    warped = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gain = 0.85 + 0.3 * torch.rand(n, 1, 1, 1)
    tint = (torch.rand(n, 3, 1, 1) - 0.5) * 0.8
    noisy = warped * gain + tint + 0.1 * torch.rand(n, 1, 1, 1) * torch.randn_like(warped)
    return noisy.contiguous(memory_format=torch.channels_last)


class LayerTap:
    """Keeps the last output of the network's target layer while it is entered."""

    def __init__(self, name: str, network: nn.Module) -> None:
        self.module = network.get_submodule(LAYERS[name])
        self.output: Tensor | None = None

    def __enter__(self) -> LayerTap:
        self.handle = self.module.register_forward_hook(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.remove()

    def _keep(self, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        self.output = output

    def kept(self) -> Tensor:
        """The last output, (N, C, h, w)."""
        if self.output is None:
            raise RuntimeError("the network has not run yet")
        return self.output

    def pooled(self) -> Tensor:
        """Mean over positions of the rectified output, (N, C): what the maps are made of."""
        return functional.relu(self.kept()).mean((2, 3))

    def excess_density(self) -> Tensor:
        """By how much rectified channels are denser than needed, mean over channels, 0 to 0.6.

        Density is mean / root mean square: 1 for a channel spread evenly, the root of the share
        for one that is active on a share of the image and zero elsewhere. Without the limit the
        layer collapses to a few spikes.
        """
        values = functional.relu(self.kept())
        root_mean_square = values.square().mean((0, 2, 3)).add(1e-8).sqrt()
        return functional.relu(values.mean((0, 2, 3)) / root_mean_square - SPARSE_ENOUGH).mean()

    def negative_share(self) -> Tensor:
        """Share of the channels' mean square that lies below zero, mean over channels, 0 to 1.

        Ablation puts zero in a channel's place, and a map shows what lies above zero. Where
        BatchNorm follows, nothing makes zero the value of the background: a channel that is
        below zero there and above at the evidence may change the rating either way when it is
        ablated, by how much background there is.
        """
        values = self.kept()
        below = functional.relu(-values).square().mean((0, 2, 3))
        return (below / (values.square().mean((0, 2, 3)) + 1e-8)).mean()

    def off_centre(self) -> Tensor:
        """Share of the channels' mean square that is their squared mean, over channels, 0 to 1.

        The weaker wish, for a network without labels: a channel that may not be below zero
        tells redundancy reduction less, and half of the ratings' variance was lost.
        """
        values = self.kept()
        squared_mean = values.mean((0, 2, 3)).square()
        return (squared_mean / (values.square().mean((0, 2, 3)) + 1e-8)).mean()

    def unfit_for_ablation(self, rectified: bool) -> Tensor:
        """How far zero is from being the background's value in the layer's channels."""
        dense = self.excess_density()
        return dense if rectified else dense + self.negative_share()


class ChannelDropout:
    """While entered, removes whole channels of the target layer at random in training.

    What an analysis will do later is then nothing new to the network: zero is a value that it
    knows in every channel, and no channel is of use only together with certain others.
    """

    def __init__(self, name: str, network: nn.Module, share: float) -> None:
        self.module, self.share = network.get_submodule(LAYERS[name]), share

    def __enter__(self) -> ChannelDropout:
        self.handle = self.module.register_forward_hook(self._remove)
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.remove()

    def _remove(self, module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return functional.dropout2d(output, self.share, module.training)


class ShortcutDropout:
    """While entered, leaves out what bypasses the target layer, in a share of the images.

    ResNet's last block adds its input to its branch, DenseNet's last layer is 8 channels among
    368: evidence that takes the bypass alone is in no map of the layer. The other networks have
    no bypass.
    """

    def __init__(self, name: str, network: nn.Module, share: float) -> None:
        self.name, self.network, self.share = name, network, share
        self.shortcut: Tensor | None = None
        self.alone: Tensor | None = None

    def __enter__(self) -> ShortcutDropout:
        self.handles = []
        if self.name in RESNET_BLOCKS:
            block = self.network.get_submodule("layer4.2")
            self.handles += [
                block.register_forward_pre_hook(self._keep),
                block.bn3.register_forward_hook(self._take_shortcut_off),
            ]
        elif self.name == "densenet161":
            classifier = self.network.get_submodule("classifier")
            self.handles.append(classifier.register_forward_pre_hook(self._last_layer_alone))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _keep(self, _block: nn.Module, inputs: tuple[Tensor]) -> None:
        self.shortcut = inputs[0]

    def _take_shortcut_off(self, norm: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        if not norm.training or self.shortcut is None:
            return output
        dropped = (torch.rand(len(output), 1, 1, 1) < self.share).float()
        return output - dropped * self.shortcut  # the block adds the shortcut hereafter

    def _last_layer_alone(self, classifier: nn.Module, inputs: tuple[Tensor]) -> Tensor | None:
        if not classifier.training:
            return None
        pooled = inputs[0]
        bypass = torch.ones_like(pooled)
        bypass[:, -DENSENET_GROWTH:] = 0
        self.alone = (torch.rand(len(pooled), 1) < self.share).float()
        return pooled * (1 - bypass * self.alone)


class PresenceHead(nn.Module):
    """Judges the statements about evidence by what is there, from the layer's pooled channels.

    No weight is negative, so nothing can be told from a channel's silence: each kind of evidence
    needs channels that are active where it is, and not where the other kind is.
    """

    def __init__(self, channels: int, removed: float) -> None:
        super().__init__()
        self.scale = nn.BatchNorm1d(channels, affine=False)
        self.dropout = nn.Dropout(removed)
        self.weight = nn.Parameter(torch.rand(ABOUT_EVIDENCE, channels) * 4 / channels)
        self.bias = nn.Parameter(torch.zeros(ABOUT_EVIDENCE))

    def forward(self, pooled: Tensor) -> Tensor:
        """Return logits (N, ABOUT_EVIDENCE) from pooled channels (N, C)."""
        return functional.linear(
            self.dropout(self.scale(pooled)), functional.relu(self.weight), self.bias
        )


def decorrelation(first: Tensor, second: Tensor) -> Tensor:
    """Barlow Twins' loss of two projections (N, D) of the same images."""
    first = (first - first.mean(0)) / (first.std(0) + 1e-4)
    second = (second - second.mean(0)) / (second.std(0) + 1e-4)
    crossed = first.T @ second / len(first)
    on_diagonal = (torch.diagonal(crossed) - 1).square().sum()
    off_diagonal = crossed.square().sum() - torch.diagonal(crossed).square().sum()
    return (on_diagonal + OFF_DIAGONAL * off_diagonal) / PROJECTION


class Objective(nn.Module):
    """The loss of a batch, from the network's output and its target layer's output."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        bypass: ShortcutDropout,
        layer_weight: float,
        neutral_weight: float,
        removed: float,
    ) -> None:
        super().__init__()
        self.bypass = bypass
        self.twins = name == "barlow_twins"
        self.weight, self.neutral = layer_weight, neutral_weight
        self.ramp = 1.0  # share of the neutral weight that is in force
        self.rectified = name in VGG_CONVOLUTIONS  # whose layer a ReLU follows at once
        channels, width = _widths(name, network)
        if self.twins:
            embedding_network(name, network)
            self.head, self.layer_head = projector(width), projector(channels)
        else:
            self.head = nn.Identity()
            self.layer_head = PresenceHead(channels, removed)

    def forward(self, network: nn.Module, tap: LayerTap, images: Tensor, held: Tensor) -> Tensor:
        """Return the batch's loss."""
        if not self.twins:
            output = network(normalised(turned(images)))
            loss = functional.binary_cross_entropy_with_logits(
                output, held, weight=self._answerable(held)
            )
            layer = functional.binary_cross_entropy_with_logits(
                self.layer_head(tap.pooled()), held[:, :ABOUT_EVIDENCE]
            )
            return (
                loss
                + self.weight * layer
                + self.ramp * self.neutral * tap.unfit_for_ablation(self.rectified)
            )
        whole = normalised(images)
        outputs, layers = [], []
        for _ in range(2):
            outputs.append(self.head(network(view(whole))))
            layers.append(self.layer_head(tap.pooled()))
        loss = decorrelation(*outputs) + self.weight * decorrelation(*layers)
        return loss + self.ramp * self.neutral * tap.off_centre()

    def _answerable(self, held: Tensor) -> Tensor:
        """Which statements count, (N, statements): the last layer alone is asked for evidence."""
        counted = torch.ones_like(held)
        if self.bypass.alone is not None:
            counted[:, ABOUT_EVIDENCE:] = 1 - self.bypass.alone
        return counted


def projector(width: int) -> nn.Module:
    """Build Barlow Twins' projector, thrown away after pretraining."""
    return nn.Sequential(
        nn.Linear(width, PROJECTION, bias=False),
        nn.BatchNorm1d(PROJECTION),
        nn.ReLU(inplace=True),
        nn.Linear(PROJECTION, PROJECTION, bias=False),
    )


def _widths(name: str, network: nn.Module) -> tuple[int, int]:
    """Return the target layer's number of channels and the embedding's size."""
    network.eval()
    classifier = network.fc if name == "barlow_twins" else None
    with LayerTap(name, network) as tap, torch.inference_mode():
        network(torch.zeros(1, 3, 128, 128))
        channels = tap.pooled().shape[1]
    return channels, classifier.in_features if classifier is not None else 0


def settle_signs(name: str, network: nn.Module, images: Tensor) -> int:
    """Turn the target layer's channels so that each one's rare values are its higher ones.

    Before BatchNorm a channel's sign is free: with the filter, the running mean and the scale
    all negated the network computes the same function. A map shows positive parts only, so the
    sign decides whether a channel's evidence is in it. The skewness over ``images`` settles it.

    Returns
    -------
    int
        Number of channels turned.
    """
    if name in VGG_CONVOLUTIONS:
        return 0  # a ReLU follows, and the sign is not free
    layer = network.get_submodule(LAYERS[name])
    norm, place = normalisation_after(name, network)
    network.eval()
    with LayerTap(name, network) as tap, torch.no_grad():
        outputs = []
        for chunk in images.split(50):
            network(normalised(chunk))
            outputs.append(tap.kept().double())
        values = torch.cat(outputs)
        skewness = (values - values.mean((0, 2, 3), keepdim=True)).pow(3).mean((0, 2, 3))
        sign = torch.where(skewness < 0, -1.0, 1.0)
        layer.weight.mul_(sign.view(-1, 1, 1, 1))
        norm.running_mean[place].mul_(sign)
        norm.weight[place].mul_(sign)
    return int((sign < 0).sum())


def normalisation_after(name: str, network: nn.Module) -> tuple[nn.Module, slice]:
    """Give the BatchNorm that reads the target layer, and the entries that are the layer's."""
    if name in RESNET_BLOCKS:
        return network.get_submodule("layer4.2.bn3"), slice(None)
    if name == "efficientnet_b3":
        return network.get_submodule("features.8.1"), slice(None)
    return network.get_submodule("features.norm5"), slice(-DENSENET_GROWTH, None)
