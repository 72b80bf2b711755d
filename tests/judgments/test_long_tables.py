"""Tables of many images are read in little memory; what is read is what plain ways read."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aisthesis.images import ImageFolder
from aisthesis.judgments.files.cells import image_name
from aisthesis.judgments.files.table import _LINE, read_table
from aisthesis.judgments.ratings.matching import match
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.judgments.ratings.splits import split


@given(st.text("a,\r\n\x0b\x1c\x85\u2028\ufeff"))
def test_lines_are_those_of_a_text_file(text: str) -> None:
    assert [found.group() for found in _LINE.finditer(text)] == list(io.StringIO(text, newline=""))


@given(st.text("ab./", min_size=1))
def test_names_are_written_as_paths(text: str) -> None:
    assert image_name(text) == PurePosixPath(text).as_posix()


def test_what_stands_in_many_rows_is_held_once(tmp_path) -> None:
    file = tmp_path / "ratings.csv"
    file.write_text("image,rater\n" + "".join(f"{k}.png, anna \n" for k in range(9)))
    table = read_table(file, ("image",))
    assert [row.cells for row in table.rows] == [(f"{k}.png", "anna") for k in range(9)]
    assert len({id(row.cells[1]) for row in table.rows}) == 1


def test_matched_names_are_the_folder_s_own(tmp_path) -> None:
    for name in ("cafe\u0301.png", "b.png"):
        (tmp_path / name).touch()
    file = tmp_path / "ratings.csv"
    file.write_text("image,rating\ncaf\u00e9.png,1\nb.png,2\n")
    folder = ImageFolder(tmp_path)
    found = match(read_ratings(file, folder=folder, match="exact"), folder)
    assert found == ["caf\u00e9.png", "b.png"]  # as the table spells them
    assert found[1] is folder.names[folder.names.index("b.png")]


@given(st.sets(st.integers(0, 39), min_size=2, max_size=30), st.randoms(use_true_random=False))
def test_named_test_images_are_those_named(chosen: set[int], random) -> None:
    names = [f"{k}.png" for k in range(40)]
    random.shuffle(names)
    asked = [f"{k}.png" for k in chosen] + ["100.png", "z.png", ""]  # some of no image
    parts = split(names, np.arange(40.0), test_images=asked)
    assert set(parts.test) == {name for name in names if name in asked}
    assert sorted([*parts.train, *parts.validation, *parts.test]) == sorted(names)
