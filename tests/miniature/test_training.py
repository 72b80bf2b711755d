"""The pretraining script, on a few images: that it runs, repeats itself and is honest."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from aisthesis.miniature import miniature_backbone, render_image
from aisthesis.miniature.networks import build

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SMALL = {
    "--images": 32,
    "--finish-images": 32,
    "--validation-images": 10,
    "--epochs": 0.5,
    "--finish-epochs": 0.5,
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import train_miniatures

    return train_miniatures


@pytest.fixture
def objectives(script: ModuleType) -> ModuleType:
    import pretraining_objectives

    return pretraining_objectives


def test_the_same_seed_gives_the_same_weights(script: ModuleType, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    try:
        for run in ("a", "b"):
            options = [str(part) for option in SMALL.items() for part in option]
            arguments = ["--backbone", "vgg16", *options, "--cache", str(tmp_path / "cache")]
            script.main([*arguments, "--out", str(tmp_path / run)])
    finally:
        torch.set_num_threads(threads)
    first, second = (tmp_path / run / "vgg16.safetensors" for run in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    record = json.loads((tmp_path / "a" / "training.json").read_text())["vgg16"]
    assert record["images_128px"] == 32
    assert record["bytes"] == first.stat().st_size
    assert miniature_backbone("vgg16", weights=first).weights.kind == "file"


def test_the_redundancy_loss_is_zero_for_equal_independent_projections(
    objectives: ModuleType,
) -> None:
    basis = torch.linalg.qr(torch.randn(64, 9, generator=torch.Generator().manual_seed(0)))[0]
    centred = torch.linalg.qr(basis - basis.mean(0))[0]
    loss = objectives.decorrelation(centred, centred)
    assert float(loss) < 1e-3
    assert float(objectives.decorrelation(centred, -centred)) > 4 * 9 / objectives.PROJECTION * 0.9


def test_statements_say_what_was_planted(script: ModuleType) -> None:
    from pretraining_data import STATEMENTS, statements

    for k in range(20):
        image = render_image(np.random.default_rng([6, k]), 128)
        held = dict(zip(STATEMENTS, statements(image), strict=True))
        raising = sum(piece.kind == "raising" for piece in image.scene.evidence)
        assert [held[f"at least {n} pieces raising"] for n in (1, 2, 3)] == [
            float(raising >= n) for n in (1, 2, 3)
        ]
        assert sum(value for key, value in held.items() if key.startswith("on ")) == 1
        assert held[f"on {image.background}"] == 1
        covers = [held[key] for key in STATEMENTS if key.startswith("raising covers")]
        assert covers == sorted(covers, reverse=True)


def test_no_statement_is_the_rating(script: ModuleType) -> None:
    from pretraining_data import VALIDATION_STREAM, render

    data = render(150, 224, seed=5, stream=VALIDATION_STREAM, varied=False)
    told = data.statements.std(0) > 0
    for column in data.statements[:, told].T:
        assert abs(np.corrcoef(column, data.ratings)[0, 1]) < 0.85


def test_statistics_are_plain_means(script: ModuleType) -> None:
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(3, momentum=0.1))
    images = torch.randint(0, 255, (20, 3, 8, 8), generator=torch.Generator().manual_seed(1))
    script.renew_statistics(network, images, batch=10)
    expected = script.normalised(images).mean((0, 2, 3))
    torch.testing.assert_close(network[0].running_mean, expected)
    assert network[0].momentum == 0.1
    assert not network.training


def test_only_channels_whose_zero_is_not_neutral_are_penalised(objectives: ModuleType) -> None:
    spot = torch.zeros(2, 3, 10, 10)
    spot[:, :, :3, :4] = 1
    tap = objectives.LayerTap("barlow_twins", build("barlow_twins", 1))

    def penalty(output: torch.Tensor, rectified: bool) -> float:
        tap.output = output
        return float(tap.unfit_for_ablation(rectified))

    assert penalty(spot, rectified=True) == pytest.approx(0, abs=1e-3)
    assert penalty(spot + 1, rectified=True) > 0.5
    assert penalty(-spot - 1, rectified=True) == 0
    assert penalty(spot, rectified=False) == pytest.approx(0, abs=1e-3)
    assert penalty(-spot - 1, rectified=False) > 0.8
    # Zero is the mean, not the background's value: what ablation does depends on the background.
    assert penalty(spot - spot.mean(), rectified=False) > 0.05


def test_presence_tells_nothing_from_silence(objectives: ModuleType) -> None:
    torch.manual_seed(0)
    head = objectives.PresenceHead(channels=6, removed=0.3).eval()
    with torch.no_grad():
        head.weight -= 0.3  # some of the weights would be negative
    pooled = torch.rand(5, 6)
    more = pooled + torch.rand(5, 6)
    assert (head(more) >= head(pooled)).all()
    assert (head(more) > head(pooled)).any()


@pytest.mark.parametrize("name", ["vgg16", "resnet152"])
def test_channels_are_removed_whole_in_training_only(objectives: ModuleType, name: str) -> None:
    torch.manual_seed(0)
    network = build(name, 5)
    images = torch.rand(4, 3, 64, 64)
    seen: list[torch.Tensor] = []
    with objectives.ChannelDropout(name, network, 0.5):
        layer = network.get_submodule(objectives.LAYERS[name])
        handle = layer.register_forward_hook(lambda _m, _i, output: seen.append(output.clone()))
        network.train()(images)
        network.eval()(images)
        handle.remove()
    silent = [(output == 0).all((2, 3)).float().mean() for output in seen]
    assert 0.35 < silent[0] < 0.65
    assert silent[1] == 0
    assert not layer._forward_hooks


@pytest.mark.parametrize("name", ["barlow_twins", "densenet161", "efficientnet_b3"])
def test_settling_signs_leaves_the_function_as_it_was(objectives: ModuleType, name: str) -> None:
    torch.manual_seed(0)
    network = build(name, 5).eval()
    images = torch.randint(0, 255, (6, 3, 64, 64), dtype=torch.uint8)
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.1)
    with torch.inference_mode():
        before = network(objectives.normalised(images))
    assert objectives.settle_signs(name, network, images) > 0
    with torch.inference_mode():
        after = network(objectives.normalised(images))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)
    assert objectives.settle_signs(name, network, images) == 0


@pytest.mark.parametrize("name", ["barlow_twins", "densenet161"])
def test_shortcut_dropout_leaves_the_network_as_it_was(objectives: ModuleType, name: str) -> None:
    torch.manual_seed(0)
    network = build(name, 5).eval()
    images = torch.rand(6, 3, 64, 64)
    with torch.inference_mode():
        before = network(images)
        with objectives.ShortcutDropout(name, network, 0.5):
            assert torch.equal(network(images), before)
            network.train()
            torch.manual_seed(1)
            dropped = network(images)
            torch.manual_seed(1)
            assert torch.equal(network(images), dropped)
        hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in network.modules())
        assert hooks == 0
        assert not torch.equal(network(images), dropped)
