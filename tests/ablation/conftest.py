"""Networks to remove channels from, and their removal by brute force."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace

import pytest
import torch
from torch import nn


class Rating(nn.Module):
    """A trunk, standardisation and K heads on the rating's scale: (N,) or (N, K)."""

    def __init__(self, trunk: nn.Module, width: int, heads: int | None = None) -> None:
        super().__init__()
        self.trunk, self.single = trunk, heads is None
        self.register_buffer("mean", torch.randn(width) / 4)
        self.register_buffer("sd", torch.rand(width) + 0.5)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 1))
            for _ in range(heads or 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = (self.trunk(x) - self.mean) / self.sd
        ratings = torch.stack([head(z).squeeze(-1) for head in self.heads], 1) * 1.5 + 5
        return ratings[:, 0] if self.single else ratings


def calibrated(model: nn.Module, px: int) -> nn.Module:
    """The network with BatchNorm statistics of random images, so that signals live through it."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
        norm.train()
    model.train()
    for module in model.modules():
        if type(module).__name__ in ("Dropout", "StochasticDepth", "DropPath"):
            module.eval()
    with torch.no_grad():
        model(torch.randn(4, 3, px, px))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()


def zeroed_weights(
    model: nn.Module, producer: str, x: torch.Tensor, channels: Iterable[int]
) -> torch.Tensor:
    """Output (N, C, ...) with weight and bias of a channel zeroed and the whole network run."""
    module = model.get_submodule(producer)
    outputs = []
    for channel in channels:
        kept = {name: p.detach().clone() for name, p in module.named_parameters()}
        with torch.no_grad():
            for parameter in module.parameters():
                parameter[channel] = 0
            outputs.append(model(x))
            for name, parameter in module.named_parameters():
                parameter.copy_(kept[name])
    return torch.stack(outputs, 1)


def zeroed_outputs(
    model: nn.Module,
    layer: str,
    x: torch.Tensor,
    sets: Iterable[Sequence[int] | int],
    axis: int = 1,
    replace: str = "zero",
) -> torch.Tensor:
    """Output (N, G, ...) with channels of a layer's output replaced, the whole network run."""
    outputs = []
    for chosen in sets:
        index = torch.as_tensor([chosen] if isinstance(chosen, int) else list(chosen)).long()

        def hook(_m: nn.Module, _i: object, out: torch.Tensor, index=index) -> torch.Tensor:
            moved = out.clone().movedim(axis, 1)
            own = moved[:, index]
            spatial = tuple(range(2, own.ndim))
            if replace == "mean":
                own = own.mean(spatial, keepdim=True).expand_as(own) if spatial else own
            moved[:, index] = own if replace == "mean" else 0
            return moved.movedim(1, axis)

        handle = model.get_submodule(layer).register_forward_hook(hook)
        try:
            with torch.no_grad():
                outputs.append(model(x))
        finally:
            handle.remove()
    return torch.stack(outputs, 1)


def without_places(
    model: nn.Module,
    layer: str,
    x: torch.Tensor,
    places: Iterable[tuple[slice, slice]],
    lay_out: Callable[[torch.Tensor], torch.Tensor] = lambda out: out,
    replace: str = "zero",
) -> torch.Tensor:
    """Output (N, P, ...) with rows and columns of a layer's output replaced, by hooks.

    `lay_out` gives a view (N, C, h, w) of the layer's output.
    """
    outputs = []
    for rows, columns in places:

        def hook(_m: nn.Module, _i: object, out: torch.Tensor, at=(rows, columns)) -> torch.Tensor:
            out = out.clone()
            laid = lay_out(out)
            mean = laid.mean((2, 3), keepdim=True)
            laid[:, :, at[0], at[1]] = mean if replace == "mean" else 0
            return out

        handle = model.get_submodule(layer).register_forward_hook(hook)
        try:
            with torch.no_grad():
                outputs.append(model(x))
        finally:
            handle.remove()
    return torch.stack(outputs, 1)


def square_windows(shape: tuple[int, int], side: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the square around every place, cut off at the edges."""
    reach = side // 2
    return [
        (slice(max(y - reach, 0), y + reach + 1), slice(max(x - reach, 0), x + reach + 1))
        for y in range(shape[0])
        for x in range(shape[1])
    ]


@pytest.fixture(scope="session")
def net() -> SimpleNamespace:
    """Builders of networks and their brute force."""
    return SimpleNamespace(
        Rating=Rating,
        calibrated=calibrated,
        zeroed_weights=zeroed_weights,
        zeroed_outputs=zeroed_outputs,
        without_places=without_places,
        square_windows=square_windows,
    )


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
