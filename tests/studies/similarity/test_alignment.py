"""A whole alignment study on rendered images, checked against direct computation."""

from __future__ import annotations

import json
import pickle
import shutil
from contextlib import nullcontext
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import aisthesis
from aisthesis import Alignment
from aisthesis.backbones import tensors_digest
from aisthesis.cli.main import main
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.execution.jobs import Serial
from aisthesis.images import ImageFolder
from aisthesis.judgments.similarity.triplets import triplet_agreement
from aisthesis.names.labels import slug
from aisthesis.store.alignment_folder import AlignmentFolder

NAME = "miniature:barlow_twins"
SIDE_PX = 96  # a fifth of the work of 224
N = 20
UPPER = np.triu_indices(N, 1)


def small(name: str) -> dict[str, object]:
    return {"name": name, "input_px": SIDE_PX}


#: A second network that is as quickly found out about as the first.
AGAIN = small(NAME) | {"label": "again"}


@pytest.fixture(scope="module")
def judgments(planted, tmp_path_factory):
    """Three subjects who look at how bright images are, and each at something else."""
    folder = tmp_path_factory.mktemp("judgments")
    images = ImageFolder(planted.images)
    names = list(images.names)[:N]
    look = np.array([np.asarray(images.load(name)).mean((0, 1)) for name in names])
    distance = np.linalg.norm(look[:, None] - look[None], axis=-1)
    rng = np.random.default_rng(0)
    for k in range(3):
        noise = np.triu(rng.random((N, N)), 1) * distance.mean()
        own = distance + noise + noise.T
        if k == 2:
            own[0, 1] = own[1, 0] = np.nan
        pd.DataFrame(own, index=names, columns=names).to_csv(folder / f"subject{k}.csv")
    return folder


@pytest.fixture(scope="module")
def make(planted, judgments):
    def made(out, **keys):
        defaults = {
            "images": planted.images,
            "judgments": judgments,
            "backbones": [small(NAME)],
            "folds": 3,
            "repeats": 2,
            "device": "cpu",
        }
        return Alignment(**(defaults | {"out": out} | keys))

    return made


@pytest.fixture(scope="module")
def study(make, tmp_path_factory):
    return make(tmp_path_factory.mktemp("alignment") / "s").run()


def pixels(study, backbone) -> torch.Tensor:
    folder = ImageFolder(study.config.images)
    return torch.stack([backbone.transform(folder.load(n)) for n in study.inputs.names])


def test_the_folder_holds_what_the_docs_name(study) -> None:
    root = study.folder.root
    for path in [*study.folder.tables, root / "report.html", root / "provenance.json"]:
        assert path.is_file(), path
    assert {p.stem for p in (root / "figures").glob("*.png")} == {
        "agreement",
        "matrices_miniature_barlow_twins",
        "planes_miniature_barlow_twins",
        "retention_miniature_barlow_twins",
    }
    record = json.loads((root / "provenance.json").read_text())
    assert record["judgments"]["given_as"] == "dissimilarity"
    assert record["judgments"]["n_missing"] == 1
    assert record["images"]["n_not_judged"] == 10
    assert len(study.validation) == 6
    assert study.channels["retained"].sum() == study.agreement["n_retained"][0]
    assert list(study.channels.sort_values("rank")["importance"]) == sorted(
        study.channels["importance"], reverse=True
    )


def test_agreement_and_scores_are_those_of_the_network_itself(study) -> None:
    backbone = aisthesis.backbone(NAME, input_px=SIDE_PX)
    x = pixels(study, backbone)
    human = study.inputs.human
    layer = backbone.trunk.get_submodule(backbone.trunk_layer)

    def embedding() -> np.ndarray:
        with torch.no_grad():
            return backbone.trunk(x).double().numpy()

    def agreement(z: np.ndarray) -> float:
        return np.corrcoef(np.corrcoef(z)[UPPER], -human[UPPER])[0, 1]

    z = embedding()
    assert study.agreement["agreement"][0] == pytest.approx(agreement(z), abs=1e-5)
    with study.maps(NAME) as stored:
        importance, heatmaps = stored["importance"].values, stored["alignment"].values
    activations: list[torch.Tensor] = []
    others = np.arange(N) != 4
    best = int(study.channels["importance"].argmax())
    for channel in (0, 7, best):

        def hook(_module, _inputs, output, channel=channel):
            activations.append(output)
            output = output.clone()
            output[:, channel] = 0
            return output

        handle = layer.register_forward_hook(hook)
        removed = embedding()
        handle.remove()
        expected = agreement(z) - agreement(removed)
        assert study.channels["importance"][channel] == pytest.approx(expected, abs=1e-5)
        mixed = z.copy()
        mixed[4] = removed[4]
        rows = [np.corrcoef(np.corrcoef(m)[4, others], -human[4, others])[0, 1] for m in (z, mixed)]
        assert importance[4, channel] == pytest.approx(rows[0] - rows[1], abs=1e-5)
    positive = np.maximum(importance[4].astype(float), 0)
    expected = np.tensordot(positive / positive.sum(), activations[0][4].double().numpy(), 1)
    np.testing.assert_allclose(heatmaps[4], expected, rtol=1e-4, atol=1e-6)


def test_a_second_run_does_nothing_again_and_gives_the_same(study, make, tmp_path) -> None:
    root = study.folder.root
    before = {p.name: p.read_bytes() for p in study.folder.tables}
    stamp = study.folder.alignment.stat().st_mtime_ns
    again = Alignment.open(root).run()
    assert again.folder.alignment.stat().st_mtime_ns == stamp
    other = make(tmp_path / "other").run(until="align")
    for path in other.folder.tables:
        if path.suffix == ".csv":
            assert path.read_bytes() == before[path.name]


def test_work_shared_out_gives_the_same(study, make, tmp_path, monkeypatch) -> None:
    """Tasks travel to other processes; what comes of them and how it stands is the same."""

    class Travelling(Serial):
        pooled = True

        def run(self, tasks):
            return super().run(pickle.loads(pickle.dumps(list(tasks))))

    monkeypatch.setattr(
        "aisthesis.studies.shared.base.executor_of", lambda *_: nullcontext(Travelling())
    )
    asked = {
        "backbones": [small(NAME), AGAIN],
        "engine": "processes",
        "repeats": 2,
    }
    shared = make(tmp_path / "shared", **asked).run(until="align")
    stages = shared.status()
    assert set(stages["state"]) == {"done"}
    assert list(stages["stage"].unique()) == ["scores", "maps", "align"]
    assert not shared.folder.report.exists()
    same = shared.channels.query("backbone == @NAME")
    pd.testing.assert_frame_equal(same, study.channels)
    with shared.maps(NAME) as one, study.maps(NAME) as other:
        for name in other.data_vars:
            np.testing.assert_array_equal(one[name].values, other[name].values)


def test_a_study_grows_by_backbones_and_loses_them_by_force(study, make, tmp_path) -> None:
    root = Path(shutil.copytree(study.folder.root, tmp_path / "s"))
    values = (root / "study.toml").read_text()
    (root / "study.toml").write_text(values.replace(str(study.folder.root), str(root)))
    scores = root / "ledger" / "align" / f"{slug(NAME)}.json"
    stamp = scores.stat().st_mtime_ns
    more = make(root, backbones=[small(NAME), AGAIN]).run(until="align")
    assert scores.stat().st_mtime_ns == stamp  # what is done is not done again
    assert list(more.agreement["backbone"]) == [NAME, "again"]
    assert set(more.status()["state"]) == {"done"}
    with pytest.raises(RequestError, match=r"maps of again are removed.*--force"):
        make(root).run(until="align")
    less = make(root).run(until="align", force=True)
    pd.testing.assert_frame_equal(less.channels, study.channels)
    assert not [path for path in root.rglob("again*") if "cache" not in path.parts]


def test_changed_judgments_are_noticed(study, make, judgments, tmp_path) -> None:
    changed = tmp_path / "judgments"
    changed.mkdir()
    for path in judgments.iterdir():
        (changed / path.name).write_text(path.read_text())
    quick = {"judgments": changed, "folds": 2, "repeats": 1, "sizes": 4}
    first = make(tmp_path / "s", **quick).run(until="align")
    before = first.folder.alignment.read_text()
    (changed / "subject0.csv").write_text((judgments / "subject1.csv").read_text())
    make(tmp_path / "s", **quick).run(until="align")
    assert first.folder.alignment.read_text() != before


@pytest.mark.parametrize("name", ["miniature:vgg16", "miniature:densenet161"])
def test_networks_of_other_kinds(make, tmp_path, name) -> None:
    study = make(tmp_path / "s", backbones=[small(name)], repeats=1).run(until="align")
    row = study.agreement.iloc[0]
    assert row["retained_by"] == ("ablate" if "vgg" in name else "columns")
    backbone = aisthesis.backbone(name, input_px=SIDE_PX)
    with torch.no_grad():
        z = backbone.trunk(pixels(study, backbone)).double().numpy()
    human = study.inputs.human
    expected = np.corrcoef(np.corrcoef(z)[UPPER], -human[UPPER])[0, 1]
    assert row["agreement"] == pytest.approx(expected, abs=1e-5)
    kept = study.channels.query("retained")["channel"].to_numpy(copy=True)
    digest = tensors_digest(backbone.trunk)
    layer = backbone.trunk.get_submodule(backbone.trunk_layer)
    mask = torch.zeros(len(study.channels))
    mask[torch.as_tensor(kept)] = 1
    handle = layer.register_forward_hook(lambda _m, _i, o: o * mask[:, None, None])
    with torch.no_grad():
        z = backbone.trunk(pixels(study, backbone)).double().numpy()
    handle.remove()
    assert tensors_digest(backbone.trunk) == digest
    if row["retained_by"] == "ablate":
        expected = np.corrcoef(np.corrcoef(z)[UPPER], -human[UPPER])[0, 1]
        assert row["agreement_retained"] == pytest.approx(expected, abs=1e-4)


def test_choices_among_three_are_compared_with_directly(planted, make, tmp_path) -> None:
    names = list(ImageFolder(planted.images).names)[:14]
    rng = np.random.default_rng(0)
    rows = [
        (*three, three[rng.integers(3)], who)
        for who in "xy"
        for three in combinations(names, 3)
        if rng.random() < 0.8
    ]
    columns = ["image_a", "image_b", "image_c", "odd", "subject"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "t.csv", index=False)
    keys = {"folds": 2, "repeats": 1, "sizes": 4}
    name = "miniature:vgg16"
    keys |= {"backbones": [small(name)]}
    study = make(tmp_path / "s", judgments=tmp_path / "t.csv", **keys).run()
    row, triplets = study.agreement.iloc[0], study.inputs.similarities.triplets
    with np.load(study.folder.dissimilarities) as held:
        network = 1 - held[next(name for name in held.files if name.endswith("network"))]
        judged = list(held["images"])
    assert row["triplet_share"] == pytest.approx(triplet_agreement(network, judged, triplets))
    assert row["n_triplets"] == len(rows) == len(triplets)
    assert row["triplet_chance"] == pytest.approx(1 / 3)
    assert row["triplet_ceiling_lower"] <= row["triplet_ceiling_upper"]
    assert 0 < row["n_triplets_repeated"] < len(rows)
    assert study.channels["triplet_importance"].abs().max() > 0
    with study.maps(name) as maps:
        assert np.isfinite(maps["triplet_place"]).all()
        assert float(np.abs(maps["triplet_likelihood_place"]).max()) > 0
    assert "choices among three images" in (study.folder.root / "report.html").read_text()


def test_rdms_of_rsatoolbox_are_kept_in_the_folder(study, make, tmp_path) -> None:
    rdm = pytest.importorskip("rsatoolbox.rdm", reason="rsatoolbox is not installed")
    judged = study.inputs.similarities
    rdms = rdm.RDMs(
        judged.dissimilarity,
        rdm_descriptors={"subject": list(judged.subjects)},
        pattern_descriptors={"image": list(judged.names)},
    )
    other = make(tmp_path / "s", judgments=rdms).run(until="align")
    assert other.agreement["agreement"][0] == study.agreement["agreement"][0]
    reopened = Alignment.open(other.folder.root)
    assert reopened.inputs.similarities.subjects == judged.subjects
    assert reopened.inputs.digest == other.inputs.digest


def test_the_command_line_runs_a_file_and_a_folder(planted, judgments, tmp_path, capsys) -> None:
    (tmp_path / "study.toml").write_text(
        f'images = "{planted.images}"\njudgments = "{judgments}"\nout = "s"\nfolds = 3\n'
        f'repeats = 1\nbackbones = [{{name = "{NAME}", input_px = {SIDE_PX}}}]\n'
    )
    assert main(["align", str(tmp_path / "study.toml"), "--measure", "spearman"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "s" / "report.html")
    assert AlignmentFolder(tmp_path / "s").config().measure == "spearman"
    assert main(["run", str(tmp_path / "s")]) == 0
    assert "align: already done" in capsys.readouterr().err
    assert main(["align", str(tmp_path / "s"), "--folds", "2"]) == 2
    assert "has its settings already" in capsys.readouterr().err
    assert main(["run", str(tmp_path / "study.toml"), "--seed", "2"]) == 2
    assert "give --seed to `aisthesis align`" in capsys.readouterr().err


def test_wrong_requests_are_refused_in_words(make, study, planted, tmp_path) -> None:
    with pytest.raises(RequestError, match="unknown key `judgements`; did you mean `judgments`"):
        Alignment(images=planted.images, judgements="x", out=tmp_path / "s")
    with pytest.raises(RequestError, match="has no layer"):
        make(tmp_path / "s", backbones=[{"name": NAME, "layer": "none"}]).run()
    predicts = {"name": "inception_v3", "weights": "random"}
    with pytest.raises(RequestError, match="inception_v3 has no layer"):
        make(tmp_path / "s", backbones=[predicts]).run()
    assert not (tmp_path / "s").exists()
    with pytest.raises(RequestError, match="holds another study"):
        make(study.folder.root, folds=2).run()
    with pytest.raises(RequestError, match="study of similarity judgments"):
        aisthesis.Study.open(study.folder.root)
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "study.toml").write_text('ratings = "x.csv"\n')
    with pytest.raises(RequestError, match="holds a study of ratings"):
        Alignment.open(tmp_path / "r")
    with pytest.raises(RequestError, match="at most 5 folds"):
        make(tmp_path / "t", folds=20).run()


def test_a_broken_image_can_be_skipped(make, planted, judgments, tmp_path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in list(ImageFolder(planted.images).names)[:N]:
        (images / name).write_bytes((planted.images / name).read_bytes())
    broken = sorted(images.iterdir())[3]
    broken.write_bytes(b"not an image")
    with pytest.raises(RequestError, match=broken.name):
        make(tmp_path / "s", images=images).run()
    study = make(tmp_path / "s", images=images, on_error="skip").run()
    assert study.agreement["n_images"][0] == N - 1
    assert broken.name in study.folder.report.read_text()


def test_changed_bytes_are_found_and_computed_anew(study, tmp_path) -> None:
    """What stands in the folder is believed only with the bytes that the run wrote."""
    copied = tmp_path / "s"
    shutil.copytree(study.folder.root, copied)
    values = (copied / "study.toml").read_text()
    (copied / "study.toml").write_text(values.replace(str(study.folder.root), str(copied)))
    table = copied / "alignment.csv"
    before = table.read_bytes()
    table.write_bytes(before.replace(b"0.", b"0.9", 1))
    array = next(path for path in sorted((copied / "maps.zarr").rglob("c/*")) if path.is_file())
    bytes_before = array.read_bytes()
    array.write_bytes(bytes_before[:-1] + bytes([bytes_before[-1] ^ 1]))
    (next((copied / "cache").glob("channels-*.npz"))).write_bytes(b"")
    Alignment.open(copied).run()
    assert table.read_bytes() == before
    assert array.read_bytes() == bytes_before


def test_images_that_change_while_it_runs_are_not_vouched_for(study, make, tmp_path) -> None:
    images = tmp_path / "images"
    shutil.copytree(study.config.images, images)
    fresh = make(tmp_path / "s", images=images)
    first = images / fresh.inputs.names[0]
    first.write_bytes((images / fresh.inputs.names[1]).read_bytes())
    with pytest.raises(AisthesisError, match=f"{first.name}.* changed while the study was running"):
        fresh.run()
    assert not fresh.folder.alignment.exists()
