"""Labels name folders: none leads out of the study, and no two name the same one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisthesis.config import alignment_config, study_config
from aisthesis.errors import RequestError
from aisthesis.names.labels import slug


def _ratings(labels: list[str]) -> list[str]:
    made = study_config(
        {"images": "i", "ratings": "r.csv", "out": "o", "backbones": _backbones(labels)},
        Path("/base"),
        "study.toml",
    )
    return [backbone.label for backbone in made.backbones]


def _judgments(labels: list[str]) -> list[str]:
    made = alignment_config(
        {"images": "i", "judgments": "j.csv", "out": "o", "backbones": _backbones(labels)},
        Path("/base"),
        "study.toml",
    )
    return [backbone.label for backbone in made.backbones]


def _backbones(labels: list[str]) -> list[dict[str, str]]:
    return [{"name": "vgg16", "label": label} for label in labels]


both_kinds = pytest.mark.parametrize("study", [_ratings, _judgments])


@both_kinds
@pytest.mark.parametrize(
    ("label", "words"),
    [
        *[(label, "is a folder's own") for label in (".", "..", "...")],
        *[(label, "separator of folders") for label in ("../x", "a/b", "a\\b", "/", "/tmp/x")],
        *[(label, "not printed") for label in ("a\0b", "\0", "a\nb", "a\x1b[2Jb", "\ud800")],
        *[(label, "is empty") for label in (" ", "\t", "\u3000")],
        *[(label, "begins or ends with") for label in (".a", "a.", "a ", " a")],
        *[(label, "device on Windows") for label in ("con", "NUL", "nul.txt", "Com1", "LPT9.x")],
        *[(label, "as files of the study do") for label in ("zarr.json", "ZARR.JSON", "a.partial")],
        ("视" * 60, "longer than 150 bytes"),
    ],
)
def test_a_label_that_cannot_name_a_folder_is_refused_in_a_sentence(study, label, words) -> None:
    with pytest.raises(RequestError, match=words) as caught:
        study(["vgg16", label])
    assert "give the backbone another `label`" in str(caught.value)


@both_kinds
@pytest.mark.parametrize(
    "labels",
    [("a", "a"), ("a:b", "a_b"), ("Net", "net"), ("é", "e\u0301"), ("STRASSE", "straße")],
)
def test_labels_whose_files_would_be_the_same_are_refused(study, labels) -> None:
    with pytest.raises(RequestError, match=r"appear more than once.*its own `label`"):
        study(list(labels))


@both_kinds
def test_any_other_text_is_a_label(study) -> None:
    labels = ["18", "None", "NA", "1e5", "True", "-", "con1", "a b", "视觉", "<b>\"'", "-1"]
    assert study(labels) == labels
    assert len({slug(label) for label in labels}) == len(labels)


def test_the_name_of_a_network_is_a_label_with_its_separators() -> None:
    made = study_config(
        {"images": "i", "ratings": "r.csv", "out": "o", "backbones": ["timm:org/net.v1"]},
        Path("/base"),
        "study.toml",
    )
    assert slug(made.backbones[0].label) == "timm_org_net.v1"
