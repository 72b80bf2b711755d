"""A small network with an in-place ReLU after its layer, as a subject for every explainer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.explainers.base import ExplainedNetwork

PX = 48


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.SiLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(nn.Linear(8 * 4, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, x):
        z = nn.functional.adaptive_avg_pool2d(self.features(x), 2).flatten(1)
        return self.head(z).squeeze(-1) * 3 + 5


@pytest.fixture
def subject():
    torch.manual_seed(0)
    model = Net().eval().requires_grad_(False)
    return ExplainedNetwork(model, "features.3", lambda output: output, PX, (PX // 2, PX // 2))


@pytest.fixture
def images():
    return torch.randn(3, 3, PX, PX, generator=torch.Generator().manual_seed(1))
