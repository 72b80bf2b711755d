"""The two pretraining losses, neither of which knows of maps, layers or ablation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisthesis.miniature.networks import CLASSIFIERS

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
PROJECTION = 192
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


def decorrelation(first: Tensor, second: Tensor) -> Tensor:
    """Barlow Twins' loss of two projections (N, D) of the same images."""
    first = (first - first.mean(0)) / (first.std(0) + 1e-4)
    second = (second - second.mean(0)) / (second.std(0) + 1e-4)
    crossed = first.T @ second / len(first)
    on_diagonal = (torch.diagonal(crossed) - 1).square().sum()
    off_diagonal = crossed.square().sum() - torch.diagonal(crossed).square().sum()
    return (on_diagonal + OFF_DIAGONAL * off_diagonal) / PROJECTION


class Classification(nn.Module):
    """Binary cross entropy of which statements hold for an image."""

    def forward(self, network: nn.Module, images: Tensor, held: Tensor) -> Tensor:
        """Return the loss of images (N, 3, S, S) uint8 and statements (N, K)."""
        output = network(normalised(turned(images)))
        return functional.binary_cross_entropy_with_logits(output, held)


class RedundancyReduction(nn.Module):
    """Barlow Twins' objective on two views of each image; it sees no label.

    The network's classification layer gives way to a projector that is thrown away afterwards.
    """

    def __init__(self, name: str, network: nn.Module) -> None:
        super().__init__()
        width = network.get_submodule(CLASSIFIERS[name]).in_features
        self.projector = projector(int(width))

    def forward(self, network: nn.Module, images: Tensor, held: Tensor) -> Tensor:
        """Return the loss of images (N, 3, S, S) uint8."""
        whole = normalised(images)
        return decorrelation(*(self.projector(network(view(whole))) for _ in range(2)))


def projector(width: int) -> nn.Module:
    """Build Barlow Twins' projector."""
    return nn.Sequential(
        nn.Linear(width, PROJECTION, bias=False),
        nn.BatchNorm1d(PROJECTION),
        nn.ReLU(inplace=True),
        nn.Linear(PROJECTION, PROJECTION, bias=False),
    )
