"""A small planted study by several explainers: what is stored, compared and done only once."""

from __future__ import annotations

import pickle
from contextlib import nullcontext, suppress

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from PIL import Image

import aisthesis as ais
from aisthesis.config import HumanMapsConfig
from aisthesis.errors import RequestError
from aisthesis.execution.jobs import Serial, run_task
from aisthesis.execution.progress import Silent
from aisthesis.heads import load_head
from aisthesis.images import ImageFolder, batches
from aisthesis.names.explainers import BASE
from aisthesis.studies.ratings.explaining.explainers import methods_root
from aisthesis.studies.ratings.testing import faithfulness
from aisthesis.studies.ratings.testing.human_maps import compare_with_people
from aisthesis.studies.shared.catalogue import build

OTHERS = ("grad_cam", "gradient_x_input", "occlusion", "random", "centre")
PX = 112
EXPLAINING = {"cells": 14, "occlusion_px": 12, "stride_px": 28}
METRICS = ["cosine", "spearman"]
BACKBONES = ["miniature:vgg16", "miniature:barlow_twins"]
SMALL = [{"name": name, "input_px": PX} for name in BACKBONES]


@pytest.fixture(scope="module")
def explained(make_study, planted, tmp_path_factory):
    pytest.importorskip("captum")
    return make_study(
        tmp_path_factory.mktemp("explained") / "s",
        backbones=SMALL,
        explainers=OTHERS,
        explaining=EXPLAINING,
        faithfulness={"images": 0},
        metrics=METRICS,
        masks=planted.root / "masks",
        randomised=1,
    ).run(until="agree")


def clicks(planted, folder):
    """Three people click near the middle of every image, one of them beside some."""
    rows = ["image,x,y,subject"]
    for k, path in enumerate(sorted(planted.images.rglob("*.png"))):
        width, height = Image.open(path).size
        name = path.relative_to(planted.images).as_posix()
        rows += [f"{name},{width * (0.48 + 0.02 * s)},{height / 2},{s}" for s in range(3)]
        rows += [f"{name},-5,3,0"] * (k % 2)
    (folder / "clicks.csv").write_text("\n".join(rows))
    return folder / "clicks.csv"


def group(study, label, name):
    return xr.open_zarr(methods_root(study.folder, label) / name, consolidated=False, chunks=None)


def test_every_method_is_stored_with_the_same_coordinates(explained):
    for label in ("miniature:vgg16", "miniature:barlow_twins"):
        own = explained.maps.dataset(label)
        for name in OTHERS:
            with group(explained, label, name) as found:
                assert found[name].dims == ("image", "y", "x")
                assert list(found["image"].values) == list(own["image"].values)
                assert np.array_equal(found["crop_left"], own["crop_left"])
                assert np.isfinite(found[name]).all()
                assert found.attrs["method"] == name
                assert found.attrs["words"]
        assert group(explained, label, "occlusion")["occlusion"].shape[1:] == (4, 4)
        assert group(explained, label, "gradient_x_input")["gradient_x_input"].shape[1:] == (14, 14)
        grad_cam = explained.maps.by("grad_cam", label)
        assert grad_cam.shape == explained.maps[label].shape
        assert explained.maps.by("ais", label).equals(explained.maps[label])


def test_stored_maps_explain_the_prediction_averaged_over_seeds(explained):
    """Occlusion by hand on one image, with the mean of both heads."""
    config = explained.config
    backbone = build(config.backbones[0], weights_dir=None, seed=config.seed)
    heads = [load_head(explained.folder.head_file(config.backbones[0].label, s))[0] for s in (0, 1)]
    name = str(explained.maps["miniature:vgg16"]["image"].values[0])
    (batch,) = batches(ImageFolder(config.images), [name], backbone.transform, 1)
    side = backbone.input_px
    masked = batch.pixels.clone()
    top = left = int(2.5 * side / 4) - 6
    masked[:, :, top : top + 12, left : left + 12] = 0
    with torch.no_grad():
        z, without = backbone.trunk(batch.pixels), backbone.trunk(masked)
        drop = torch.stack([head(z) - head(without) for head in heads]).mean()
    found = explained.maps.by("occlusion", "miniature:vgg16")[0, 2, 2]
    assert float(found) == pytest.approx(float(drop), rel=1e-3, abs=1e-5)


def test_agreement_covers_methods_between_backbones_and_on_each(explained):
    between = explained.agreement
    assert set(between["map"]) == {*BASE, "grad_cam", "gradient_x_input", "occlusion"}
    others = between[~between["map"].isin(BASE)]
    assert others["p"].notna().all()
    assert others["reliability_a"].isna().all()
    table = explained.methods
    n = len(BASE) + len(OTHERS)
    assert len(table) == 2 * len(METRICS) * n * (n - 1) // 2
    cell = table[
        (table["backbone"] == "miniature:vgg16")
        & (table["metric"] == "cosine")
        & (table["method_a"] == "evidence")
        & (table["method_b"] == "occlusion")
    ].iloc[0]
    by_hand = ais.agree(
        explained.maps.by("evidence", "miniature:vgg16").values,
        explained.maps.by("occlusion", "miniature:vgg16").values.astype(np.float64),
    )["cosine"]
    assert cell["mean"] == pytest.approx(by_hand.mean(), abs=1e-6)
    assert cell["low"] < cell["mean"] < cell["high"]


def test_human_maps_that_cannot_be_used_are_refused_before_anything_is_fitted(
    make_study, planted, tmp_path
):
    (tmp_path / "f.csv").write_text("image,x\na,3\n")
    study = make_study(tmp_path / "s", human_maps=tmp_path / "f.csv")
    with pytest.raises(RequestError, match=r"there is no column 'y'.*\[human_maps\] y ="):
        study.run(until="fit")
    assert not study.folder.predictions.exists()


def test_localisation_scores_every_method(explained):
    table = pd.read_csv(explained.folder.localisation)
    assert {*BASE, "grad_cam", "occlusion", "random"} <= set(table["map"])
    auc = table[
        (table["score"] == "auc") & (table["control"] == "none") & (table["side"] == "either")
    ]
    random = auc[auc["map"] == "random"]
    assert ((random["low"] < 0.55) & (random["high"] > 0.45)).all()


def test_finished_explainers_are_not_done_again(explained, make_study):
    root = methods_root(explained.folder, "miniature:vgg16")

    def written() -> dict[str, list[int]]:
        """When the maps' own files were written; the descriptions beside them may be again."""
        return {
            name: [
                file.stat().st_mtime_ns
                for file in sorted((root / name / name).rglob("*"))
                if file.is_file() and file.name != "zarr.json"
            ]
            for name in OTHERS
        }

    times = written()
    assert all(times.values())
    more = make_study(
        explained.config.out,
        backbones=SMALL,
        explainers=(*OTHERS, "multiscale"),
        explaining=EXPLAINING | {"multiscale_px": (5,)},
        metrics=METRICS,
        masks=explained.config.masks,
        randomised=1,
    ).run(until="explain")
    assert written() == times
    assert more.maps.by("multiscale", "miniature:vgg16").shape[1:] == (4, 4)
    record = more.folder.provenance()["backbones"]["miniature:vgg16"]["explainers"]
    assert {*OTHERS, "multiscale"} == set(record)


def test_faults_are_said_before_anything_is_computed(make_study, tmp_path, explained):
    with pytest.raises(RequestError, match="did you mean grad_cam"):
        make_study(tmp_path / "s", explainers=["gradcam"])
    with pytest.raises(RequestError, match="did you mean `cells`"):
        make_study(tmp_path / "s", explaining={"cell": 3})
    with pytest.raises(RequestError, match="add it to `explainers`"):
        explained.maps.by("lime", "miniature:vgg16")


def test_explain_makes_maps_by_any_method(explained, planted):
    backbone = ais.backbone("miniature:vgg16", input_px=PX)
    head, _ = load_head(explained.folder.head_file("miniature:vgg16", 0))
    maps = ais.explain(
        backbone, head, planted.images, method="occlusion",
        options={"occlusion_px": 12, "stride_px": 28},
    )  # fmt: skip
    assert maps.dims == ("image", "y", "x")
    assert maps.shape == (30, 4, 4)
    assert maps.attrs["method"] == "occlusion"
    with pytest.raises(RequestError, match="did you mean occlusion"):
        ais.explain(backbone, head, planted.images, method="occlude")


@pytest.fixture(scope="module")
def few_maps_made_again():
    """Make weights random in two steps: each makes all maps again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aisthesis.studies.ratings.testing.tested._CASCADE_STAGES", 2)
        yield


@pytest.fixture(scope="module")
def tested(make_study, tmp_path_factory, few_maps_made_again):
    """A study of small pictures whose maps are tested; its report too."""
    pytest.importorskip("captum")
    study = make_study(
        tmp_path_factory.mktemp("tested") / "s",
        backbones=[{"name": name, "input_px": 96} for name in BACKBONES],
        explainers=["grad_cam", "random", "centre_prior"],
        ensemble=True,
        metrics=["cosine"],
        faithfulness={"images": 4, "steps": 2, "cell_px": 32, "squares": 4,
                      "baselines": ("blur",), "cascade_images": 2},
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:  # its figures are drawn for other studies
        patch.setattr("aisthesis.report.write.FigureFiles.begin", lambda *_: None)
        return study.run()


def test_faithfulness_ensembles_and_the_section_of_the_report(tested):
    table = pd.read_csv(tested.folder.faithfulness)
    on_pixels = table[table["baseline"] == "blur"]
    assert {*BASE, "grad_cam", "random", "centre", "activation"} == set(on_pixels["method"])
    assert {"deletion_positive", "road", "infidelity"} <= set(on_pixels["measure"])
    assert {"channels_positive", "channels_error"} <= set(table["measure"])
    asked = np.where(table["measure"] == "sensitivity", 2, 4)  # maps made again on fewer images
    assert (table["n"] + table["n_undefined"] == asked).all()
    apart = pd.read_csv(tested.folder.faithfulness_differences)
    road = apart.query("measure == 'road' and backbone == @BACKBONES[0]")
    assert len(road) == 15  # of six: four kinds of evidence, Grad-CAM, random
    mean = on_pixels.query("measure == 'road' and backbone == @BACKBONES[0]").groupby("method")
    mean = mean["mean"].first()
    np.testing.assert_allclose(
        road["difference"], (mean[road["first"]].values - mean[road["second"]].values), atol=1e-9
    )
    moved = table[table["measure"] == "sensitivity"]
    assert set(moved["method"]) == {*BASE, "grad_cam", "random", "centre"}
    assert (moved.loc[moved["method"] == "centre", "mean"] == 0).all()
    cascade = pd.read_csv(tested.folder.cascade)
    assert set(cascade["method"]) == {*BASE, "grad_cam"}  # the controls have no rows
    intact = cascade[(cascade["stage"] == 0) & (cascade["metric"] == "cosine")]
    assert np.allclose(intact["mean"], 1, atol=1e-4)
    last = cascade[(cascade["stage"] == cascade["stage"].max()) & (cascade["metric"] == "cosine")]
    assert (last.loc[last["method"] == "grad_cam", "mean"] < 0.9).all()
    page = tested.folder.report.read_text(encoding="utf-8")
    assert "is any of them true to the network?" in page
    assert "Grad-CAM</dt>" in page


def test_ensembles_are_what_their_weights_say(tested):
    assert {"ensemble", "ensemble_stacking"} <= set(tested.scores["backbone"])
    predictions = tested.predictions
    mean = predictions[predictions["seed"] == "mean"].pivot(
        index="image", columns="backbone", values="prediction"
    )
    members = [backbone.label for backbone in tested.config.backbones]
    assert np.allclose(mean["ensemble"], mean[members].mean(axis=1), atol=1e-6)
    weights = tested.folder.provenance()["ensemble"]
    stacked = mean[members] @ weights["stacking_weights"] + weights["stacking_intercept"]
    assert np.allclose(mean["ensemble_stacking"], stacked, atol=1e-3)


class Travelling:
    """Does tasks as workers do: each from what travels, in any order."""

    pooled = True

    def __init__(self) -> None:
        self.jobs: list[str] = []

    def run(self, tasks):
        for task in reversed(tasks):
            self.jobs.append(type(task.job).__name__)
            yield run_task(pickle.loads(pickle.dumps(task)))


def test_faithfulness_is_the_same_by_workers(tested):
    folder, workers = tested.folder, Travelling()
    files = (folder.faithfulness, folder.faithfulness_differences, folder.cascade)
    held, before = [file.read_bytes() for file in files], [pd.read_csv(file) for file in files]
    for kept in folder.cache.glob("tables-faithfulness-*"):
        kept.unlink()
    faithfulness.measure_faithfulness(tested._studied(), workers)
    assert workers.jobs == ["FaithfulnessJob"] * len(BACKBONES)
    if torch.get_num_threads() == 1:  # else sums may be rounded in another order
        assert [file.read_bytes() for file in files] == held
    for one, file in zip(before, files, strict=True):
        pd.testing.assert_frame_equal(one, pd.read_csv(file), rtol=1e-3, atol=1e-5)
    assert set(before[0]["backbone"]) == set(BACKBONES)


@pytest.mark.parametrize(("worth", "expected"), [(1, ["FaithfulnessJob"] * 2), (10**9, [])])
def test_much_of_faithfulness_is_shared_by_processes_here(tested, monkeypatch, worth, expected):
    given, travelling, measured = [], Travelling(), []

    def processes(*asked):
        given.append(asked)
        return nullcontext(travelling)

    monkeypatch.setattr(faithfulness, "WORTH_PROCESSES", worth)
    monkeypatch.setattr(faithfulness, "cores", lambda: 2)
    monkeypatch.setattr("aisthesis.execution.processes.Processes", processes)
    monkeypatch.setattr(
        faithfulness.FaithfulnessJob, "measure", lambda job, _=None: measured.append(job.kept.label)
    )
    for kept in tested.folder.cache.glob("tables-faithfulness-*-cascade.json"):
        kept.rename(kept.with_suffix(".away"))
    with suppress(FileNotFoundError):  # nothing has been measured
        faithfulness.measure_faithfulness(tested._studied(), Serial())
    for kept in tested.folder.cache.glob("tables-faithfulness-*.away"):
        kept.rename(kept.with_suffix(".json"))
    assert sorted(measured) == sorted(BACKBONES)
    assert travelling.jobs == expected
    assert given == [(2, max(1, torch.get_num_threads() // 2))] * bool(expected)


def test_maps_are_compared_with_people(explained, planted, tmp_path, monkeypatch):
    asked = {"path": clicks(planted, tmp_path), "kind": "clicks"}
    config = explained.config.model_copy(
        update={
            "human_maps": HumanMapsConfig(**asked),
            "explainers": BASE,
            "backbones": explained.config.backbones[:1],
        }
    )
    compare_with_people(explained.folder, config, explained.inputs, Silent())
    written = explained.folder.human_maps.read_bytes()
    own = pd.read_csv(explained.folder.human_maps).set_index(["map", "side", "score", "control"])
    with monkeypatch.context() as patch:  # as where another network is added: nothing twice
        patch.setattr("aisthesis.studies.ratings.testing.human_maps.human_map_table", None)
        compare_with_people(explained.folder, config, explained.inputs, Silent())
    assert explained.folder.human_maps.read_bytes() == written
    explained.folder.human_maps.unlink()
    assert set(own.index.get_level_values("map")) == {*BASE, "activation", "centre", "people"}
    middle = own.loc["centre", "either", "nss", "none"]
    assert middle["low"] > 0
    assert middle["n_undefined"] == 0
    assert middle["n_fixations"] == 3 * middle["n"]
    assert own.loc["people", "either", "nss", "none"]["mean"] > middle["mean"]
    assert {"centre", "other_images", "people"} <= set(own.loc["ais", "raising", "kl"].index)
    people = explained.folder.provenance()["human_maps"]
    assert people["kind"] == "clicks"
    assert "lie beside the photographs" in people["said"][0]
