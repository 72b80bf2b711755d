"""Shares of choices among three images, and what channels and places do to them, by brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from aisthesis.importance.similarity import (
    DenseEmbeddings,
    OwnedEmbeddings,
    place_triplets,
    triplet_scores,
)
from aisthesis.judgments.files.matrix import Triplet
from aisthesis.judgments.similarity.triplet_shares import choices_among, triplet_ceiling
from aisthesis.judgments.similarity.triplets import triplet_agreement

N, CHANNELS = 9, 6
NAMES = [f"{k}.png" for k in range(N)]
OWNER = np.array([0, 1, 2, 3, 4, 0, 2, -1, -1, 5])


def people(seed: int) -> list[Triplet]:
    """Odd ones out of all three images, and of some pairs the one nearer to a reference."""
    rng = np.random.default_rng(seed)
    found = []
    for a, b, c in combinations(NAMES, 3):
        pairs = [(a, b), (a, c), (b, c)]
        k = rng.integers(3)
        over = tuple(pair for j, pair in enumerate(pairs) if j != k)
        found.append(Triplet(pairs[k][::-1], over, weight=float(rng.integers(1, 4))))
        if rng.random() < 0.4:
            found.append(Triplet((a, b), ((c, a),), "ann"))
    return found


@pytest.fixture(scope="module")
def embeddings() -> OwnedEmbeddings:
    rng = np.random.default_rng(1)
    intact = rng.gamma(1.0, size=(N, len(OWNER)))
    emptied = np.where(OWNER >= 0, rng.normal(0.2, 0.1, intact.shape), intact)
    return OwnedEmbeddings(intact, emptied, OWNER, CHANNELS)


def likelihood(similarity: np.ndarray, triplets: list[Triplet], sharpness: float) -> float:
    total = weight = 0.0
    for one in triplets:
        at = [similarity[NAMES.index(a), NAMES.index(b)] for a, b in (one.pair, *one.over)]
        shares = np.exp(sharpness * np.array(at))
        total += one.weight * np.log(shares[0] / shares.sum())
        weight += one.weight
    return total / weight


@pytest.mark.parametrize("dense", [False, True])
def test_what_channels_do_is_what_their_removal_does(embeddings, dense: bool) -> None:
    triplets = people(0)
    given = embeddings
    if dense:
        delta = np.stack([embeddings.without(c) - embeddings.intact for c in range(CHANNELS)])
        given = DenseEmbeddings(embeddings.intact, delta, lambda _: iter(()))
    found = triplet_scores(given, choices_among(triplets, NAMES))
    whole = np.corrcoef(embeddings.intact)
    assert found.share == pytest.approx(triplet_agreement(whole, NAMES, triplets))
    assert found.low < found.share < found.high
    assert found.log_likelihood == pytest.approx(likelihood(whole, triplets, found.sharpness))
    for other in (0.5, 2.0):
        worse = likelihood(whole, triplets, other * found.sharpness)
        assert worse < found.log_likelihood
    for channel in range(CHANNELS):
        without = np.corrcoef(embeddings.without(channel))
        share = triplet_agreement(without, NAMES, triplets)
        assert found.data_set[channel] == pytest.approx(found.share - share)
        told = likelihood(without, triplets, found.sharpness)
        assert found.likelihood[channel] == pytest.approx(found.log_likelihood - told)


def test_what_places_do_is_told_of_the_image_s_own_choices(embeddings) -> None:
    triplets = people(2)
    own = [t for t in triplets if any(NAMES[3] in pair for pair in (t.pair, *t.over))]
    without = np.random.default_rng(3).gamma(1.0, size=(4, len(OWNER)))
    without[2] = 1.0  # becomes constant
    shares, told = place_triplets(
        embeddings.intact, choices_among(triplets, NAMES), 3, without, 2.0
    )
    whole = np.corrcoef(embeddings.intact)
    assert np.isnan([shares[2], told[2]]).all()
    for place in (0, 1, 3):
        changed = embeddings.intact.copy()
        changed[3] = without[place]
        after = np.corrcoef(changed)
        lost = triplet_agreement(whole, NAMES, own) - triplet_agreement(after, NAMES, own)
        assert shares[place] == pytest.approx(lost)
        expected = likelihood(whole, own, 2.0) - likelihood(after, own, 2.0)
        assert told[place] == pytest.approx(expected)
    others = choices_among([t for t in triplets if t not in own], NAMES)
    assert np.isnan(place_triplets(embeddings.intact, others, 3, without, 2.0)).all()


def test_ties_are_shared_and_choices_of_other_images_counted() -> None:
    triplets = [*people(4), Triplet(("gone.png", NAMES[0]), ((NAMES[0], NAMES[1]),), weight=2.0)]
    choices = choices_among(triplets, NAMES)
    assert choices.n_left_out == 2
    assert choices.share(np.ones((N, N))) == pytest.approx(choices.chance)
    references = [t for t in people(4) if len(t.over) == 1]
    assert choices_among(references, NAMES).chance == 0.5
    flat = np.full((N, N), np.nan)
    assert np.isnan(choices.share(flat))


def test_an_image_without_an_embedding_leaves_its_choices_out(embeddings) -> None:
    triplets = people(5)
    intact = embeddings.intact.copy()
    intact[0] = 3.0
    emptied = np.where(OWNER >= 0, embeddings.emptied, intact)
    emptied[0] = 3.0
    found = triplet_scores(
        OwnedEmbeddings(intact, emptied, OWNER, CHANNELS), choices_among(triplets, NAMES)
    )
    rest = [t for t in triplets if not any(NAMES[0] in pair for pair in (t.pair, *t.over))]
    expected = triplet_agreement(np.corrcoef(embeddings.intact), NAMES, rest)
    assert found.share == pytest.approx(expected)
    assert np.isfinite(found.data_set).all()


def test_the_ceiling_is_what_majorities_predict() -> None:
    ab, ac, bc = ("0.png", "1.png"), ("0.png", "2.png"), ("1.png", "2.png")
    answers = [
        Triplet(ab, (ac, bc)), Triplet(ab[::-1], (bc, ac)), Triplet(ac, (ab, bc)),
        Triplet(("3.png", "4.png"), (("3.png", "5.png"),), weight=3.0),
        Triplet(("6.png", "7.png"), (("6.png", "8.png"),)),
    ]  # fmt: skip
    found = triplet_ceiling(choices_among(answers, NAMES))
    assert found.n == 6  # the last question was answered once
    assert found.upper == pytest.approx((2 + 3) / 6)
    # Without itself: an answer ab is one of a tie with ac, ac faces two of ab; the three agree.
    assert found.lower == pytest.approx((2 * 0.5 + 0 + 3) / 6)
    assert found.repeated.weight.sum() == 6
    nothing = triplet_ceiling(choices_among(answers[-1:], NAMES))
    assert np.isnan([nothing.lower, nothing.upper]).all()
