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


def test_nothing_in_training_knows_of_maps(script: ModuleType) -> None:
    """Hooks, removed channels and turned signs would arrange the demo for the method."""
    text = "".join((TOOLS / f"{name}.py").read_text() for name in (
        "train_miniatures", "pretraining_objectives", "pretraining_data",
    ))  # fmt: skip
    assert not [word for word in ("hook", "LAYERS", "dropout2d", "sign(") if word in text]


@pytest.mark.parametrize("name", ["vgg16", "barlow_twins"])
def test_every_weight_that_the_backbone_keeps_is_trained(
    script: ModuleType, objectives: ModuleType, name: str
) -> None:
    torch.manual_seed(0)
    network = build(name, 5)
    twins = name == "barlow_twins"
    objective = (
        objectives.RedundancyReduction(name, network) if twins else objectives.Classification()
    )
    if twins:
        script.embedding_network(name, network)
    images = torch.randint(0, 255, (6, 3, 64, 64), dtype=torch.uint8)
    objective(network.train(), images, torch.ones(6, 5)).backward()
    without = [n for n, p in network.named_parameters() if p.grad is None]
    assert not without
