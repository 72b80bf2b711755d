from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.functional import mse_loss

from aisthesis.heads.adamw import AdamW


class Partly(nn.Module):
    """Learns a layer always, another one at times, and one never."""

    def __init__(self) -> None:
        super().__init__()
        self.always, self.at_times, self.never = (nn.Linear(5, 5) for _ in range(3))
        self.never.requires_grad_(False)

    def forward(self, x: torch.Tensor, step: int) -> torch.Tensor:
        x = self.never(self.always(x))
        return self.at_times(x) if step % 3 else x


def test_steps_are_those_of_torchs_own_class() -> None:
    torch.manual_seed(0)
    ours = Partly()
    theirs = copy.deepcopy(ours)
    optimiser = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.1, fused=True)
    adamw = AdamW(ours.parameters(), 1e-2, 0.1)
    x, y = torch.randn(2, 8, 5)
    for step in range(7):
        adamw.step(mse_loss(ours(x, step), y))
        optimiser.zero_grad()
        mse_loss(theirs(x, step), y).backward()
        optimiser.step()
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name
