"""Full-size networks against brute force: a few channels always, 64 of them when asked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import timm
import torch
import torchvision.models as zoo
from torch import nn

from aisthesis.importance import ablation_plan


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


def build(net, case: Case, px: int, heads: int | None) -> nn.Module:
    torch.manual_seed(0)
    if case.build.startswith("timm:"):
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
    model = net.Rating(trunk, case.width, heads)
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
