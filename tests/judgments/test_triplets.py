"""Choices among three images, and pairs judged again: to similarities with their counts."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from aisthesis.config import SimilarityColumns
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.judgments.files.matrix import Triplet
from aisthesis.judgments.files.table import read_table
from aisthesis.judgments.similarity.judgments import read_similarities
from aisthesis.judgments.similarity.triplets import triplet_agreement, triplets_of

N = 7
NAMES = [f"{i}.png" for i in range(N)]
POINTS = np.random.default_rng(0).random((N, 2))
DISTANCE = np.linalg.norm(POINTS[:, None] - POINTS[None], axis=2)
UPPER = np.triu_indices(N, 1)


def odd_ones(who: str = "") -> pd.DataFrame:
    """All triplets, the odd one being that outside the closest pair."""
    rows = []
    for i, j, k in combinations(range(N), 3):
        closest = min(((i, j), (i, k), (j, k)), key=lambda pair: DISTANCE[pair])
        odd = next(one for one in (i, j, k) if one not in closest)
        rows.append((NAMES[i], NAMES[j], NAMES[k], NAMES[odd], who))
    return pd.DataFrame(rows, columns=["image_a", "image_b", "image_c", "odd", "subject"])


def read(tmp_path, table: pd.DataFrame, header: bool = True, **columns):
    table.to_csv(tmp_path / "t.csv", index=False, header=header)
    return read_similarities(tmp_path / "t.csv", columns=SimilarityColumns(**columns))


def test_odd_ones_give_the_share_of_choices_that_went_for_a_pair(tmp_path) -> None:
    table = odd_ones().drop(columns="subject")
    found = read(tmp_path, table).of(NAMES)
    expected = np.zeros((N, N))
    for row in table.itertuples():
        i, j = (NAMES.index(n) for n in (row.image_a, row.image_b, row.image_c) if n != row.odd)
        expected[i, j] += 1
        expected[j, i] += 1
    off = ~np.eye(N, dtype=bool)
    np.testing.assert_allclose(found.mean[off], 1 - expected[off] / (N - 2))
    assert found.weights[0, 0, 1] == N - 2
    assert found.given == "similarity"
    assert np.corrcoef(found.mean[UPPER], DISTANCE[UPPER])[0, 1] > 0.7
    assert found.said[0].startswith("35 choices among three of 7 images")
    assert "21 of 21 pairs were seen" in found.said[0]


def test_every_way_to_say_the_odd_one_is_the_same(tmp_path) -> None:
    table = odd_ones().drop(columns="subject")
    images = table[["image_a", "image_b", "image_c"]]
    expected = read(tmp_path, table).of(NAMES).dissimilarity
    place = images.eq(table["odd"], axis=0).to_numpy()
    number = images.assign(odd=place.argmax(1) + 1)
    letter = images.assign(odd=[*np.array(["a", "b", "c"])[place.argmax(1)]])
    votes = images.assign(votes_a=place[:, 0], votes_b=place[:, 1], votes_c=place[:, 2]).replace(
        {True: 3, False: 0}
    )
    for same in (number, letter, votes):
        np.testing.assert_allclose(read(tmp_path, same).of(NAMES).dissimilarity, expected)
    # THINGS: no header, the odd one last.
    last = [[n for n in images.loc[i] if n != odd] + [odd] for i, odd in table["odd"].items()]
    names = ("image_a", "image_b", "image_c")
    things = read(tmp_path, pd.DataFrame(last), header=False, names=names, odd="image_c")
    np.testing.assert_allclose(things.of(NAMES).dissimilarity, expected)


def test_votes_for_the_nearer_of_two_count_as_often_as_they_were_given(tmp_path) -> None:
    """NIGHTS, and material similarity: a reference, two images, numbers of votes."""
    rows = [("r", "x", "y", 6, 2), ("r", "x", "z", 1, 0), ("x", "y", "z", 0, 5)]
    table = pd.DataFrame(rows, columns=["ref_path", "left", "right", "left_vote", "right_vote"])
    keys = {"reference": "ref_path", "image_a": "left", "image_b": "right"}
    keys |= {"votes_a": "left_vote", "votes_b": "right_vote"}
    found = read(tmp_path, table, **keys).of(["r", "x", "y", "z"])
    similarity = 1 - found.mean
    assert similarity[0, 1] == pytest.approx(7 / 9)
    assert similarity[0, 2] == pytest.approx(2 / 8)
    assert (similarity[1, 2], similarity[1, 3], similarity[0, 3]) == (0.0, 1.0, 0.0)
    assert np.isnan(similarity[2, 3])
    assert (found.n_unjudged, found.weights[0, 0, 1]) == (1, 9)


def test_subjects_are_kept_where_they_saw_enough_and_counted_by_their_choices(tmp_path) -> None:
    both = pd.concat([odd_ones("p"), odd_ones("p"), odd_ones("q")])
    turned = both.assign(odd=np.where(both["subject"] == "q", both["image_a"], both["odd"]))
    found = read(tmp_path, turned)
    assert found.subjects == ("p", "q")
    pooled = read(tmp_path, turned.drop(columns="subject")).of(NAMES).mean
    np.testing.assert_allclose(found.of(NAMES).mean, pooled)
    few = odd_ones().assign(subject=[f"s{i}" for i in range(35)])
    found = read(tmp_path, few)
    assert found.subjects == ("mean",)
    assert found.said[-1] == "35 subjects saw few of the pairs each, and are pooled"


def test_the_share_of_choices_that_similarities_predict(tmp_path) -> None:
    odd_ones().drop(columns="subject").to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", ("image_a",))
    choices, n_none = triplets_of(table, SimilarityColumns())
    assert (len(choices), n_none) == (35, 0)
    assert triplet_agreement(-DISTANCE, NAMES, choices) == 1.0
    assert triplet_agreement(np.ones((N, N)), NAMES, choices) == pytest.approx(1 / 3)
    noise = np.random.default_rng(1).random((200, N, N))
    mean = np.mean([triplet_agreement(one + one.T, NAMES, choices) for one in noise])
    assert mean == pytest.approx(1 / 3, abs=0.03)
    assert np.isnan(triplet_agreement(np.full((N, N), np.nan), NAMES, choices))
    two = [Triplet(("a", "b"), (("a", "c"),), weight=3.0), Triplet(("a", "c"), (("a", "b"),))]
    similarity = np.array([[1, 0.9, 0.1], [0.9, 1, 0], [0.1, 0, 1]])
    assert triplet_agreement(similarity, ["a", "b", "c"], two) == 0.75


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"odd": "0"}, "a choice is the name of one of the images, its number from 1 on"),
        ({"image_a": "1.png", "image_b": "1.png"}, "an image is missing, or there twice: line 2"),
        ({"odd": ""}, "all 35 choices are missing"),
    ],
)
def test_choices_that_cannot_be_read_are_refused(tmp_path, change, words) -> None:
    with pytest.raises(RequestError, match=words):
        read(tmp_path, odd_ones().assign(**change))
    with pytest.raises(RequestError, match="or say which column always holds the odd one"):
        read(tmp_path, odd_ones().drop(columns="odd"))


# --- pairs judged again, and each file's own kind -----------------------------------------------


def test_pairs_judged_again_or_in_both_orders_are_averaged_and_counted(tmp_path) -> None:
    rows = [(NAMES[i], NAMES[j], DISTANCE[i, j]) for i, j in zip(*UPPER, strict=True)]
    again = [(b, a, value + 0.5) for a, b, value in rows[:4]]
    names = ["image_a", "image_b", "dissimilarity"]
    found = read(tmp_path, pd.DataFrame(rows + again, columns=names)).of(NAMES)
    expected = DISTANCE[UPPER].copy()
    expected[:4] += 0.25
    np.testing.assert_allclose(found.dissimilarity[0][UPPER], expected)
    assert found.said == (
        "4 pairs were judged more than once by a subject, in either order (8 judgments), and "
        "averaged",
    )
    one = pd.DataFrame(rows + again[:1], columns=names)
    with pytest.raises(RequestError, match='say \\[columns\\] repeated = "mean"'):
        read(tmp_path, one)
    mean = read(tmp_path, one, repeated="mean").of(NAMES)
    assert mean.dissimilarity[0][0, 1] == pytest.approx(DISTANCE[0, 1] + 0.25)


def test_the_two_halves_of_a_matrix_are_averaged_where_that_is_said(tmp_path) -> None:
    values = DISTANCE + np.triu(np.full((N, N), 0.2), 1)
    pd.DataFrame(values, NAMES, NAMES).to_csv(tmp_path / "m.csv")
    with pytest.raises(RequestError, match='say \\[columns\\] repeated = "mean"'):
        read_similarities(tmp_path / "m.csv")
    found = read_similarities(tmp_path / "m.csv", columns=SimilarityColumns(repeated="mean"))
    np.testing.assert_allclose(found.dissimilarity[0][UPPER], DISTANCE[UPPER] + 0.1)
    assert found.said == ("21 pairs of m.csv were judged in both orders, and averaged",)


@pytest.mark.parametrize("order", ["dss", "sds", "ssd"])
def test_each_file_s_diagonal_tells_its_own_kind(tmp_path, order) -> None:
    for number, kind in enumerate(order):
        values = DISTANCE if kind == "d" else 2 - DISTANCE
        text = pd.DataFrame(values, NAMES, NAMES).to_csv(sep=" ")  # and with spaces
        (tmp_path / f"{number}.txt").write_text(text)
    found = read_similarities(tmp_path)
    assert found.given == "mixed"
    for one in found.of(NAMES).dissimilarity:
        np.testing.assert_allclose(one, DISTANCE, atol=1e-12)


def test_meadows_files_of_one_participant_and_of_several(tmp_path) -> None:
    stems = np.array([name.removesuffix(".png") for name in NAMES], dtype=object)
    one = {"rdmutv": DISTANCE[UPPER][None], "stimuli": stems}
    several = {f"rdmutv_{who}": DISTANCE[UPPER][None] * n for n, who in ((1, "ape"), (2, "bee"))}
    images = tmp_path / "images"
    images.mkdir()
    for name in NAMES:
        (images / name).touch()
    for file, held, subjects in (
        ("one", one, ("one",)), ("all", {**several, "stimuli": stems}, ("ape", "bee"))
    ):  # fmt: skip
        savemat(tmp_path / f"{file}.mat", held)
        found = read_similarities(tmp_path / f"{file}.mat", folder=ImageFolder(images))
        assert (found.names, found.subjects, found.given) == (
            tuple(NAMES), subjects, "dissimilarity"
        )  # fmt: skip
        np.testing.assert_allclose(found.dissimilarity[-1], DISTANCE * len(subjects))
        assert "7 of 7 names differ from the files' in lacking the extension" in found.said[0]
    savemat(tmp_path / "wrong.mat", {**one, "stimuli": stems[:5]})
    with pytest.raises(RequestError, match=r"expected 10 values in rdmutv .* 5 stimuli, got 21"):
        read_similarities(tmp_path / "wrong.mat")
