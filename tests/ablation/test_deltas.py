"""Changes keep their digits where subtraction would lose them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aisthesis.ablation.calls import run_ablation


class Tiny(nn.Module):
    """Channel 1 counts 1e-9 times as much as channel 0, on top of a rating near 50."""

    def __init__(self, depth: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.relu = nn.ReLU()
        self.mix = nn.Conv2d(2, 2, 1, bias=False) if depth == "convolution" else nn.Identity()
        self.head = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        with torch.no_grad():
            self.conv.weight.abs_()
            self.head[0].weight.abs_()
            self.head[0].weight[:, 1] *= 1e-9
            self.head[2].weight.abs_()
            self.head[0].bias.abs_()
            if depth == "convolution":
                self.mix.weight.copy_(torch.eye(2)[:, :, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.relu(self.mix(self.relu(self.conv(x)))).mean((2, 3))
        return self.head(z).squeeze(1) + 50


@pytest.mark.parametrize("depth", ["none", "convolution"])
def test_change_far_below_the_prediction_is_exact(net, depth: str) -> None:
    model, x = Tiny(depth).eval(), torch.rand(3, 3, 5, 5)
    result = run_ablation(model, "conv", x)
    twin = Tiny(depth).double().eval()
    twin.load_state_dict({name: p.double() for name, p in model.state_dict().items()})
    f = twin(x.double()).detach()
    exact = net.zeroed_outputs(twin, "conv", x.double(), range(2)) - f[:, None]
    assert 0 < exact[:, 1].abs().max() < 1e-8
    torch.testing.assert_close(result.delta[:, 0], exact[:, 0], rtol=1e-5, atol=0)
    torch.testing.assert_close(result.delta[:, 1], exact[:, 1], rtol=1e-5, atol=1e-14)
    with torch.no_grad():
        lost = net.zeroed_outputs(model, "conv", x, [1])[:, 0] - model(x)
    assert (lost == 0).all()  # what float32 by brute force makes of it


def test_batch_norm_without_affine_or_statistics(net) -> None:
    for norm in (nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, track_running_stats=False)):
        model = nn.Sequential(
            nn.Conv2d(3, 4, 1), norm, nn.ReLU(), nn.Flatten(), nn.Linear(36, 1), nn.Flatten(0)
        ).double()
        x = torch.randn(2, 3, 3, 3, dtype=torch.float64)
        model.eval()
        result = run_ablation(model, "0", x)
        torch.testing.assert_close(result.removed, net.zeroed_outputs(model, "0", x, range(4)))
