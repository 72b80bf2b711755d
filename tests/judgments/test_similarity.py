"""Reading pairwise judgments: every format gives the same matrices, every fault its sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from aisthesis.errors import RequestError
from aisthesis.judgments.similarity.judgments import read_similarities

NAMES = ["a.png", "b.png", "c.png", "d.png", "e.png"]


def matrices(k: int = 2, n: int = 5, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random((k, n, n)).round(6)
    values = np.triu(values, 1)
    return values + values.transpose(0, 2, 1)


def square(path, values, names=NAMES, sep=","):
    pd.DataFrame(values, index=names, columns=names).to_csv(path, sep=sep)
    return path


def test_a_folder_of_squares_is_a_subject_a_file(tmp_path) -> None:
    expected = matrices()
    for k, values in enumerate(expected):
        square(tmp_path / f"s{k}.csv", values)
    found = read_similarities(tmp_path)
    assert found.names == tuple(NAMES)
    assert found.subjects == ("s0", "s1")
    assert found.given == "dissimilarity"
    assert found.inferred
    np.testing.assert_array_equal(found.dissimilarity, expected)
    np.testing.assert_allclose(found.mean, expected.mean(0))
    assert found.n_missing == 0


def test_rows_in_another_order_and_another_separator(tmp_path) -> None:
    expected = matrices(1)[0]
    table = pd.DataFrame(expected, index=NAMES, columns=NAMES).iloc[::-1]
    table.to_csv(tmp_path / "s.tsv", sep="\t")
    found = read_similarities(tmp_path / "s.tsv")
    np.testing.assert_array_equal(found.of(NAMES).dissimilarity[0], expected)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat"])
def test_array_files_with_a_list_of_images(tmp_path, suffix) -> None:
    expected, path = matrices(), tmp_path / f"all{suffix}"
    if suffix == ".npy":
        np.save(path, expected)
    elif suffix == ".npz":
        np.savez(path, judged=expected, other=np.arange(3))
    else:
        savemat(path, {"judged": expected})
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES))
    found = read_similarities(path, image_list=names)
    np.testing.assert_allclose(found.dissimilarity, expected)
    assert found.subjects == ("all-01", "all-02")
    with pytest.raises(RequestError, match="image_list"):
        read_similarities(path)


def test_an_array_file_may_hold_the_names(tmp_path) -> None:
    np.savez(tmp_path / "m.npz", similarity=1 - matrices(1), images=np.array(NAMES))
    found = read_similarities(tmp_path / "m.npz")
    assert found.given == "similarity"
    np.testing.assert_allclose(found.dissimilarity, matrices(1))


def test_pickled_objects_are_never_opened(tmp_path) -> None:
    np.save(tmp_path / "m.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RequestError, match="not opened"):
        read_similarities(tmp_path / "m.npy")
    (tmp_path / "m.pkl").write_bytes(b"")
    with pytest.raises(RequestError, match="runs whatever is in it"):
        read_similarities(tmp_path / "m.pkl")


def long_table(values, kind="similarity", subject=True) -> pd.DataFrame:
    rows = [
        {"image_a": NAMES[i], "image_b": NAMES[j], "subject": f"s{k}", kind: values[k, i, j]}
        for k in range(len(values))
        for i in range(5)
        for j in range(i)
    ]
    table = pd.DataFrame(rows)
    return table if subject else table.drop(columns="subject")


def test_a_long_table_says_what_it_holds_by_its_column(tmp_path) -> None:
    values = matrices()
    long_table(values).to_csv(tmp_path / "long.csv", index=False)
    found = read_similarities(tmp_path / "long.csv")
    assert found.given == "similarity"
    assert found.subjects == ("s0", "s1")
    # Within [-1, 1] similarities end at 1.
    off = ~np.eye(5, dtype=bool)
    np.testing.assert_allclose(found.of(NAMES).dissimilarity[:, off], 1 - values[:, off])
    long_table(values[:1], "dissimilarity", False).to_csv(tmp_path / "d.csv", index=False)
    found = read_similarities(tmp_path / "d.csv")
    assert found.given == "dissimilarity"
    np.testing.assert_allclose(found.of(NAMES).dissimilarity, values[:1])


def test_missing_cells_are_counted_and_averaged_over_pairwise(tmp_path) -> None:
    values = matrices(2)
    values[0, 1, 0] = values[0, 0, 1] = np.nan
    values[:, 3, 2] = values[:, 2, 3] = np.nan
    values[0, 4, 1] = np.nan  # its mirror image is there
    for k in range(2):
        square(tmp_path / f"s{k}.csv", values[k])
    found = read_similarities(tmp_path)
    assert found.n_missing == 3
    assert found.n_unjudged == 1
    assert found.mean[0, 1] == values[1, 0, 1]
    assert found.dissimilarity[0, 4, 1] == values[0, 1, 4]


def test_subjects_may_have_judged_different_images(tmp_path) -> None:
    values = matrices(1)[0]
    square(tmp_path / "s0.csv", values)
    square(tmp_path / "s1.csv", values[:4, :4], NAMES[:4])
    found = read_similarities(tmp_path)
    assert found.n_missing == 4
    np.testing.assert_allclose(found.mean, values)


def test_similarities_are_told_by_their_diagonal(tmp_path) -> None:
    values = 1 - matrices(1)[0]
    np.fill_diagonal(values, 1)
    found = read_similarities(square(tmp_path / "s.csv", values))
    assert found.given == "similarity"
    np.testing.assert_allclose(found.dissimilarity[0], 1 - values)


def wrong(kind: str) -> np.ndarray:
    values = matrices(1)[0]
    if kind == "asymmetric":
        values[3, 1] += 0.25
    elif kind == "diagonal":
        np.fill_diagonal(values, 0.5)
    elif kind == "constant":
        values = 1.0 - np.eye(5)
    elif kind == "one of the diagonal":
        values[2, 2] = 0.9
    return values


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("asymmetric", r"not symmetric: (b.png with d.png|d.png with b.png)"),
        ("diagonal", "cannot be told"),
        ("constant", "same value"),
        ("one of the diagonal", "cannot be told"),
    ],
)
def test_faulty_matrices_are_refused_in_words(tmp_path, kind, words) -> None:
    path = square(tmp_path / "s.csv", wrong(kind))
    with pytest.raises(RequestError, match=words):
        read_similarities(path)


def test_a_wrong_diagonal_names_its_images(tmp_path) -> None:
    path = square(tmp_path / "s.csv", wrong("one of the diagonal"))
    with pytest.raises(RequestError, match=r"for c\.png; correct the diagonal"):
        read_similarities(path, kind="dissimilarity")


def test_faults_of_text_are_refused_in_words(tmp_path) -> None:
    text = square(tmp_path / "s.csv", matrices(1)[0]).read_text()
    (tmp_path / "t.csv").write_text(text.replace("\nb.png,", "\nx.png,"))
    with pytest.raises(RequestError, match=r"b\.png, x\.png are in one of them only"):
        read_similarities(tmp_path / "t.csv")
    (tmp_path / "u.csv").write_text(text.replace(",0.0\n", ",near\n"))
    with pytest.raises(RequestError, match=r"line 6, column e\.png: expected a number.*'near'"):
        read_similarities(tmp_path / "u.csv")
    with pytest.raises(RequestError, match="no file"):
        read_similarities(tmp_path / "none.csv")
    table = long_table(matrices(1))
    again = table.iloc[:1].assign(similarity=9.0)
    pd.concat([table, again]).to_csv(tmp_path / "l.csv", index=False)
    with pytest.raises(RequestError, match="one value a subject"):
        read_similarities(tmp_path / "l.csv")


def test_unknown_images_are_named(tmp_path) -> None:
    class Folder:
        root, names = tmp_path, NAMES[:4]

        def why_not(self, name: str) -> str | None:
            return None if name in self.names else "is not in the folder"

        def listed_name(self, name: str) -> str:
            return name

    path = square(tmp_path / "s.csv", matrices(1)[0])
    with pytest.raises(RequestError, match=r"1 of 5 judged images.*e\.png is not in the folder"):
        read_similarities(path, folder=Folder())


def test_rdms_of_rsatoolbox_as_object_and_as_file(tmp_path) -> None:
    rdm = pytest.importorskip("rsatoolbox.rdm", reason="rsatoolbox is not installed")
    expected = matrices()
    rdms = rdm.RDMs(
        expected,
        rdm_descriptors={"subject": ["x", "y"]},
        pattern_descriptors={"stimulus": NAMES},
    )
    found = read_similarities(rdms)
    assert found.subjects == ("x", "y")
    assert found.names == tuple(NAMES)
    np.testing.assert_array_equal(found.dissimilarity, expected)
    rdms.save(str(tmp_path / "r.hdf5"))
    np.testing.assert_array_equal(read_similarities(tmp_path / "r.hdf5").dissimilarity, expected)
    with pytest.raises(RequestError, match="no pattern descriptor"):
        read_similarities(rdm.RDMs(expected), variable="image")


def test_rdms_whose_reading_does_not_end_are_refused(tmp_path, monkeypatch) -> None:
    """The C library can turn in circles on damaged attributes, and nothing stops it from inside."""
    (tmp_path / "r.hdf5").write_bytes(b"")
    monkeypatch.setattr("aisthesis.judgments.files.rsa.READ_S", 0.001)
    with pytest.raises(RequestError, match=r"r\.hdf5 is damaged: reading it had not ended"):
        read_similarities(tmp_path / "r.hdf5")
