"""Windows against one forward pass per masked image, in float64 on networks made at random."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models import vgg

from aisthesis.errors import RequestError
from aisthesis.explainers.occlusion.plan import occlusion_plan

CHANNELS = 4
LAYERS = {
    "conv3": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
    "conv1": lambda: nn.Conv2d(CHANNELS, CHANNELS, 1, bias=False),
    "valid": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3),
    "same": lambda: nn.Conv2d(CHANNELS, CHANNELS, (2, 5), padding="same"),
    "strided": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, stride=2, padding=1),
    "skipping": lambda: nn.Conv2d(CHANNELS, CHANNELS, 1, stride=2),
    "dilated": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=2, dilation=2),
    "oblong": lambda: nn.Conv2d(CHANNELS, CHANNELS, (5, 1), padding=(2, 0), groups=2),
    "reflecting": lambda: nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, padding_mode="reflect"),
    "batch_norm": lambda: nn.BatchNorm2d(CHANNELS),
    "image_norm": lambda: nn.InstanceNorm2d(CHANNELS),
    "relu": lambda: nn.ReLU(inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
    "gelu": lambda: nn.GELU(),
    "dropout": lambda: nn.Dropout(0.5),
    "max_pool": lambda: nn.MaxPool2d(2),
    "max_pool_up": lambda: nn.MaxPool2d(3, stride=2, ceil_mode=True),
    "max_pool_padded": lambda: nn.MaxPool2d(3, stride=2, padding=1),
    "avg_pool": lambda: nn.AvgPool2d(3, stride=1, padding=1),
    "avg_pool_inside": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "avg_pool_up": lambda: nn.AvgPool2d(3, stride=2, ceil_mode=True),
}


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        y += x
        return F.relu(y, inplace=True)


class Overwriting(Residual):
    def forward(self, x):
        y = self.conv(F.relu(x, inplace=True))
        return y + x  # x was overwritten


class Fire(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(CHANNELS, 2, 1)
        self.one = nn.Conv2d(2, CHANNELS // 2, 1)
        self.three = nn.Conv2d(2, CHANNELS - CHANNELS // 2, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([self.one(x), F.max_pool2d(self.three(x), 3, 1, 1)], 1) * 0.5


class Gated(Residual):
    def forward(self, x):
        return x * torch.sigmoid(x.mean((2, 3), keepdim=True)) + self.conv(x)


LAYERS |= {cls.__name__: cls for cls in (Residual, Overwriting, Fire, Gated)}


class Network(nn.Module):
    def __init__(self, names, outputs) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, CHANNELS, 3, padding=1), *(LAYERS[name]() for name in names)
        )
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Linear(4 * CHANNELS, outputs or 1)
        self.outputs = outputs

    def forward(self, x):
        z = self.head(torch.flatten(self.pool(self.features(x)), 1))
        return z if self.outputs else z.squeeze(-1)


def brute_force(model, images, size, n_rows, n_columns, fill=0.0):
    """One forward pass per masked image; the squares' places worked out anew."""
    height, width = images.shape[2:]
    result = []
    with torch.no_grad():
        intact = model(images)
        for i in range(n_rows):
            for j in range(n_columns):
                cy = int((i + 0.5) * height / n_rows)
                cx = int((j + 0.5) * width / n_columns)
                masked = images.clone()
                top, left = cy - size // 2, cx - size // 2
                masked[:, :, max(0, top) : top + size, max(0, left) : left + size] = fill
                result.append(intact - model(masked))
    return torch.stack(result, 1).unflatten(1, (n_rows, n_columns))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    names=st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=6),
    size=st.integers(1, 9),
    stride=st.sampled_from([2, 3, 5]),
    outputs=st.sampled_from([None, 2]),
    width=st.sampled_from([20, 23]),
    seed=st.integers(0, 2**16),
    share=st.floats(0, 1),
)
def test_windows_give_what_whole_passes_give(names, size, stride, outputs, width, seed, share):
    torch.manual_seed(seed)
    model = Network(names, outputs).double().eval()
    images = torch.randn(2, 3, 20, width, dtype=torch.float64)
    try:
        model(images)
    except RuntimeError:
        return  # too many pools: nothing of the image is left
    plan = occlusion_plan(model, images.shape[1:], [size], stride_px=stride)
    wanted = brute_force(model, images, size, *plan.grid)
    torch.testing.assert_close(plan(images)[0], wanted, rtol=1e-9, atol=1e-11)
    if plan.network is not None:  # networks this small seldom choose windows by themselves
        cut = round(share * len(plan.network.steps))
        drops = with_cut(plan, cut)(images)[0]
        torch.testing.assert_close(drops, wanted, rtol=1e-9, atol=1e-11)


def with_cut(plan, cut):
    layouts = tuple(dataclasses.replace(layout, cut=cut) for layout in plan.layouts)
    return dataclasses.replace(plan, layouts=layouts)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_is_local_or_ends_the_local_part(name):
    torch.manual_seed(1)
    model = Network(["conv3", name, "conv3"], None).double().eval()
    images = torch.randn(1, 3, 18, 18, dtype=torch.float64)
    plan = occlusion_plan(model, images.shape[1:], [3, 6], stride_px=3)
    refused = {"Overwriting"}
    assert (plan.network is None) == (name in refused)
    if plan.network is None:
        assert "overwrites" in plan.describe()
        return
    not_local = {"reflecting", "image_norm", "avg_pool_inside", "avg_pool_up", "Gated"}
    ended = plan.network.ends_at
    assert ("features.2" in ended or "mean" in ended) == (name in not_local)
    drops = with_cut(plan, len(plan.network.steps))(images)
    for size, found in zip((3, 6), drops, strict=True):
        wanted = brute_force(model, images, size, 6, 6)
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["squeezenet1_0", "resnet18", "vgg11_bn", "mobilenet_v2"])
def test_known_networks(name):
    torch.manual_seed(0)
    if name == "vgg11_bn":  # its classifier has 120 million weights
        features = vgg.make_layers(vgg.cfgs["A"], batch_norm=True)
        head = (nn.Flatten(), nn.Linear(512 * 7 * 7, 16), nn.ReLU(), nn.Linear(16, 8))
        model = nn.Sequential(features, nn.AdaptiveAvgPool2d(7), *head)
    else:
        model = torchvision.models.get_model(name, num_classes=8)
    model = model.double().eval()
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    plan = occlusion_plan(model, (3, 64, 64), [5], stride_px=16)
    assert len(plan.network.steps) > 8
    wanted = brute_force(model, images, 5, 4, 4)
    for cut in (9, len(plan.network.steps)):
        found = with_cut(plan, cut)(images)[0]
        assert (found - wanted).abs().max() < 1e-9 * wanted.abs().max()


def test_windows_of_every_size_may_end_at_another_operation():
    """A value that a shortcut reads again may be needed by one size and not by the other."""
    torch.manual_seed(0)
    block = torchvision.models.resnet.BasicBlock
    model = torchvision.models.ResNet(block, [1, 1, 1, 1], num_classes=8).double().eval()
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    plan = occlusion_plan(model, (3, 32, 32), [3, 9], stride_px=16)
    wanted = [brute_force(model, images, size, 2, 2) for size in plan.sizes_px]
    last = len(plan.network.steps)
    for shallow in range(1, last):
        cuts = (last, shallow)
        layouts = tuple(
            dataclasses.replace(layout, cut=cut)
            for layout, cut in zip(plan.layouts, cuts, strict=True)
        )
        found = dataclasses.replace(plan, layouts=layouts)(images)
        for one, other in zip(found, wanted, strict=True):
            assert (one - other).abs().max() < 1e-9 * other.abs().max()


def test_plan_states_cost_and_chooses_windows_where_they_pay():
    model = torchvision.models.vgg16(num_classes=1).eval()
    plan = occlusion_plan(model, (3, 224, 224), [3, 17], stride_px=16)
    assert plan.grid == (14, 14)
    assert plan.masked == 2 * 14 * 14
    assert all(layout.cut > 15 for layout in plan.layouts)
    assert plan.passes < plan.masked / 5
    assert "forward passes" in plan.describe()
    assert {tile.size for layout in plan.layouts for tile in layout.tiles} != {1}


def test_default_stride_keeps_to_the_asked_cost():
    model = Network(["conv3"], None).eval()
    fine = occlusion_plan(model, (3, 112, 112), [3], most_passes=1e9)
    coarse = occlusion_plan(model, (3, 112, 112), [3], most_passes=5)
    assert fine.grid == (56, 56)
    assert coarse.grid[0] < 56
    assert coarse.passes <= 5 or coarse.grid == (7, 7)


def test_fill_colours_each_image_and_network_comes_back_as_it_was():
    torch.manual_seed(0)
    model = Network(["batch_norm", "dropout", "max_pool"], None).train()
    flags = [module.training for module in model.modules()]
    images, fill = torch.randn(2, 3, 12, 12), torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])
    drops = occlusion_plan(model, (3, 12, 12), [4], stride_px=4)(images, fill=fill)
    assert [module.training for module in model.modules()] == flags
    model.eval()
    wanted = brute_force(model, images, 4, 3, 3, fill[:, :, None, None])
    torch.testing.assert_close(drops[0], wanted, rtol=1e-4, atol=1e-6)


def test_network_whose_code_cannot_be_followed_takes_whole_passes():
    class Branching(Network):
        def forward(self, x):
            return super().forward(x if float(x.abs().max()) < 1e9 else -x)

    torch.manual_seed(0)
    model = Branching(["conv3"], 2).eval()
    images = torch.randn(1, 3, 9, 9)
    plan = occlusion_plan(model, (3, 9, 9), [3], stride_px=3)
    assert "one forward pass each" in plan.describe()
    torch.testing.assert_close(
        plan(images)[0], brute_force(model, images, 3, 3, 3), rtol=1e-4, atol=1e-6
    )


def test_equals_captum_where_squares_tile_the_image():
    attr = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    model = Network(["conv3", "relu", "max_pool"], None).double().eval()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    peer = attr.Occlusion(model).attribute(images, (3, 4, 4), strides=(3, 4, 4))
    ours = occlusion_plan(model, (3, 16, 16), [4], stride_px=4)(images)[0]
    torch.testing.assert_close(ours.float(), peer[:, 0, ::4, ::4].float())


def test_faults_are_said():
    model = Network(["conv3"], None).eval()
    with pytest.raises(RequestError, match="squares of 1 to 12 px"):
        occlusion_plan(model, (3, 12, 12), [13])
    with pytest.raises(RequestError, match="stride above 0"):
        occlusion_plan(model, (3, 12, 12), [3], stride_px=-1)
    with pytest.raises(RequestError, match="name each once"):
        occlusion_plan(model, (3, 12, 12), [3, 3])
    with pytest.raises(RequestError, match="make a plan for this shape"):
        occlusion_plan(model, (3, 12, 12), [3])(torch.zeros(1, 3, 13, 12))


def test_progress_counts_every_masked_image():
    model = Network(["conv3"], None).eval()
    plan, counted = occlusion_plan(model, (3, 12, 12), [3, 5], stride_px=2), []
    plan(torch.zeros(2, 3, 12, 12), advance=counted.append)
    assert sum(counted) == 2 * plan.masked == 2 * 2 * 36
