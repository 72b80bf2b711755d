"""A whole study on rendered images and miniature backbones, checked against direct computation."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import map_coordinates
from skimage.metrics import structural_similarity

import aisthesis
from aisthesis import Study
from aisthesis.backbones import tensors_digest
from aisthesis.errors import RequestError
from aisthesis.heads import RatingModel, load_head
from aisthesis.images import ImageFolder
from aisthesis.provenance import code, versions
from aisthesis.store.maps_store import open_maps

VGG, BARLOW = "miniature:vgg16", "miniature:barlow_twins"
CSV_FILES = (
    "predictions.csv", "scores.csv", "prediction_differences.csv", "agreement.csv",
    "agreement_images.csv",
)  # fmt: skip


def test_the_folder_holds_what_the_contract_names(study) -> None:
    root = study.folder.root
    for name in (*CSV_FILES, "study.toml", "provenance.json", "report.html"):
        assert (root / name).is_file(), name
    assert len(list((root / "heads").glob("*.safetensors"))) == 4
    assert list((root / "figures").glob("*.png"))
    predictions = pd.read_csv(root / "predictions.csv")
    assert list(predictions) == ["image", "backbone", "seed", "split", "rating", "prediction"]
    scores = pd.read_csv(root / "scores.csv")
    assert {"backbone", "head", "seed", "split", "n", "plcc", "plcc_low", "r2_high"} <= set(scores)
    assert {"mlp", "ridge"} == set(scores["head"])
    compared = study.prediction_differences.groupby(["score", "compared"]).size()
    assert compared["srcc"].to_dict() == {"networks": 1, "heads": 2}
    agreement = pd.read_csv(root / "agreement.csv")
    assert set(agreement["map"]) == {"ais", "evidence", "ais_place", "evidence_place"}
    assert set(agreement["metric"]) == {"cosine", "ssim", "emd", "mse"}
    record = json.loads((root / "provenance.json").read_text())
    assert record["ratings"]["noise_ceiling"]["reliability"] > 0
    assert record["backbones"][VGG]["layer"] == "features.28"
    assert record["backbones"][VGG]["ablation"]["plan"]


def test_two_runs_give_the_same_csv_files_to_the_byte(study, make_study, tmp_path) -> None:
    again = make_study(tmp_path / "again").run(until="agree")
    for name in CSV_FILES:
        assert (again.folder.root / name).read_bytes() == (study.folder.root / name).read_bytes()


def test_the_test_split_never_changes_and_the_others_do(study) -> None:
    table = study.predictions.query("backbone == @VGG")
    by_seed = {s: t.set_index("image")["split"] for s, t in table.groupby("seed") if s != "mean"}
    first, second = by_seed.values()
    assert set(first[first == "test"].index) == set(second[second == "test"].index)
    assert set(first[first == "train"].index) != set(second[second == "train"].index)
    assert set(table.query("seed == 'mean'")["split"]) == {"test"}


def test_scores_are_those_of_the_predictions(study) -> None:
    test = study.predictions.query("backbone == @VGG and split == 'test'")
    for seed in ("0", "1", "mean"):
        rows = test[test["seed"] == seed]
        expected = np.corrcoef(rows["rating"], rows["prediction"])[0, 1]
        score = study.scores.query("backbone == @VGG and head == 'mlp' and split == 'test'")
        assert float(score.set_index("seed").loc[seed, "plcc"]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("label", [VGG, BARLOW])
def test_scores_and_maps_are_those_of_brute_force(study, label) -> None:
    """Each channel zeroed by a hook, the whole network run, the definition applied."""
    backbone = aisthesis.backbone(label)
    head, _ = load_head(study.folder.head_file(label, 1))
    model = RatingModel(backbone.trunk, head)
    with open_maps(study.folder.maps, label) as stored:
        name = str(stored["image"].values[2])
        chosen = stored.sel(image=name, seed=1).load()
    image = ImageFolder(study.config.images).load(name)
    x = backbone.transform(image)[None]
    rating = study.predictions.set_index("image")["rating"][name].iloc[0]
    layer = model.get_submodule(f"trunk.{backbone.trunk_layer}")
    removed: list[int] = []
    seen = {}

    def zero(module, inputs, output):
        seen["activation"] = output.clone()
        output = output.clone()
        output[:, removed] = 0
        return output

    handle = layer.register_forward_hook(zero)
    with torch.no_grad():
        full = model(x).item()
        activation = seen["activation"][0].double().numpy()
        without = []
        for channel in range(activation.shape[0]):
            removed[:] = [channel]
            without.append(model(x).item())
    handle.remove()
    without = np.array(without)
    delta = without - full
    sign = np.sign(np.abs(without - rating) - np.abs(full - rating))
    np.testing.assert_allclose(chosen["delta_prediction"], delta, atol=1e-5)
    clear = np.abs(delta) > 1e-4
    np.testing.assert_allclose(chosen["importance"][clear], (sign * abs(delta))[clear], atol=1e-5)
    evidence = np.einsum("c,cyx->yx", -delta, np.maximum(activation, 0))
    scale = np.abs(evidence).max()
    np.testing.assert_allclose(chosen["evidence"], evidence, atol=2e-3 * scale)
    importance = chosen["importance"].values.astype(float)
    ais = np.einsum("c,cyx->yx", importance, np.maximum(activation, 0))
    np.testing.assert_allclose(chosen["ais"], ais, atol=1e-5 * np.abs(ais).max())


def test_agreement_is_that_of_scikit_image_on_the_stored_maps(study) -> None:
    """On the part of the photograph that both networks saw, at 224 x 224 points of it."""
    small, boxes = [], []
    for label in (VGG, BARLOW):
        with open_maps(study.folder.maps, label) as stored:
            name = str(stored["image"].values[0])
            one = stored.sel(image=name)
            small.append(one["evidence"].mean("seed").values.astype(np.float64))
            boxes.append([float(one[f"crop_{e}"]) for e in ("left", "top", "right", "bottom")])
    left, top = np.max(boxes, axis=0)[:2]
    right, bottom = np.min(boxes, axis=0)[2:]
    share = (np.arange(224) + 0.5) / 224
    pixels = []
    for values, (x0, y0, x1, y1) in zip(small, boxes, strict=True):
        x = (left + share * (right - left) - x0) / (x1 - x0) * values.shape[1] - 0.5
        y = (top + share * (bottom - top) - y0) / (y1 - y0) * values.shape[0] - 0.5
        grid = np.meshgrid(y, x, indexing="ij")
        big = map_coordinates(values, grid, order=1, mode="nearest")
        pixels.append((big - big.mean()) / big.std())
    a, b = pixels
    span = max(a.max(), b.max()) - min(a.min(), b.min())
    expected = {
        "cosine": (a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b),
        "mse": ((a - b) ** 2).mean(),
        "ssim": structural_similarity(a, b, data_range=span),
    }
    table = pd.read_csv(study.folder.agreement_images)
    found = table.query("image == @name and map == 'evidence'").set_index("metric")["value"]
    for metric, value in expected.items():
        assert found[metric] == pytest.approx(value, abs=1e-5), metric


def test_the_trunk_is_the_same_to_the_byte_after_a_whole_study(make_study, tmp_path, monkeypatch):
    from aisthesis.studies.shared import network

    built = []
    for module in (network,):
        original = module.build

        def keep(*args, original=original, **keys):
            backbone = original(*args, **keys)
            built.append((backbone, tensors_digest(backbone.trunk)))
            return backbone

        monkeypatch.setattr(module, "build", keep)
    make_study(tmp_path / "s", backbones=[BARLOW], seeds=1).run(until="explain")
    assert len(built) == 2
    for backbone, digest in built:
        assert tensors_digest(backbone.trunk) == digest
        assert not any(part.training for part in backbone.trunk.modules())
        assert not any(p.requires_grad for p in backbone.trunk.parameters())
        assert not any(part._forward_hooks for part in backbone.trunk.modules())


def test_a_second_run_redoes_nothing(study, monkeypatch) -> None:
    def refuse(*args, **keys):
        raise AssertionError("done work was done again")

    before = hashlib.sha256(study.folder.predictions.read_bytes()).digest()
    monkeypatch.setattr("aisthesis.studies.shared.network.build", refuse)
    monkeypatch.setattr("aisthesis.studies.ratings.stages.agree_backbones", refuse)
    Study.open(study.folder.root).run()
    assert hashlib.sha256(study.folder.predictions.read_bytes()).digest() == before


def test_maps_open_in_xarray_by_backbone(study) -> None:
    assert list(study.maps) == [VGG, BARLOW]
    maps = study.maps[VGG]
    assert maps.dims == ("image", "y", "x")
    assert maps.shape[1:] == (14, 14)
    assert study.maps[BARLOW].shape[1:] == (7, 7)


def test_predict_gives_the_study_s_own_predictions_on_its_images(study, planted) -> None:
    table = study.predict(planted.images)
    assert list(table) == ["image", "backbone", "seed", "prediction"]
    assert set(table["seed"]) == {"0", "1", "mean"}
    known = study.predictions.query("seed == '1'").set_index(["backbone", "image"])["prediction"]
    new = table.query("seed == '1'").set_index(["backbone", "image"])["prediction"]
    np.testing.assert_allclose(new.loc[known.index], known, atol=1e-4)


def test_images_without_a_rating_get_evidence_and_no_ais(make_study, planted, tmp_path) -> None:
    ratings = pd.read_csv(planted.ratings)
    kept = ratings[~ratings["image"].isin(["0000.png", "0001.png"])]
    kept.to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(RequestError, match="unrated"):
        make_study(tmp_path / "a", ratings=tmp_path / "r.csv").run()
    study = make_study(
        tmp_path / "b",
        ratings=tmp_path / "r.csv",
        unrated="explain",
        explain="all",
        seeds=1,
        metrics=["cosine"],
        bootstrap=0,
    ).run(until="agree")
    with open_maps(study.folder.maps, VGG) as stored:
        one = stored.sel(image="0000.png")
        assert np.isnan(one["ais"]).all()
        assert np.isfinite(one["evidence"]).all()
    row = study.agreement.query("metric == 'cosine'").set_index("map")
    assert row.loc["ais", "n_undefined"] == 2
    assert row.loc["evidence", "n_undefined"] == 0


def test_prediction_only_and_single_backbone_studies_end_in_a_report(make_study, tmp_path) -> None:
    one = [{"name": BARLOW, "layer": "none"}]
    study = make_study(tmp_path / "s", backbones=one, seeds=1).run()
    assert study.folder.report.is_file()
    assert len(study.agreement) == 0
    assert list(study.maps) == []


def test_random_weights_are_warned_of_in_record_and_report(make_study, tmp_path) -> None:
    one = [{"name": BARLOW, "weights": "random", "input_px": 96}]
    study = make_study(tmp_path / "s", backbones=one, seeds=1).run()
    assert any("random" in warning for warning in study.folder.provenance()["warnings"])
    assert "random" in study.folder.report.read_text(encoding="utf-8")


def test_swapped_heads_are_refused(study, planted, tmp_path) -> None:
    root = tmp_path / "s"
    shutil.copytree(study.folder.root, root)
    copied = Study.open(root)
    one, other = (copied.folder.head_file(VGG, seed) for seed in (0, 1))
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)
    with pytest.raises(RequestError, match="is not the head that this study has fitted"):
        copied.predict(planted.images)


def test_another_version_of_code_or_library_makes_its_stages_stale(study, monkeypatch) -> None:
    """And nothing else: tables of other code stay done."""
    real = code.library_version
    monkeypatch.setattr(
        code, "library_version", lambda name: "99.0" if name == "torch" else real(name)
    )
    by_torch = study.status()
    assert set(by_torch[by_torch["state"] == "done"]["stage"]) <= {"explain"}  # the index alone
    assert by_torch["why"].str.contains("torch has changed").any()
    monkeypatch.undo()
    digest = code.source_digest
    monkeypatch.setattr(
        code, "source_digest", lambda name: "0" if name.endswith(".agree") else digest(name)
    )
    table = study.status().set_index("stage")
    assert table.loc["agree", "why"] == "code of the agreement has changed"
    assert (table.drop(index="agree")["state"] == "done").all()


def test_every_entry_of_the_ledger_names_the_code_that_made_it(study) -> None:
    ledger = study.folder.ledger
    for piece in ledger.all_names():
        assert any(part.startswith("code of") for part in ledger.dependencies(piece)), piece


def test_a_stage_keeps_the_versions_that_it_was_computed_with(make_study, tmp_path, monkeypatch):
    study = make_study(tmp_path / "kept", backbones=[VGG], seeds=1).run(until="explain")
    before = study.folder.provenance()["stages"]
    monkeypatch.setattr(versions, "__version__", "99.0")
    make_study(tmp_path / "kept", backbones=[VGG], seeds=1).run(until="agree")
    after = study.folder.provenance()["stages"]
    for stage in ("embed", "heads", "explain"):
        assert after[stage] == before[stage], stage
    assert after["agree"]["versions"]["aisthesis"] == "99.0"
    assert "torch" in after["agree"]["versions"]
