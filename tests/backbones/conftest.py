"""Small networks and files that the backbones' tests share."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aisthesis.images import Transform

SIDE_PX = 32


@pytest.fixture
def transform() -> Transform:
    return Transform(36, SIDE_PX, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


@pytest.fixture
def small_network() -> nn.Module:
    """Give maps (N, 6, 8, 8) through BatchNorm and an in-place ReLU; embeddings (N, 6)."""
    generator = torch.Generator().manual_seed(3)
    network = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 4, 3, stride=2, padding=1),
            bn1=nn.BatchNorm2d(4),
            relu1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(4, 6, 3, stride=2, padding=1),
            bn2=nn.BatchNorm2d(6),
            relu2=nn.ReLU(inplace=True),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
        )
    )
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) - 0.4)
    return network


@pytest.fixture
def images() -> Tensor:
    generator = torch.Generator().manual_seed(11)
    return torch.randn(4, 3, SIDE_PX, SIDE_PX, generator=generator)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty torch hub cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    torch_hub_folder = tmp_path / "torch" / "hub" / "checkpoints"
    torch_hub_folder.mkdir(parents=True)
    return torch_hub_folder
