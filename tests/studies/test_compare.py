from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import ttest_ind

import aisthesis as ais
from aisthesis.cli.main import main
from aisthesis.config import study_config
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.compare import ALL_PAIRS, in_words

NETWORKS = ("a", "b", "c")


def write_study(root: Path, images: Path, shift: float, names: list[str], seed: int = 0) -> Path:
    """A folder with the tables of a finished study; its pair a|b is above chance, others not."""
    out = root / "out"
    backbones = [{"name": "vgg16", "label": label} for label in NETWORKS]
    keys = {"images": str(images), "ratings": "r.csv", "out": str(out), "backbones": backbones}
    folder = StudyFolder(out)
    folder.claim(study_config(keys, root, "test"))
    folder.record(backbones={one: {"fingerprint": one, "layer": "x"} for one in NETWORKS})
    rng = np.random.default_rng(seed)
    rows, summary = [], []
    for place, (a, b) in enumerate(combinations(NETWORKS, 2)):
        values = rng.normal(0.3 if place == 0 else 0.0, 0.1, len(names))
        values = values + (shift if place == 0 else 0.0)
        pair = {"map": "evidence", "metric": "cosine", "backbone_a": a, "backbone_b": b}
        rows += [{"image": n, **pair, "value": v} for n, v in zip(names, values, strict=True)]
        summary.append(
            pair
            | {"mean": values.mean(), "low": values.mean() - 0.05, "high": values.mean() + 0.05}
            | {"p_corrected": 0.001 if place == 0 else 0.6, "chance": 0.0}
            | {"chance_observed": values.mean()}
        )
    pd.DataFrame(rows).to_csv(folder.agreement_images, index=False)
    pd.DataFrame(summary).to_csv(folder.agreement, index=False)
    return out


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folders = []
    for number in (0, 1):
        folder = tmp_path_factory.mktemp(f"photographs{number}")
        for i in range(24):
            Image.new("RGB", (8, 8), (i, number, 0)).save(folder / f"{i}.png")
        folders.append(folder)
    return folders


NAMES = [f"{i}.png" for i in range(24)]


def test_the_same_photographs_are_compared_one_by_one(photographs, tmp_path) -> None:
    first = write_study(tmp_path / "x", photographs[0], 0.0, NAMES)
    second = write_study(tmp_path / "y", photographs[0], 0.05, NAMES)  # each image, a|b: .05 more
    table = ais.compare(first, second).set_index("pair")
    assert list(table["images"].unique()) == ["same"]
    assert (table["n_shared"] == 24).all()
    assert list(table["study_a"].unique()) == ["x/out"]
    np.testing.assert_allclose(table["difference"], [0.05, 0.0, 0.0, 0.05 / 3], atol=1e-12)
    # Paired: the same 0.05 on every image is no noise, though the images' SD is twice that.
    np.testing.assert_allclose(table.loc["a|b", ["low", "high"]].astype(float), 0.05, atol=1e-9)
    assert list(table["verdict"]) == ["holds", "in neither", "in neither", "unknown"]
    assert set(table["networks"]) == {"same"}


def test_other_photographs_of_the_same_names_are_independent(photographs, tmp_path) -> None:
    first = write_study(tmp_path / "x", photographs[0], 0.0, NAMES)
    second = write_study(tmp_path / "y", photographs[1], 0.3, NAMES, seed=1)
    table = ais.compare(first, second).set_index("pair")
    assert set(table["images"]) == {"other"}
    assert (table["n_shared"] == 0).all()
    values = [
        pd.read_csv(one / "agreement_images.csv").query("backbone_b == 'b'")["value"]
        for one in (first, second)
    ]
    expected = ttest_ind(values[1], values[0], equal_var=False)
    low, high = expected.confidence_interval()
    found = table.loc["a|b"]
    assert found["difference"] == pytest.approx(values[1].mean() - values[0].mean())
    assert (found["low"], found["high"]) == pytest.approx((low, high))
    assert found["p_corrected"] == pytest.approx(3 * expected.pvalue)  # Holm, the least of three
    line = in_words(table.reset_index())[0]
    assert "1 of 3 shared pairs agree above chance in both; 2 in neither" in line
    assert "1 of 3 differ between the studies, the others are not told apart" in line
    assert "of different photographs" in line


def test_studies_that_share_no_network_have_the_mean_over_pairs(photographs, tmp_path) -> None:
    first = write_study(tmp_path / "x", photographs[0], 0.0, NAMES)
    second = write_study(tmp_path / "y", photographs[0], 0.0, NAMES, seed=2)
    for name in ("agreement.csv", "agreement_images.csv"):
        table = pd.read_csv(second / name)
        table[["backbone_a", "backbone_b"]] = table[["backbone_a", "backbone_b"]] + "2"
        table.to_csv(second / name, index=False)
    table = ais.compare(first, second)
    assert list(table["pair"]) == [ALL_PAIRS]
    assert np.isfinite(table["p_corrected"]).all()
    assert "they share no pair of networks" in in_words(table)[0]


def test_the_command_writes_a_table_and_a_page(photographs, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    first = write_study(tmp_path / "x", photographs[0], 0.0, NAMES)
    second = write_study(tmp_path / "<b>y", photographs[0], 0.1, NAMES, seed=3)
    assert main(["compare", str(first), str(second)]) == 0
    page = (tmp_path / "comparison.html").read_text()
    assert "&lt;b&gt;y/out" in page
    assert "<b>y" not in page
    assert list(pd.read_csv("comparison.csv")["pair"]) == ["a|b", "a|c", "b|c", ALL_PAIRS]
    assert "comparison.html" in capsys.readouterr().out
    assert main(["compare", str(first), str(second)]) == 0  # its own files it writes again
    (tmp_path / "comparison.html").write_text("mine")
    assert main(["compare", str(first), str(second)]) == 2
    assert main(["compare", str(first), str(first), "--out", "o.csv"]) == 2
    assert main(["compare", str(first), "--out", "o.csv"]) == 2
    assert main(["compare", str(first), str(second), "--metric", "ssim", "--out", "o.csv"]) == 2
    error = capsys.readouterr().err
    assert "was not written by `compare`" in error
    assert "is given twice" in error
    assert "two or more studies to compare, got 1" in error
    assert "holds no agreement by ssim" in error
