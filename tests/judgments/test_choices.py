"""Choices between two images, scaled: values, errors and ceiling against independent ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from aisthesis.errors import RequestError
from aisthesis.judgments.ratings.pairwise import Choice, _half
from aisthesis.judgments.ratings.reading import read_ratings

N = 20
TRUE = np.linspace(-2, 2, N)


def drawn(n_raters: int, each: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for rater in range(n_raters):
        for _ in range(each):
            i, j = rng.choice(N, 2, replace=False)
            first = rng.random() < 1 / (1 + np.exp(TRUE[j] - TRUE[i]))
            rows.append((f"{i:02}.jpg", f"{j:02}.jpg", "ab"[not first], f"r{rater}"))
    return pd.DataFrame(rows, columns=["image_a", "image_b", "choice", "rater"])


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return drawn(12, 60)


def read(tmp_path, table: pd.DataFrame, **keys):
    table.to_csv(tmp_path / "choices.csv", index=False)
    return read_ratings(tmp_path / "choices.csv", **keys)


def test_the_scale_and_its_errors_are_those_of_logistic_regression(tmp_path, table) -> None:
    a, b = (table[c].str[:2].astype(int).to_numpy() for c in ("image_a", "image_b"))
    sign = np.where(table["choice"] == "a", 1.0, -1.0)

    def loss(beta):
        return np.logaddexp(0, -sign * (beta[a] - beta[b])).sum() + 1e-9 * beta @ beta

    fitted = minimize(loss, np.zeros(N), tol=1e-10).x
    found = read(tmp_path, table).mean.sort_values("image")
    assert found["rating"].to_numpy() == pytest.approx(fitted - fitted.mean(), abs=1e-3)
    assert np.corrcoef(found["rating"], TRUE)[0, 1] > 0.95
    # Errors by the curvature of the same loss, seen from the mean of all images.
    step, unit = 1e-3, np.eye(N)
    curvature = np.array(
        [
            [
                loss(fitted + step * (u + v)) - loss(fitted + step * (u - v))
                - loss(fitted - step * (u - v)) + loss(fitted - step * (u + v))
                for v in unit
            ]
            for u in unit
        ]
    ) / (4 * step**2)  # fmt: skip
    centre = np.eye(N) - 1 / N
    errors = np.sqrt(np.diag(centre @ np.linalg.pinv(curvature, rcond=1e-4) @ centre))
    assert found["se"].to_numpy() == pytest.approx(errors, rel=0.01)
    assert found["n_choices"].sum() == 2 * len(table)


def test_the_ceiling_is_what_the_scale_reaches(tmp_path, table) -> None:
    ratings = read(tmp_path, table)
    ceiling = ratings.noise_ceiling
    found = ratings.mean.sort_values("image")["rating"]
    assert ceiling.correlation == pytest.approx(np.corrcoef(found, TRUE)[0, 1], abs=0.03)
    assert (ceiling.method, ceiling.n_raters, ceiling.n_images) == ("choices", 12, N)
    alone = read(tmp_path, table.drop(columns="rater")).noise_ceiling
    assert alone.correlation == pytest.approx(ceiling.correlation, abs=0.03)
    noise = table.assign(choice=np.random.default_rng(1).choice(["a", "b"], len(table)))
    assert not read(tmp_path, noise).noise_ceiling.correlation > 0.6


def test_ways_to_say_a_choice_and_orders_of_a_pair_are_one(tmp_path, table) -> None:
    expected = read(tmp_path, table).mean.set_index("image")["rating"]
    first = table["choice"] == "a"
    named = table.assign(choice=np.where(first, table["image_a"], table["image_b"]))
    turned = table.rename(columns={"image_a": "image_b", "image_b": "image_a"})
    turned = turned.assign(choice=np.where(first, "right", "left"))
    won = pd.DataFrame(
        {
            "winner": np.where(first, table["image_a"], table["image_b"]),
            "loser": np.where(first, table["image_b"], table["image_a"]),
        }
    )
    votes = table.assign(votes_a=first.astype(int), votes_b=(~first).astype(int))
    for same in (named, turned, won, votes.drop(columns="choice")):
        found = read(tmp_path, same).mean.set_index("image")["rating"]
        assert found[expected.index].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)


def test_an_image_that_never_lost_is_finite_and_said(tmp_path) -> None:
    won = pd.DataFrame({"winner": ["a", "a", "b", "c"], "loser": ["b", "c", "c", "b"]})
    ratings = read(tmp_path, won)
    assert np.isfinite(ratings.mean[["rating", "se"]]).all(axis=None)
    assert ratings.mean["rating"].idxmax() == 0
    assert "some images only won or only lost" in ratings.said[-1]


def test_empty_choices_are_left_out_and_wrong_ones_named(tmp_path, table) -> None:
    some = table.copy()
    some.loc[:4, "choice"] = np.nan
    assert read(tmp_path, some).n_left_out == 5
    some["choice"] = some["choice"].fillna("0")
    with pytest.raises(RequestError, match=r"a choice of neither image: line 2 \('0'\)"):
        read(tmp_path, some)
    with pytest.raises(RequestError, match="expected the columns 'winner' and 'loser'"):
        read(tmp_path, table.rename(columns={"choice": "c"}), layout="choices")
    own = pd.DataFrame({"winner": ["a", "b"], "loser": ["b", "b"]})
    with pytest.raises(RequestError, match="an image against itself: line 3"):
        read(tmp_path, own)


def test_a_half_in_which_all_images_are_equal_is_flat() -> None:
    """Of each pair both have won once: what is left between images is rounding, and correlates."""
    for n in range(3, 12):
        names = [f"{i}.jpg" for i in range(n)]
        pairs = [(i, j) for i in range(n) for j in range(i) if i == j + 1 or i % 3 == 2]
        both = [Choice(0, names[a], names[b], 1.0) for i, j in pairs for a, b in ((i, j), (j, i))]
        assert np.ptp(_half(both, np.ones(len(both), dtype=bool), names, 0.0)) == 0
