"""Several properties of the same images: one study each, one pass of each trunk, compared."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import aisthesis as ais
from aisthesis import Study
from aisthesis.cli.main import main
from aisthesis.config import property_configs
from aisthesis.errors import RequestError
from aisthesis.miniature import render_study
from aisthesis.report.properties.record import read_properties_record
from aisthesis.store.chunk_store import ChunkStore
from aisthesis.studies.ratings import predict
from aisthesis.studies.ratings.comparing import inference
from aisthesis.studies.ratings.explaining import explain
from aisthesis.studies.ratings.fitting import embed

NAMES = ("beauty", "calm")


def network(name: str, seed: int) -> ais.Backbone:
    torch.manual_seed(seed)
    layers = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU()
    )
    transform = ais.Transform(64, 64, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    return ais.Backbone(layers, layer="2", transform=transform, embed="pool", name=name)


@pytest.fixture(scope="module")
def networks():
    return [network("one", 0), network("two", 1)]


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """Thirty images, of which the first four have no rating of calm."""
    root = tmp_path_factory.mktemp("rated")
    planted = render_study(root / "p", 30, seed=3, size_px=64)
    mean = pd.read_csv(planted.ratings).groupby("image")["rating"].mean()
    noise = np.random.default_rng(0).normal(0, 0.5, len(mean))
    table = pd.DataFrame({"image": mean.index, "beauty": mean.to_numpy()})
    table["calm"] = 3 - table["beauty"] + noise
    table.to_csv(root / "both.csv", index=False)
    for name, rows in (("beauty", table), ("calm", table.iloc[4:].iloc[::-1])):
        own = rows[["image", name]].rename(columns={name: "rating"})
        own.to_csv(root / f"{name}.csv", index=False)
    return root, planted.images


@pytest.fixture(scope="module")
def make(rated, networks):
    root, images = rated

    def made(out, **keys):
        given = {
            "images": images, "backbones": networks, "seeds": 2, "bootstrap": 50,
            "metrics": ["cosine"], "fit": {"epochs": 8, "learning_rate": 1e-2}, "device": "cpu",
            "test": 0.3, "ratings": {name: root / f"{name}.csv" for name in NAMES},
        }  # fmt: skip
        return Study(**(given | {"out": out} | keys))

    return made


@contextmanager
def counted():
    """Count the images that are embedded, and those whose channels and places are removed."""
    seen = {"embedded": 0, "explained": 0}

    def counting(module, name, what, images):
        whole = getattr(module, name)

        def called(*given, **named):
            seen[what] += len(given[images])
            return whole(*given, **named)

        patch.setattr(module, name, called)

    with pytest.MonkeyPatch.context() as patch:
        counting(embed, "embedded", "embedded", 1)
        counting(predict, "embed_images", "embedded", 2)
        counting(explain, "explain_both", "explained", 2)
        patch.setattr(inference, "N_PERMUTATIONS", 99)
        yield seen


@pytest.fixture(scope="module")
def run(make, tmp_path_factory):
    """A study, and how many images passed through the networks for its heads and its maps."""
    made = make(tmp_path_factory.mktemp("properties") / "s")
    with counted() as heads:
        made.run(until="fit")
    with counted() as maps:
        made.run(until="explain")
    with counted():
        made.run(until="agree")
    return made, heads["embedded"], maps["explained"]


@pytest.fixture(scope="module")
def study(run):
    return run[0]


@pytest.fixture
def copied(study, make, tmp_path):
    """The same study in another folder, to be changed."""
    shutil.copytree(study.folder.root, tmp_path / "s")
    return make(tmp_path / "s")


def test_each_property_is_a_study_that_opens_on_its_own(study) -> None:
    for name in NAMES:
        folder = study.folder.root / "properties" / name
        own = Study.open(folder)
        assert set(own.status()["state"]) == {"done"}, name
        assert own.properties == {}
        assert (folder / "maps.zarr").is_dir()
    assert (study.status()["state"] == "done").all()
    assert list(study.status()["property"].unique()) == [*NAMES, ""]


def test_one_pass_serves_all_properties(run) -> None:
    study, embedded, explained = run
    assert embedded == 2 * 30
    assert explained == 2 * len(study.maps["one"]["image"]) == 2 * 9


def test_maps_are_those_of_a_study_of_one_property(study, tmp_path) -> None:
    config = study.properties["calm"].config.model_copy(update={"out": tmp_path / "alone"})
    own = Study(config).run(until="explain").maps
    for label in ("one", "two"):
        shared = study.properties["calm"].maps.dataset(label)
        for name in shared.data_vars:
            np.testing.assert_allclose(own.dataset(label)[name], shared[name], rtol=1e-4, atol=1e-6)


def test_unseen_images_are_embedded_once(study) -> None:
    with counted() as seen:
        table = study.predict(study.config.images)
    assert seen["embedded"] == 2 * 30
    assert list(table) == ["property", "image", "backbone", "seed", "prediction"]
    assert table.groupby("property").size().to_dict() == dict.fromkeys(NAMES, 30 * 2 * 3)


def test_images_without_one_rating_count_for_the_other_alone(study) -> None:
    predictions = study.predictions
    split = predictions.groupby(["property", "split"])["image"].nunique()
    assert split["calm", "unrated"] == 4
    assert ("beauty", "unrated") not in split.index
    test = pd.read_csv(study.folder.root / "split.csv").query("split == 'test'")["image"]
    assert set(predictions.query("property == 'beauty' and split == 'test'")["image"]) == set(test)
    missing = set(pd.read_csv(study.config.ratings["beauty"])["image"][:4])
    common = set(test) - missing
    assert set(study.property_agreement["n"]) == {len(common)}
    people = study.property_correlations.query("of == 'human ratings'").set_index("images")
    assert people.loc["all", "n"] == 26
    assert people.loc["test", "n"] == len(common)
    rows = predictions.query("split != 'unrated'").drop_duplicates(["property", "image"])
    wide = rows.pivot(index="image", columns="property", values="rating").dropna()
    assert people.loc["all", "pearson"] == pytest.approx(wide.corr().iloc[0, 1], abs=1e-6)
    said = study.folder.provenance()["properties"]["in_words"]
    assert said == (
        "30 images were rated for beauty, 26 for calm, 26 of them for both: these are compared"
    )


def test_agreement_is_that_of_the_maps(study) -> None:
    maps = study.maps.by("evidence_place", "one")
    assert maps.dims == ("property", "image", "y", "x")
    shown = study.property_agreement.set_index(["backbone", "map"])["mean"]
    images = pd.read_csv(study.folder.root / "properties_images.csv")["image"].unique()
    a, b = (maps.sel(property=name, image=list(images)) for name in NAMES)
    assert shown["one", "evidence_place"] == pytest.approx(ais.agree(a, b)["cosine"].mean())
    sizes = ais.agree(abs(a), abs(b))["cosine"].mean()
    assert shown["one", "evidence_place_size"] == pytest.approx(sizes)
    between = study.property_differences.query("compared == 'networks' and map == 'evidence_place'")
    expected = shown["one", "evidence_place"] - shown["two", "evidence_place"]
    assert between["difference"].item() == pytest.approx(expected)


def test_another_table_of_one_property_leaves_the_other_as_it_is(copied, make, rated, tmp_path):
    root, _ = rated
    file = root / "calm.csv"
    before = file.read_bytes()
    table = pd.read_csv(file)
    table.assign(rating=table["rating"].to_numpy()[::-1]).to_csv(file, index=False)
    try:
        changed = make(tmp_path / "s").status()
    finally:
        file.write_bytes(before)
    states = changed[changed["of"] != "index"].groupby("property")["state"].agg(set)
    assert states.to_dict() == {"beauty": {"done"}, "calm": {"stale"}, "": {"stale"}}


def test_what_was_stopped_goes_on_where_it_was(study, copied, make, monkeypatch):
    for name in NAMES:
        copied.properties[name].folder.ledger.forget("maps.zarr/two")
    write = ChunkStore.write

    def stopped(store, number, arrays, **notes):
        if "calm" in str(store.root):
            raise KeyboardInterrupt
        write(store, number, arrays, **notes)

    monkeypatch.setattr(ChunkStore, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        copied.run(until="explain")
    monkeypatch.undo()
    again = make(copied.folder.root)
    states = again.status().query("stage == 'explain' and of in ['one', 'two']")
    states = states.set_index(["property", "of"])["state"]
    assert states["beauty", "one"] == states["calm", "one"] == "done"
    assert states["calm", "two"] == "to do"
    with counted() as seen:
        again.run(until="explain")
    assert seen["explained"] == 9
    np.testing.assert_allclose(again.maps["two"], study.maps["two"], rtol=1e-4, atol=1e-6)


def test_the_report_compares_them_and_leads_to_each(study) -> None:
    from aisthesis.report.properties import write_properties_report

    page = write_properties_report(study.folder.root).read_text(encoding="utf-8")
    assert "report on calm" not in page  # it is not written yet
    study.properties["calm"].folder.report.write_text("")
    page = write_properties_report(study.folder.root).read_text(encoding="utf-8")
    assert '<a href="properties/calm/report.html">report on calm</a>' in page
    record = read_properties_record(study.folder.root)
    value = record.agreement.query("map == 'evidence_place' and backbone == 'one'")["mean"].item()
    assert f"{value:.2f}".replace("-", "−") in page
    assert page.count("Evidence for beauty over") == 2 * min(8, len(set(record.images["image"])))
    study.properties["calm"].folder.report.unlink()


def test_columns_of_one_table_and_a_table_each_are_the_same(make, rated, tmp_path) -> None:
    root, _ = rated
    study = make(tmp_path / "s", ratings=root / "both.csv", columns={"rating": list(NAMES)})
    configs = property_configs(study.config)
    assert [one.columns.rating for one in configs.values()] == list(NAMES)
    assert {one.out for one in configs.values()} == {
        tmp_path / "s" / "properties" / name for name in NAMES
    }
    assert property_configs(next(iter(configs.values()))) == {}


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"ratings": {"beauty": "b.csv"}}, "expected a table for each of two properties or more"),
        ({"columns": {"rating": ["a", "b"]}}, "in one of two ways, got both"),
        ({"ratings": {"a": "b.csv", "A": "c.csv"}}, "appear more than once as names of folders"),
        ({"ratings": {"a|b": "b.csv", "c": "c.csv"}}, r"holds `\|`"),
        ({"ratings": "t.csv", "columns": {"rating": []}}, "expected the name of a column"),
    ],
)
def test_what_cannot_be_is_said(make, tmp_path, keys, sentence) -> None:
    with pytest.raises(RequestError, match=sentence):
        make(tmp_path / "s", **keys)


def test_a_property_with_too_few_ratings_is_named(make, rated, tmp_path) -> None:
    root, _ = rated
    few = tmp_path / "calm.csv"
    pd.read_csv(root / "calm.csv").iloc[:5].to_csv(few, index=False)
    with pytest.raises(RequestError, match=r"^calm: .*(needs at least|left to train on)"):
        make(tmp_path / "s", ratings={"beauty": root / "beauty.csv", "calm": few}).run()


def test_check_tells_of_every_property(rated, capsys) -> None:
    root, images = rated
    table = str(root / "both.csv")
    assert main(["check", table, "--images", str(images), "--column", "rating=beauty,calm"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "beauty: 30 of 30 rated images are in" in "\n".join(said)
    assert said[-1].startswith("30 images are rated for all 2 properties; beauty and calm corr")
