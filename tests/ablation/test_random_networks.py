"""Random small networks in float64 against brute force: the plan may be anything, not wrong."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import nn

from aisthesis.ablation.plan import ablation_plan

WIDTH, PX = 6, 6
# a removed channel is a constant map, and normalising one divides rounding by √eps: several such
# norms in a row would compare noise
EPS = 0.01
PLAIN = {
    "conv3": lambda c: nn.Conv2d(c, c, 3, padding=1),
    "conv1": lambda c: nn.Conv2d(c, c, 1, bias=False),
    "strided": lambda c: nn.Conv2d(c, c, 3, stride=2, padding=1),
    "dilated": lambda c: nn.Conv2d(c, c, 3, padding=2, dilation=2, padding_mode="reflect"),
    "grouped": lambda c: nn.Conv2d(c, c, 3, padding=1, groups=2),
    "depthwise": lambda c: nn.Conv2d(c, c, 3, padding=1, groups=c),
    "transposed": lambda c: nn.ConvTranspose2d(c, c, 3, padding=1),
    "batch_norm": nn.BatchNorm2d,
    "no_statistics": lambda c: nn.BatchNorm2d(c, EPS, track_running_stats=False),
    "instance_norm": lambda c: nn.InstanceNorm2d(c, EPS, affine=True),
    "group_norm": lambda c: nn.GroupNorm(2, c, EPS),
    "group_norm_apart": lambda c: nn.GroupNorm(c, c, EPS),
    "relu": lambda c: nn.ReLU(),
    "relu_in_place": lambda c: nn.ReLU(inplace=True),
    "silu_in_place": lambda c: nn.SiLU(inplace=True),
    "gelu": lambda c: nn.GELU(),
    "hardswish": lambda c: nn.Hardswish(),
    "prelu": nn.PReLU,
    "softmax2d": lambda c: nn.Softmax2d(),
    "spatial_softmax": lambda c: nn.Softmax(dim=-1),
    "max_pool": lambda c: nn.MaxPool2d(2, ceil_mode=True),
    "avg_pool": lambda c: nn.AvgPool2d(3, stride=1, padding=1),
    "adaptive": lambda c: nn.AdaptiveMaxPool2d(3),
    "dropout": lambda c: nn.Dropout2d(0.5),
    "shuffle": lambda c: nn.ChannelShuffle(2),
    "upsample": lambda c: nn.Upsample(scale_factor=2, mode="bilinear"),
    "lrn": lambda c: nn.LocalResponseNorm(3),
}


class Shortcut(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y += x
        return F.relu(y, inplace=True)


class OverwritingShortcut(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(F.relu(x, inplace=True))
        return y + x  # x was overwritten


class Aliased(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        y += self.conv(x)
        return x.tanh() + y  # both names mean the sum


class Identity(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 0.5 + torch.tanh(x) - x / 3


class Concatenation(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[1] // 2
        return torch.cat([x[:, :half], self.conv(x)[:, half:]], 1)


class Halves(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, dim=1)
        return torch.cat([F.silu(b), a.sigmoid()], 1)


class Gate(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.conv(x).mean((2, 3), keepdim=True).sigmoid()


class OwnGate(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.mean((2, 3), keepdim=True).sigmoid() + F.pad(x, (1, 1))[..., 1:-1]


class LastAxis(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(c), nn.Linear(c, c)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.linear(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class Tokens(LastAxis):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = self.norm(x.flatten(2).transpose(1, 2))
        t = F.scaled_dot_product_attention(t, t, self.linear(t))
        return x + t.transpose(1, 2).reshape(x.shape)


class AcrossImages(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x - x.mean(0, keepdim=True) + x.flip(0) * 0.1


class Masked(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (x > 0.3) + torch.where(x > 0, x, x * 0.1)


class Overwritten(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        y[:, 0] = x[:, 1]
        return y


class Looking(Shortcut):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if x.sum() > 0 else x.abs()


BLOCKS = {c.__name__: c for c in (
    Shortcut, OverwritingShortcut, Aliased, Identity, Concatenation, Halves, Gate, OwnGate,
    LastAxis, Tokens, AcrossImages, Masked, Overwritten, Looking,
)}  # fmt: skip
TAILS = ("pool", "flatten", "mean", "conv_pool", "amax", "tokens")


class RandomNet(nn.Module):
    def __init__(self, names: list[str], tail: str, outputs: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList((PLAIN | BLOCKS)[name](WIDTH) for name in names)
        self.tail, self.outputs = tail, outputs
        self.last = nn.Conv2d(WIDTH, WIDTH, 1)
        self.fit = nn.AdaptiveAvgPool2d(2)
        width = WIDTH * 4 if tail == "flatten" else WIDTH
        self.head = nn.Sequential(nn.Linear(width, 8), nn.ReLU(), nn.Linear(8, max(outputs, 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        if self.tail == "flatten":
            z = torch.flatten(self.fit(x), 1)
        elif self.tail == "mean":
            z = x.mean([2, 3])
        elif self.tail == "amax":
            z = x.amax((2, 3)).view(x.size(0), -1)
        elif self.tail == "tokens":
            z = x.flatten(2).permute(2, 0, 1).sum(0)
        else:
            x = self.last(x).relu() if self.tail == "conv_pool" else x
            z = F.adaptive_avg_pool2d(x, 1).flatten(1)
        y = self.head(z)
        return y if self.outputs else y.squeeze(1)


def randomised(model: nn.Module, seed: int) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.data.copy_(tensor.data + 0.2 * noise if tensor.ndim > 1 else 1 + 0.2 * noise)
    return model.double().eval()


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_network_agrees_with_brute_force(net, data) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(PLAIN | BLOCKS)), min_size=1, max_size=6))
    tail = data.draw(st.sampled_from(TAILS))
    outputs = data.draw(st.sampled_from([0, 2]))
    seed = data.draw(st.integers(0, 2**16))
    model = randomised(RandomNet(names, tail, outputs), seed)
    position = data.draw(st.integers(-1, len(names) - 1))
    layer = "stem" if position < 0 else f"blocks.{position}"
    replace = data.draw(st.sampled_from(["zero", "zero", "mean"]))
    images = data.draw(st.sampled_from([1, 2, 3]))
    x = torch.randn(images, 3, PX, PX, dtype=torch.float64, generator=torch.manual_seed(seed))

    try:
        with torch.no_grad():
            f = model(x)
    except (ValueError, RuntimeError):  # too small for a reflection or for batch statistics
        assume(False)
    plan = ablation_plan(model, layer, x)
    result = plan(x, replace=replace)
    torch.testing.assert_close(result.output, f, rtol=1e-10, atol=1e-10)
    exact = net.zeroed_outputs(model, layer, x, range(WIDTH), replace=replace) - f.unsqueeze(1)
    torch.testing.assert_close(result.delta, exact, rtol=1e-10, atol=1e-10, msg=str(plan))

    chosen = np.random.default_rng(seed).random((3, WIDTH)) < 0.5
    sets = [np.flatnonzero(row).tolist() for row in chosen]
    together = net.zeroed_outputs(model, layer, x, sets, replace=replace)
    for groups in (sets, chosen):
        found = plan(x, groups=groups, replace=replace).removed
        torch.testing.assert_close(found, together, rtol=1e-10, atol=1e-10, msg=str(plan))
    kept = plan.retain(x, ~chosen, replace=replace)
    torch.testing.assert_close(kept, together, rtol=1e-10, atol=1e-10)


def test_every_building_block_agrees_with_brute_force(net) -> None:
    """Each operation right after the layer, whatever the examples above happened to draw."""
    kinds = {}
    for name in PLAIN | BLOCKS:
        for tail in ("amax", "flatten"):
            model = randomised(RandomNet(["conv1", name], tail, 0), 1)
            x = torch.randn(2, 3, PX, PX, dtype=torch.float64)
            plan = ablation_plan(model, "blocks.0", x)
            with torch.no_grad():
                f = model(x)
            exact = net.zeroed_outputs(model, "blocks.0", x, range(WIDTH)) - f.unsqueeze(1)
            torch.testing.assert_close(plan(x).delta, exact, rtol=1e-10, atol=1e-10, msg=str(plan))
            assert exact.abs().max() > 1e-6, name
            kinds[name, tail] = plan.kind
    apart = {name for name in PLAIN | BLOCKS if kinds[name, "amax"] == "column"}
    assert apart >= {
        "depthwise", "batch_norm", "no_statistics", "instance_norm", "group_norm_apart", "relu",
        "relu_in_place", "silu_in_place", "gelu", "hardswish", "prelu", "spatial_softmax",
        "max_pool", "avg_pool", "adaptive", "dropout", "shuffle", "upsample", "Identity",
        "Halves", "OwnGate",
    }  # fmt: skip
    assert {kinds[name, "flatten"] for name in apart} == {"block"}
    assert not apart & {"conv3", "group_norm", "softmax2d", "LastAxis", "Tokens", "Gate", "lrn"}
    assert {n for n in PLAIN | BLOCKS if kinds[n, "amax"] == "rerun"} == {
        "OverwritingShortcut", "Aliased", "Looking",
    }  # fmt: skip
