"""What is said of a table before anything is computed, and names that are spelt otherwise."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from aisthesis.cli.main import main
from aisthesis.config import study_config
from aisthesis.errors import RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.images import ImageFolder
from aisthesis.judgments.files.cells import image_name
from aisthesis.judgments.files.names import renamed
from aisthesis.judgments.ratings.reading import read_ratings
from aisthesis.studies.ratings.inputs.reading import read_inputs


def folder_of(path: Path, *names: str) -> ImageFolder:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()
    return ImageFolder(path)


@pytest.mark.parametrize(
    ("files", "name", "meant"),
    [
        (["a.jpg"], "stimuli/set1/a.jpg", "a.jpg"),
        (["a.jpg"], "../stimuli/a.jpg", "a.jpg"),
        (["a.jpg"], "https://x.org/y%20z/a.jpg?size=2", "a.jpg"),
        (["a b.jpg"], "https://x.org/a%20b.jpg", "a b.jpg"),
        (["a.jpg"], "A.JPG", "a.jpg"),
        (["sub/a.jpg"], "a", "sub/a.jpg"),
        (["x.y.jpg"], "x.y", "x.y.jpg"),
        ([unicodedata.normalize("NFC", "é.jpg")], "d/" + unicodedata.normalize("NFD", "É.jpg"), 0),
        (["x/a.jpg", "y/a.jpg"], "all/y/a.jpg", "y/a.jpg"),
        (["a.jpg", "A.jpg"], "dir/A.jpg", "A.jpg"),
        # Never a guess between two.
        (["x/a.jpg", "y/a.jpg"], "a.jpg", None),
        (["a.jpg", "a.png"], "a", None),
        (["a.jpg", "sub/A.jpg"], "A.JPG", None),
        (["a.png"], "a.jpg", None),
        (["ab.jpg"], "a.jpg", None),
    ],
)
def test_a_file_is_found_where_only_one_can_be_meant(tmp_path, files, name, meant) -> None:
    found = renamed([name], folder_of(tmp_path, *files))
    assert found(name) == {None: name, 0: files[0]}.get(meant, meant)
    assert len(found.said) == (meant is not None)


def test_a_file_that_is_named_itself_is_no_other_name_s(tmp_path) -> None:
    folder = folder_of(tmp_path, "a.jpg", "b.jpg")
    assert renamed(["a.jpg", "A.jpg"], folder).names == {}
    assert renamed(["x/b.jpg", "y/b.jpg", "A.JPG"], folder).names == {"A.JPG": "a.jpg"}


def test_names_are_taken_as_they_are_where_that_is_said(tmp_path) -> None:
    (tmp_path / "r.csv").write_text("image,rating\nA.jpg,1\nb.jpg,2\n")
    folder = folder_of(tmp_path / "im", "a.jpg", "b.jpg")
    for match, first in (("auto", "a.jpg"), ("exact", "A.jpg")):
        read = read_ratings(tmp_path / "r.csv", folder=folder, match=match)
        assert read.mean["image"].tolist() == [first, "b.jpg"]


def test_check_says_what_is_understood(tmp_path, capsys) -> None:
    folder_of(tmp_path / "im", "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    table = tmp_path / "wide.csv"
    table.write_text("image,r1,r2,rating\nA.jpg,1,2,1\nb.jpg,3,,3\nc.jpg,5,4,5\n")
    assert main(["check", str(table), "--images", str(tmp_path / "im")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "read as one rating an image"
    assert out[-1].endswith("; 1 of its images are not rated (d.jpg)")
    assert main(["check", str(table), "--column", "layout=wide"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:3] == [
        "read as one row an image, one column a rater",
        "3 images, 2 raters, 1 to 2 ratings each; mean ratings from 1.5 to 4.5, single ones from "
        "1 to 5",
        "1 empty answer left out",
    ]
    assert out[3].startswith("no noise ceiling: 2 of 3 images have at least two raters")
    assert main(["check", str(table), "--column", "rating=r1"]) == 0
    assert "caution: 'r1' is one of 2 columns, r1 to r2" in capsys.readouterr().out
    assert main(["check", str(table), "--column", "votes=x,y"]) == 2
    assert "no column 'x'" in capsys.readouterr().err


def test_check_says_what_is_understood_of_pairs(tmp_path, capsys) -> None:
    rows = [
        f"{a}.jpg,{b}.jpg,{who},{n}"
        for who in "pq"
        for n, (a, b) in enumerate(["ab", "ac", "ad", "bc", "bd", "cd"])
    ]
    table = tmp_path / "pairs.csv"
    table.write_text("\n".join(["image_a,image_b,subject,similarity", *rows]))
    folder_of(tmp_path / "im", "a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg")
    assert main(["check", str(table), "--images", str(tmp_path / "im")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("2 matrices of 4 images, 6 pairs each; the values are taken as simil")
    assert out[1] == "noise ceiling: an agreement with single subjects from 1.000 to 1.000 at most"
    assert out[2].endswith("1 of its images are not judged (e.jpg)")
    table.write_text("\n".join(["one,two,subject,near", *rows]))
    keys = ["image_a=one", "image_b=two", "similarity=near"]
    asked = [word for key in keys for word in ("--column", key)]
    assert main(["check", str(table), *asked]) == 0
    assert capsys.readouterr().out.startswith("2 matrices of 4 images")


class Told(ProgressReporter):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)

    warn = say


def test_a_study_reads_its_tables_so_and_says_it_first(tmp_path) -> None:
    (tmp_path / "im").mkdir()
    rows = ["file,anna,ben,cleo"]
    for number in range(10):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "im" / f"{number:02}.png")
        rows.append(f"set/{number:02},{number},{number + 1},{number + 2}")
    (tmp_path / "r.csv").write_text("\n".join(rows))
    values = {"images": "im", "ratings": ["r.csv"], "out": "out", "columns": {"layout": "wide"}}
    told = Told()
    inputs = read_inputs(study_config(values, tmp_path, "a test"), told)
    assert inputs.names[3] == "03.png"
    assert inputs.rating.tolist() == [float(n + 1) for n in range(10)]
    assert told.lines[0] == "ratings: read as one row an image, one column a rater"
    assert told.lines[1] == "ratings: the images are in the column 'file'"
    assert "10 of 10 names differ" in told.lines[2]


# --- ceilings, retests, and what is left aside ---------------------------------------------------


@pytest.mark.parametrize("property_", ["lightness", "roughness"])
def test_a_ceiling_from_votes_agrees_with_that_from_raters(tmp_path, shared, property_) -> None:
    rated = read_ratings(shared / "data" / "rocks" / f"{property_}.csv")
    votes = pd.crosstab(rated.single["image"], rated.single["rating"].astype(int))
    votes.columns = [f"c{point}" for point in votes.columns]
    votes.to_csv(tmp_path / "votes.csv")
    read = read_ratings(tmp_path / "votes.csv")
    assert read.layout == "votes"
    ours, theirs = read.noise_ceiling, rated.noise_ceiling
    for name in ("reliability", "correlation", "reliability_low", "reliability_high"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=0.005)
    assert (ours.method, ours.n_images, ours.n_raters) == ("votes", 360, 20)
    both = read.mean.merge(rated.mean, on="image", suffixes=("", "_single"))
    assert len(both) == 360
    assert both["rating"].to_numpy() == pytest.approx(both["rating_single"].to_numpy())
    assert both["sd"].to_numpy() == pytest.approx(both["sd_single"].to_numpy())


def test_retests_are_averaged_and_each_rater_s_reliability_given(tmp_path) -> None:
    rows = ["image,rater,rating"]
    for n in range(6):
        rows += [f"{n}.jpg,ann,{n}", f"{n}.jpg,bob,{n}"]
    rows += [f"{n}.jpg,ann,{n + 1}" for n in range(3)] + [f"{n}.jpg,bob,{5 - n}" for n in range(3)]
    (tmp_path / "r.csv").write_text("\n".join(rows))
    read = read_ratings(tmp_path / "r.csv")
    again = read.retests.set_index("rater")
    assert again.loc["ann"].tolist() == pytest.approx([3, 6, 1.0])
    assert again.loc["bob"].tolist() == pytest.approx([3, 6, -1.0])
    assert len(read.single) == 12
    assert read.mean["rating"].tolist()[:2] == [(0.5 + 2.5) / 2, (1.5 + 2.5) / 2]
    assert read.mean["n_raters"].tolist() == [2] * 6
    one = tmp_path / "one.csv"
    one.write_text("\n".join([*rows[:13], "0.jpg,ann,1"]))
    with pytest.raises(RequestError, match="an image twice by the same rater"):
        read_ratings(one)
    assert read_ratings(one, retests="mean").mean["rating"][0] == 0.25


def test_votes_that_the_rating_is_not_the_mean_of_are_left_aside(tmp_path) -> None:
    rows = ["image,c1,c2,c3,rating", "a,8,1,1,80", "b,1,8,1,50", "c,1,1,8,20"]
    (tmp_path / "r.csv").write_text("\n".join(rows))
    read = read_ratings(tmp_path / "r.csv")
    assert (read.layout, read.mean["rating"].tolist()) == ("means", [80, 50, 20])
    assert "'rating' is not their mean" in read.said[0]
    read = read_ratings(tmp_path / "r.csv", layout="votes")
    assert read.mean["rating"].tolist() == pytest.approx([1.3, 2.0, 2.7])


def test_shares_of_votes_give_means_and_no_ceiling(tmp_path) -> None:
    (tmp_path / "r.csv").write_text("image,s1,s2\na,.25,.75\nb,.5,.5\nc,1,0\n")
    read = read_ratings(tmp_path / "r.csv", votes=["s1", "s2"])
    assert read.mean["rating"].tolist() == [1.75, 1.5, 1.0]
    assert read.noise_ceiling is None
    assert read.mean["n_raters"].isna().all()


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ('<img src="x/a.jpg" width=4>', "x/a.jpg"),
        ("<div><img class='s' src='a b.jpg'/></div>", "a b.jpg"),
        ('["x/a.jpg"]', "x/a.jpg"),
        ("./x//a.jpg", "x/a.jpg"),
        ("https://h.org//a.jpg", "https://h.org//a.jpg"),
        # Several images, none, and what only looks like one of these.
        ('<img src="a.jpg"><img src="b.jpg">', '<img src="a.jpg"><img src="b.jpg">'),
        ('["a.jpg","b.jpg"]', '["a.jpg","b.jpg"]'),
        ("<p>Welcome", "<p>Welcome"),
        ("a<b.jpg", "a<b.jpg"),
        ("<![x.jpg", "<![x.jpg"),
        ('["a.jpg', '["a.jpg'),
        ('1"><img src=x onerror=alert(2)>.png', '1"><img src=x onerror=alert(2)>.png'),
    ],
)
def test_images_in_cells_of_experiments(cell, name) -> None:
    assert image_name(cell) == name
