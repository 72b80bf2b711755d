"""Full-size networks against brute force: a few channels always, 64 of them when asked.

Places, all of them or 64, when asked; some on two networks always.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import timm
import torch
import torchvision.models as zoo
from torch import nn

from aisthesis.ablation.places.plan import place_plan
from aisthesis.ablation.plan import ablation_plan


@dataclass(frozen=True)
class Case:
    build: str
    layer: str
    width: int
    px: int
    kind: str
    producer: str | None = None  # module whose weights give the channels; None: none to zero
    axis: int = 1
    small_px: int = 64


def weighted(build: str, layer: str, width: int, px: int, kind: str, **more) -> Case:
    return Case(build, layer, width, px, kind, producer=layer, **more)


CASES = {
    "resnet152": weighted("resnet152", "layer4.2.conv3", 2048, 224, "column"),
    "barlow_twins": weighted("resnet50", "layer4.2.conv3", 2048, 224, "column"),
    "efficientnet_b3": weighted("efficientnet_b3", "features.8.0", 1536, 256, "column"),
    "densenet161": weighted(
        "densenet161", "features.denseblock4.denselayer24.conv2", 2208, 224, "column"
    ),
    "vgg16": weighted("vgg16", "features.28", 4096, 224, "block"),
    "vgg19": weighted("vgg19", "features.28", 4096, 224, "linear"),
    "vgg19 deepest": weighted("vgg19", "features.34", 4096, 224, "block"),
    "squeezenet": Case("squeezenet1_0", "features.12", 1000, 224, "linear"),
    "inception block": Case("inception_v3", "Mixed_7b", 2048, 299, "linear", small_px=96),
    "before a strided convolution": Case("resnet18", "layer3.1", 512, 224, "linear"),
    "convnext": Case(
        "timm:convnext_tiny", "stages.3.blocks.2.mlp.fc2", 768, 224, "mixing",
        producer="stages.3.blocks.2.mlp.fc2", axis=3,
    ),
    "convnext within": Case(
        "timm:convnext_tiny", "stages.3.blocks.2.norm", 768, 224, "column", axis=3
    ),
    "vit": Case("timm:vit_tiny_patch16_224", "blocks.11", 192, 224, "mixing", axis=2, small_px=224),
    "vit within": Case(
        "timm:vit_tiny_patch16_224", "blocks.10.mlp.fc2", 192, 224, "mixing",
        producer="blocks.10.mlp.fc2", axis=2, small_px=224,
    ),
    "swin": Case("swin_t", "features.7.1", 768, 224, "mixing", axis=3),
}  # fmt: skip
VGG_WIDTH = 64
PLACES = CASES | {
    "efficientnet lite0": Case("timm:tf_efficientnet_lite0", "conv_head", 1280, 224, ""),
    "swin block": Case("swin_t", "features.7.0", 768, 224, "", axis=3),
    "vit before a block": Case(
        "timm:vit_tiny_patch16_224", "blocks.10", 192, 224, "", axis=2, small_px=224
    ),
}
PLACES.pop("vit")  # after its last block only the class token is read: no place has an effect


def narrow_vgg(name: str) -> nn.Module:
    """VGG with its own convolutions; the classifier's 120 million weights are a thousandth."""
    with torch.device("meta"):
        trunk = getattr(zoo, name)(init_weights=False)
    for module in trunk.features.to_empty(device="cpu"):
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
    first, *rest = trunk.classifier[:5]
    trunk.classifier = nn.Sequential(nn.Linear(first.in_features, VGG_WIDTH), *rest)
    trunk.classifier[3] = nn.Linear(VGG_WIDTH, VGG_WIDTH)
    return trunk


def build(net, case: Case, px: int, heads: int | None) -> nn.Module:
    torch.manual_seed(0)
    width = case.width
    if case.build.startswith("vgg") and px < case.px:
        trunk, width = narrow_vgg(case.build), VGG_WIDTH
    elif case.build.startswith("timm:"):
        trunk = timm.create_model(case.build[5:], num_classes=0)
        for name, parameter in trunk.named_parameters():
            if name.endswith("gamma"):  # layer scale begins at 1e-6, where nothing would show
                nn.init.uniform_(parameter, 0.2, 1)
    else:
        options = {"init_weights": False} if "inception" in case.build else {}
        trunk = getattr(zoo, case.build)(weights=None, **options)
        if case.build.startswith("vgg"):
            trunk.classifier = trunk.classifier[:5]
        elif hasattr(trunk, "head"):
            trunk.head = nn.Identity()
        elif hasattr(trunk, "fc"):
            trunk.fc = nn.Identity()
        elif "squeezenet" not in case.build:
            trunk.classifier = nn.Identity()
    if "inception" in case.build:
        trunk.aux_logits, trunk.AuxLogits = False, None
    model = net.Rating(trunk, width, heads)
    return net.calibrated(model, px).eval()


def compare(net, case: Case, px: int, count: int, dtype: torch.dtype, heads: int | None) -> None:
    model = build(net, case, px, heads).to(dtype)
    layer = f"trunk.{case.layer}"
    x = torch.randn(2, 3, px, px, dtype=dtype, generator=torch.Generator().manual_seed(1))
    plan = ablation_plan(model, layer, x)
    assert plan.kind == case.kind or (case.kind == "mixing" and "mixes" in str(plan)), str(plan)
    assert plan.channel_axis == case.axis
    result = plan(x)
    chosen = torch.randperm(plan.channels, generator=torch.Generator().manual_seed(2))
    chosen = chosen[:count].tolist()
    with torch.no_grad():
        f = model(x)
    if case.producer:
        exact = net.zeroed_weights(model, f"trunk.{case.producer}", x, chosen)
    else:
        exact = net.zeroed_outputs(model, layer, x, chosen, case.axis)
    exact = exact.double() - f.double().unsqueeze(1)
    assert exact.isfinite().all()
    assert exact.abs().max() > 1e-4  # removal does something
    error = (result.delta[:, chosen] - exact).abs()
    bound = (1e-10 if dtype == torch.float64 else 1e-5) * f.double().abs().clamp_min(1)
    assert (error <= bound.unsqueeze(1)).all(), f"{plan} error {error.max():.1e}"


@pytest.mark.parametrize("name", CASES)
def test_some_channels_agree_with_brute_force(net, name: str) -> None:
    case = CASES[name]
    compare(net, case, case.small_px, 4, torch.float32, heads=None if len(name) % 2 else 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_channels_agree_with_brute_force_in_float32(net, name: str) -> None:
    case = CASES[name]
    compare(net, case, case.px, 64, torch.float32, heads=None)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_channels_agree_with_brute_force_in_float64(net, name: str) -> None:
    case = CASES[name]
    compare(net, case, case.small_px, 64, torch.float64, heads=2)


def compare_places(
    net, model: nn.Module, case: Case, px: int, count: int, dtype: torch.dtype, window: int
) -> None:
    model, layer = model.to(dtype), f"trunk.{case.layer}"
    x = torch.randn(2, 3, px, px, dtype=dtype, generator=torch.Generator().manual_seed(1))
    plan = place_plan(model, layer, x, window=window)
    assert plan.channel_axis == case.axis
    result = plan(x)
    squares = net.square_windows(plan.shape, window)
    chosen = torch.randperm(len(squares), generator=torch.Generator().manual_seed(2))
    chosen = chosen[:count].tolist()

    def lay_out(out: torch.Tensor) -> torch.Tensor:
        if out.ndim == 3:  # tokens: those before the grid stay
            grid = out[:, out.shape[1] - len(squares) :]
            return grid.transpose(1, 2).unflatten(2, plan.shape)
        return out.movedim(case.axis, 1)

    exact = net.without_places(model, layer, x, [squares[i] for i in chosen], lay_out)
    exact = exact.double() - result.output.double().unsqueeze(1)
    assert exact.isfinite().all()
    assert exact.abs().max() > 1e-4  # removal does something
    error = (result.delta.flatten(1, 2)[:, chosen] - exact).abs()
    bound = (1e-10 if dtype == torch.float64 else 1e-5) * result.output.double().abs().clamp_min(1)
    assert (error <= bound.unsqueeze(1)).all(), f"{plan} error {error.max():.1e}"


@pytest.mark.parametrize("name", ["squeezenet", "convnext within"])
def test_some_places_agree_with_brute_force(net, name: str) -> None:
    case = PLACES[name]
    compare_places(
        net, build(net, case, case.small_px, 2), case, case.small_px, 4, torch.float32, 3
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", PLACES)
def test_many_places_agree_with_brute_force_in_float32(net, name: str) -> None:
    case = PLACES[name]
    compare_places(net, build(net, case, case.px, 2), case, case.px, 64, torch.float32, 1)


@pytest.mark.slow
@pytest.mark.parametrize("window", [1, 5])
@pytest.mark.parametrize("name", PLACES)
def test_many_places_agree_with_brute_force_in_float64(net, name: str, window: int) -> None:
    case = PLACES[name]
    compare_places(
        net, build(net, case, px := case.small_px, 2), case, px, 64, torch.float64, window
    )


class Untraceable(nn.Module):
    """Looks at a value on its way, so that no graph of it holds."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.trunk(x)
        return y * 2 if float(y.detach().sum()) > 0 else y + 1


@pytest.mark.slow
def test_many_places_of_a_network_that_cannot_be_traced(net) -> None:
    model = build(net, PLACES["before a strided convolution"], 224, heads=2)
    model.trunk = Untraceable(model.trunk)
    case = Case("", "trunk.layer3.1", 512, 224, "")
    compare_places(net, model, case, 224, 64, torch.float32, window=1)
