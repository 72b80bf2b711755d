"""Results are of one fit and of what is asked: half-finished, reordered and changed studies."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.errors import RequestError
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.ratings.comparing.methods import maps_dependencies
from aisthesis.studies.ratings.predict import _require_one_fit
from aisthesis.studies.ratings.testing.localise import localise_dependencies

LABELS = ("one", "two")
FIT = {"images": "i", "options of the fit": "o"}
OWN = ("network", "weights", "transform")


def study(root, labels=LABELS, **keys):
    backbones = tuple(BackboneConfig(name="miniature:vgg16", label=label) for label in labels)
    config = StudyConfig(images=root, ratings=root, out=root, backbones=backbones, **keys)
    return StudyFolder(root), config


def fit(folder, label, **changed):
    """Enter a head of a backbone whose network, weights and transform are its own."""
    file = folder.head_file(label, 0)
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{label}{changed}")
    own = {name: f"{name} of {label}" for name in OWN}
    folder.ledger.enter(f"fit/{label}", {**FIT, **own, **changed}, [file])


def test_heads_of_one_fit_are_taken_whatever_the_networks_read(tmp_path) -> None:
    folder, config = study(tmp_path)
    for label in LABELS:
        fit(folder, label)
    _require_one_fit(folder, config, retained=False)


@pytest.mark.parametrize("changed", [{"images": "others"}, {"options of the fit": "others"}])
def test_a_refit_that_was_stopped_half_way_is_refused(tmp_path, changed) -> None:
    folder, config = study(tmp_path)
    for label in LABELS:
        fit(folder, label)
    fit(folder, "one", **changed)
    with pytest.raises(RequestError, match="stopped half-way; run `aisthesis fit` again"):
        _require_one_fit(folder, config, retained=False)


def test_a_head_that_no_finished_fit_names_is_refused(tmp_path) -> None:
    folder, config = study(tmp_path)
    for label in LABELS:
        fit(folder, label)
    folder.head_file("two", 0).write_text("of the fit that was stopped")
    with pytest.raises(RequestError, match=r"two-seed0.*not the head"):
        _require_one_fit(folder, config, retained=False)


def hold_maps(folder, labels):
    for label in labels:
        group = folder.maps / label
        group.mkdir(parents=True)
        attributes = {"key": label, "complete": 1}
        held = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (group / "zarr.json").write_text(json.dumps(held))


def test_agreement_depends_on_the_order_of_the_backbones(tmp_path) -> None:
    folder, config = study(tmp_path)
    hold_maps(folder, LABELS)
    there, back = (
        maps_dependencies(folder, config),
        maps_dependencies(folder, study(tmp_path, LABELS[::-1])[1]),
    )
    differing = [name for name in there if there[name] != back[name]]
    assert differing == ["order of the backbones"]


def test_known_places_depend_on_masks_in_subfolders(tmp_path) -> None:
    masks = tmp_path / "masks"
    (masks / "raising/sub").mkdir(parents=True)
    pixels = np.zeros((4, 4), np.uint8)
    Image.fromarray(pixels).save(masks / "raising/sub/a.png")
    (tmp_path / "s").mkdir()
    folder, config = study(tmp_path / "s", masks=masks)
    hold_maps(folder, LABELS)
    before = localise_dependencies(folder, config)
    assert localise_dependencies(folder, config) == before
    Image.fromarray(255 - pixels).save(masks / "raising/sub/a.png")
    after = localise_dependencies(folder, config)
    assert [name for name in before if before[name] != after[name]] == ["masks"]
