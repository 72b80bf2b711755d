"""A reader of judgments of the user's own, in functions, study files and programs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

import aisthesis as ais
from aisthesis.config import SimilarityColumns
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.judgments.similarity.judgments import read_similarities
from aisthesis.miniature import render_study

PAGE = Path(__file__).parents[2] / "docs" / "howto-reader.md"
NETWORK = 'backbones = ["miniature:vgg16"]\ndevice = "cpu"\n'


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("r") / "p", 12, seed=2, size_px=64)


@pytest.fixture
def folder(tmp_path, planted) -> Path:
    """The page's own file, and ratings as its experiment writes them."""
    blocks = re.findall(r"^```python\n(# my_\w+\.py.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    (tmp_path / "my_experiment.py").write_text(blocks[0], encoding="utf-8")
    names = list(ImageFolder(planted.images).names)
    lines = [f"{person} saw {name}: {3 + (k + len(person)) % 5}"
             for k, name in enumerate(names) for person in ("ann", "bo")]  # fmt: skip
    (tmp_path / "session.log").write_text("started\n" + "\n".join(lines), encoding="utf-8")
    yield tmp_path
    sys.modules.pop("my_experiment", None)


def log(path: Path) -> pd.DataFrame:
    found = re.findall(r"^(\w+) saw (.+): (\d)$", path.read_text("utf-8"), re.M)
    return pd.DataFrame(found, columns=["rater", "image", "rating"])


def test_a_study_file_names_a_reader_and_its_folder_does_not_run_it(planted, folder) -> None:
    file = folder / "study.toml"
    file.write_text(
        f'images = "{planted.images}"\nratings = "session.log"\nout = "s"\n{NETWORK}'
        '[columns]\nreader = "my_experiment:read_session"\n'
    )
    study = ais.Study.from_toml(file)
    assert set(study.status()["state"]) == {"to do"}
    held = read_ratings(folder / "session.log", reader=log)
    assert set(study.inputs.ratings.single["rater"]) == {"ann", "bo"}
    pd.testing.assert_frame_equal(study.inputs.ratings.mean, held.mean)
    with study._parts(), study._alone():
        pass
    rows = ais.Study.open(folder / "s").status()
    assert rows["state"][0] == "absent"
    assert "is code and so is not run from a study's folder" in rows["why"][0]
    with pytest.raises(RequestError, match="reader my_experiment:read_session, which is code"):
        ais.Study.open(folder / "s").run(until="fit")


def test_a_program_gives_the_function_itself(planted, folder) -> None:
    study = ais.Study(
        images=planted.images,
        ratings=folder / "session.log",
        out=folder / "s",
        backbones=["miniature:vgg16"],
        columns={"reader": log},
    )
    assert len(study.inputs.names) == 12


def test_pairs_come_out_of_any_file(tmp_path) -> None:
    (tmp_path / "pairs.bin").write_bytes(b"\0")

    def pairs(path: Path) -> pd.DataFrame:
        rows = [("a", "b", 0.1), ("a", "c", 0.7), ("b", "c", 0.4), ("c", "d", 0.2)]
        return pd.DataFrame(rows, columns=["image_a", "image_b", "dissimilarity"])

    held = read_similarities(tmp_path / "pairs.bin", columns=SimilarityColumns(reader=pairs))
    assert held.names == ("a", "b", "c", "d")
    assert held.mean[0, 2] == 0.7


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (lambda path: [1, 2], "to give a pandas.DataFrame, got list"),
        (lambda path: 1 / 0, "cannot read .*x.csv: ZeroDivisionError: division by zero"),
        (lambda path: pd.DataFrame({"image": []}), "holds no rows"),
        ("json:nothing", "json has no 'nothing'"),
        ("json:__doc__", "cannot be|a function of a path"),
    ],
)
def test_what_a_reader_does_wrong_is_one_sentence(tmp_path, reader, words) -> None:
    if callable(reader):
        reader.__name__ = "mine"
    with pytest.raises(RequestError, match=words):
        read_ratings(tmp_path / "x.csv", reader=reader)
