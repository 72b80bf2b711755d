from __future__ import annotations

from pathlib import Path

import pytest

from aisthesis.config import AIS_BACKBONES, StudyConfig, read_study_file, study_config
from aisthesis.errors import RequestError
from aisthesis.names.labels import slug

MINIMAL = {"images": "photos", "ratings": "r.csv", "out": "study"}


def config(**values) -> StudyConfig:
    return study_config(MINIMAL | values, Path("/base"), "study.toml")


def test_defaults_are_the_six_ais_backbones_and_paths_follow_the_file() -> None:
    made = config()
    assert tuple(b.name for b in made.backbones) == AIS_BACKBONES
    assert made.images == Path("/base/photos")
    assert (made.explain, made.seeds, made.on_error) == ("test", 1, "stop")


def test_local_weights_are_relative_to_the_file_and_words_are_not_paths() -> None:
    made = config(backbones=[{"name": "vgg16", "weights": "w.pth"}, {"name": "vgg19"}])
    assert [b.weights for b in made.backbones] == ["/base/w.pth", "default"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"explian": "all"}, r"unknown key `explian`; did you mean `explain`\?"),
        ({"fit": {"hiden": 3}}, r"unknown key `fit.hiden`; did you mean `hidden`\?"),
        ({"columns": {"ratings": "x"}}, r"unknown key `columns.ratings`; did you mean `rating`\?"),
        ({"seeds": 0}, "`seeds`: .*greater than or equal to 1, but 0 was given"),
        ({"explain": "some"}, "`explain`: .*'test' or 'all', but 'some' was given"),
        ({"backbones": ["vgg16", "vgg16"]}, "vgg16 appear more than once; give each its own"),
        ({"backbones": ["a:b", "a_b"]}, "appear more than once"),
        ({"backbones": [{"name": "vgg16", "label": "a|b"}]}, "separates labels in clusters.csv"),
        ({"backbones": [{"layer": "x"}]}, r"`backbones.0.name` is missing"),
    ],
)
def test_what_cannot_be_is_refused_in_words(values, words) -> None:
    with pytest.raises(RequestError, match=words):
        config(**values)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        study_config({"imges": "x", "seeds": 0}, Path("/"), "study.toml")
    message = str(caught.value)
    assert all(word in message for word in ("imges", "seeds", "`ratings`", "`out`"))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"images = ", "is not valid TOML"), (b"\xff\xfe\x00", "cannot be read as UTF-8")],
)
def test_a_study_file_that_is_none(tmp_path, content, words) -> None:
    (tmp_path / "s.toml").write_bytes(content)
    with pytest.raises(RequestError, match=words):
        read_study_file(tmp_path / "s.toml")
    with pytest.raises(RequestError, match="there is no file"):
        read_study_file(tmp_path / "absent.toml")


def test_slugs_are_names_of_files() -> None:
    assert slug("torchvision:squeezenet1_0") == "torchvision_squeezenet1_0"
    assert slug("a/b\\c") == "a_b_c"
