"""Explaining starts from what embedding has kept, and gives the same without it."""

from __future__ import annotations

import pytest
import torch
import zarr

from aisthesis.names.labels import slug
from aisthesis.studies.ratings.explaining import starts
from aisthesis.studies.ratings.explaining.kept_activations import KeptActivations, fits, may_keep
from aisthesis.studies.ratings.showing import layer_outputs

ONE = {
    "backbones": [{"name": "miniature:vgg16", "input_px": 112}],
    "seeds": 1, "fit": {"epochs": 2}, "explain": "all", "metrics": ["cosine"],
}  # fmt: skip


def activations(study):
    return sorted((study.folder.cache / "activations").rglob("*.safetensors"))


@pytest.fixture(scope="module")
def plain(make_study, tmp_path_factory):
    """Maps made from the photographs."""
    out = tmp_path_factory.mktemp("plain") / "s"
    study = make_study(out, **ONE, keep_activations="never").run(until="fit")
    assert not activations(study)
    return study.run(until="explain")


def same_maps(one, other) -> bool:
    names = ("ais", "evidence", "ais_place", "activation")
    ours, theirs = ((study.folder.maps / slug("miniature:vgg16")) for study in (one, other))
    held = [{n: zarr_values(group, n) for n in names} for group in (ours, theirs)]
    return all((abs(held[0][n] - held[1][n]) <= 1e-5 * max(1, abs(held[1][n]).max())).all()
               for n in names)  # fmt: skip


def zarr_values(group, name):
    return zarr.open_group(group, mode="r", use_consolidated=False)[name][...]


def test_no_photograph_is_read_again_to_explain(plain, make_study, tmp_path, monkeypatch) -> None:
    study = make_study(tmp_path / "s", **ONE).run(until="fit")
    assert len(activations(study)) == 1

    def read_again(*_):
        raise AssertionError("the trunk runs twice")

    monkeypatch.setattr(starts, "pixels_of", read_again)
    monkeypatch.setattr(layer_outputs, "batches", read_again)
    study.run(until="explain")
    assert same_maps(study, plain)
    assert not (study.folder.cache / "activations").exists()
    monkeypatch.setattr(layer_outputs, "fitted_backbone", read_again)
    study.run(until="agree")
    computed = plain.run(until="agree")
    assert study.folder.top_channels.read_text() == computed.folder.top_channels.read_text()


def test_damaged_activations_are_computed_from_the_photographs(plain, make_study, tmp_path) -> None:
    study = make_study(tmp_path / "s", **ONE).run(until="fit")
    (file,) = activations(study)
    harmed = bytearray(file.read_bytes())
    harmed[-5] ^= 1
    file.write_bytes(harmed)
    assert same_maps(study.run(until="explain"), plain)


def test_a_disk_that_takes_no_more_only_costs_time(tmp_path, monkeypatch) -> None:
    kept = KeptActivations(tmp_path, tmp_path / "cache" / "activations" / "one")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    module = "aisthesis.studies.ratings.explaining.kept_activations.save_file"
    monkeypatch.setattr(module, full)
    kept.write(["a"], {"layer": torch.zeros(1, 2)})
    assert kept.read(["a"]) is None
    assert not list(kept.folder.iterdir())


def test_few_images_and_large_ones_are_not_kept(tmp_path) -> None:
    assert may_keep("auto", 16)
    assert not may_keep("auto", 15)
    assert may_keep("always", 1)
    assert not may_keep("never", 10**6)
    assert fits(tmp_path, 16, 10**5)
    assert not fits(tmp_path, 16, 10**7)
    assert not fits(tmp_path, 10**12, 10**5)
