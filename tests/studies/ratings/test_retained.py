"""Retention for ratings: by hand, saved, read again, explained, and nested in a study."""

from __future__ import annotations

import copy
import errno
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import aisthesis as ais
from aisthesis.backbones import tensors_digest
from aisthesis.backbones.retained import retained_backbone
from aisthesis.cli.main import main
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.images import ImageFolder
from aisthesis.importance.retention import (
    best_set,
    data_set_importance,
    retained_sets,
    sizes_to_try,
)
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.miniature import render_study
from aisthesis.studies.ratings.retaining import batches
from aisthesis.studies.ratings.retaining.batches import retain_heads


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("r") / "p", 24, seed=2, size_px=64)


@pytest.fixture(scope="module")
def head(own, planted):
    return ais.fit(own, planted.images, planted.ratings, seed=0)


def test_importance_is_the_loss_of_correlation() -> None:
    rng = np.random.default_rng(0)
    y, f, delta = rng.random(20), rng.random(20), rng.random((20, 4))
    delta[:, 3] = 2 - f  # every prediction is 2 without this channel
    found = data_set_importance(y, f, delta)
    for c in range(3):
        expected = np.corrcoef(y, f)[0, 1] - np.corrcoef(y, f + delta[:, c])[0, 1]
        assert found[c] == pytest.approx(expected)
    assert np.isnan(found[3])
    with pytest.raises(RequestError, match="expected ratings"):
        data_set_importance(y, f, delta[:5])


def test_sets_and_sizes() -> None:
    sets = retained_sets(np.array([2, 0, 1]), np.array([1, 3]))
    assert sets.tolist() == [[False, False, True], [True, True, True]]
    assert sizes_to_try(5).tolist() == [1, 2, 3, 4, 5]
    many = sizes_to_try(2048)
    assert many[0] == 1
    assert many[-1] == 2048
    assert len(many) <= 80
    assert np.diff(many).max() <= 33
    assert best_set(np.array([1, 2, 3]), np.array([np.nan, 0.5, 0.5])) == 1


def test_retention_by_running_the_network_for_every_set(own, head, planted) -> None:
    digest = tensors_digest(own.trunk)
    predictor = ais.retain(own, head, planted.images, planted.ratings)
    assert tensors_digest(own.trunk) == digest
    folder = ImageFolder(planted.images)
    table = read_ratings(planted.ratings).mean.set_index("image")["rating"]
    names = sorted(table.index)
    x = torch.stack([own.transform(folder.load(name)) for name in names])
    y = table[names].to_numpy()

    def predict(mask: torch.Tensor) -> np.ndarray:
        handle = own.trunk.get_submodule(own.trunk_layer).register_forward_hook(
            lambda _m, _i, output: output * mask[:, None, None]
        )
        with torch.no_grad():
            f = head(own.trunk(x)).double().numpy()
        handle.remove()
        return f

    def r(f: np.ndarray) -> float:
        return np.corrcoef(y, f)[0, 1]

    everything = torch.ones(12)
    scores = []
    for c in range(12):
        mask = everything.clone()
        mask[c] = 0
        scores.append(r(predict(everything)) - r(predict(mask)))
    order = np.argsort(-np.array(scores), kind="stable")
    curve = []
    for n in range(1, 13):
        mask = torch.zeros(12)
        mask[torch.as_tensor(order[:n].copy())] = 1
        curve.append(r(predict(mask)))
    n = int(np.argmax(curve)) + 1
    assert set(predictor.channels) == set(order[:n])
    mask = torch.zeros(12)
    mask[torch.as_tensor(predictor.channels)] = 1
    values = predictor.predict(planted.images)
    np.testing.assert_allclose(values[names], predict(mask), atol=1e-4)


def test_what_removals_change_may_lie_on_the_disk(
    own, head, planted, tmp_path, monkeypatch
) -> None:
    folder, other = ImageFolder(planted.images), copy.deepcopy(head)
    with torch.no_grad():
        next(other.parameters()).neg_()
    names = folder.names[:7]
    y = np.random.default_rng(0).random(7)
    given = (own, [head, other], folder, names, y, [np.arange(7), np.arange(1, 6)])
    held = retain_heads(*given, batch_size=3)
    monkeypatch.setattr(batches, "MOST_IN_MEMORY", 0)
    made, new = [], np.memmap
    monkeypatch.setattr(np, "memmap", lambda *a, **k: made.append(k["shape"]) or new(*a, **k))
    found = retain_heads(*given, batch_size=3, scratch=tmp_path)
    assert made == [(2, 7, len(held[0].order))]
    assert list(tmp_path.iterdir()) == []
    for one, expected in zip(found, held, strict=True):
        for name, value in vars(expected).items():
            np.testing.assert_array_equal(getattr(one, name), value)
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(batches.os, "posix_fallocate", Mock(side_effect=full), raising=False)
    with pytest.raises(AisthesisError, match="there is no room left on the disk"):
        retain_heads(*given, scratch=tmp_path)


def test_a_retained_predictor_is_saved_and_read_again(own, head, planted, tmp_path) -> None:
    predictor = ais.RetainedPredictor(own, head, np.array([1, 4, 7]))
    path = predictor.save(tmp_path / "p.safetensors")
    again = ais.RetainedPredictor.load(path, own)
    assert again.channels.tolist() == [1, 4, 7]
    pd.testing.assert_series_equal(again.predict(planted.images), predictor.predict(planted.images))
    torch.manual_seed(5)
    network = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.ReLU())
    other = ais.Backbone(network, layer="2", transform=own.transform, embed="pool")
    with pytest.raises(RequestError, match="was made with weights"):
        ais.RetainedPredictor.load(path, other)
    (tmp_path / "q.safetensors").write_bytes(b"no")
    with pytest.raises(AisthesisError, match="does not hold a retained predictor"):
        ais.RetainedPredictor.load(tmp_path / "q.safetensors", own)


def test_a_retained_predictor_is_explained(own, head, planted) -> None:
    """Its maps are those of the retained network; channels that are gone add nothing."""
    predictor = ais.RetainedPredictor(own, head, np.array([0, 3, 5]))
    maps = predictor.explain(planted.images, planted.ratings)
    name = str(maps["image"].values[2])
    x = own.transform(ImageFolder(planted.images).load(name))[None]
    y = read_ratings(planted.ratings).mean.set_index("image")["rating"][name]
    with torch.no_grad():
        activation = own.module[2](own.module[1](own.module[0](x)))
        mask = torch.zeros(12)
        mask[[0, 3, 5]] = 1

        def f(kept: torch.Tensor) -> float:
            z = torch.relu(activation * kept[:, None, None]).mean((2, 3))
            return float(head(z))

        full, expected = f(mask), 0.0
        for c in (0, 3, 5):
            without = mask.clone()
            without[c] = 0
            change = f(without) - full
            score = np.sign(abs(full + change - y) - abs(full - y)) * abs(change)
            expected = expected + score * activation[0, c].clamp(min=0).double().numpy()
    np.testing.assert_allclose(maps.sel(image=name).values, expected, rtol=1e-3, atol=1e-5)


def test_wrong_channels_are_refused_in_words(own, head) -> None:
    with pytest.raises(RequestError, match="expected channels from 0 to 11"):
        retained_backbone(own, [3, 12])
    with pytest.raises(RequestError, match="expected numbers of channels"):
        retained_backbone(own, [])
    predicts = ais.Backbone(own.module, transform=own.transform, embed="pool")
    with pytest.raises(RequestError, match="no layer"):
        ais.retain(predicts, head, "x", {})


@pytest.mark.parametrize("name", ["miniature:vgg16", "miniature:resnet152"])
def test_retention_of_a_study(tmp_path, name, capsys) -> None:
    planted = render_study(tmp_path / "p", 30, seed=3)
    study = ais.Study(
        images=planted.images, ratings=planted.ratings, out=tmp_path / "s", seeds=2,
        backbones=[{"name": name, "input_px": 96}], device="cpu", bootstrap=0,
        fit={"epochs": 40, "learning_rate": 1e-3},
    )  # fmt: skip
    summary = study.retain(folds=3, repeats=1)
    status = study.status().set_index("stage")
    assert status.loc["retain", "state"] == "done"
    assert set(summary["metric"]) == {"plcc", "srcc"}
    assert set(summary["head"]) == {"study", "fold"}
    folds = pd.read_csv(tmp_path / "s" / "retention_folds.csv")
    assert (folds["n_train"] + folds["n_test"] == 30).all()
    for row in folds[folds["head"] == "study"].itertuples():
        rows = study.predictions[study.predictions["seed"] == str(int(row.seed))]
        test = rows[rows["split"] == "test"]
        expected = np.corrcoef(test["rating"], test["prediction"])[0, 1]
        assert row.plcc_test_full == pytest.approx(expected, abs=1e-5)
    kept = study.predict(planted.images, retained=True)
    for seed in (0, 1):
        own = kept[kept["seed"] == str(seed)].set_index("image")["prediction"]
        rows = study.predictions[study.predictions["seed"] == str(seed)]
        test = rows[rows["split"] == "test"].set_index("image")["rating"]
        row = folds[(folds["head"] == "study") & (folds["seed"] == seed)].iloc[0]
        expected = np.corrcoef(test, own[test.index])[0, 1]
        assert row["plcc_test_retained"] == pytest.approx(expected, abs=1e-4)
        assert row["plcc_train_retained"] >= row["plcc_train_full"] - 1e-9
    stamp = (tmp_path / "s" / "retention.csv").stat().st_mtime_ns
    assert main(["retain", str(tmp_path / "s"), "--folds", "3", "--repeats", "1"]) == 0
    assert capsys.readouterr().out.strip().endswith("retention.csv")
    assert (tmp_path / "s" / "retention.csv").stat().st_mtime_ns == stamp
    with pytest.raises(RequestError, match="at least 2 folds"):
        study.retain(folds=1)


def test_predicting_without_retained_predictors_says_what_to_do(tmp_path) -> None:
    planted = render_study(tmp_path / "p", 20, seed=3)
    study = ais.Study(
        images=planted.images, ratings=planted.ratings, out=tmp_path / "s",
        backbones=["miniature:densenet161"], device="cpu", bootstrap=0, fit={"epochs": 2},
    ).run(until="fit")  # fmt: skip
    with pytest.raises(RequestError, match="run `aisthesis retain` first"):
        study.predict(planted.images, retained=True)
