"""Networks that saw different parts of a photograph are compared place by place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from skimage.metrics import structural_similarity

from aisthesis.agreement import (
    chance_level,
    disattenuated,
    pair_values,
    single_seed_cosines,
    variance_components,
)
from aisthesis.agreement.registration import common_part, compared_share, onto_part
from aisthesis.errors import RequestError

WIDTH, HEIGHT = 640, 480
#: What two networks saw: all of the height, and the middle of it; equal on the last image.
BOXES = {
    "a": np.array([[80, 0, 560, 480], [80, 0, 560, 480], [100, 20, 540, 460]], dtype=float),
    "b": np.array([[110, 30, 530, 450], [130, 0, 560, 430], [100, 20, 540, 460]], dtype=float),
}


def at(one, box, x, y):
    """Bilinear value of a map at places of the photograph, edges repeated: SciPy's."""
    left, top, right, bottom = box
    rows, columns = one.shape
    centres_y = top + (np.arange(rows) + 0.5) / rows * (bottom - top)
    centres_x = left + (np.arange(columns) + 0.5) / columns * (right - left)
    where = np.stack(
        np.meshgrid(
            np.clip(y, centres_y[0], centres_y[-1]),
            np.clip(x, centres_x[0], centres_x[-1]),
            indexing="ij",
        ),
        axis=-1,
    )
    return RegularGridInterpolator((centres_y, centres_x), one)(where)


def cosine_by_hand(maps, image):
    box_a, box_b = BOXES["a"][image], BOXES["b"][image]
    left, top = np.maximum(box_a[:2], box_b[:2])
    right, bottom = np.minimum(box_a[2:], box_b[2:])
    x = left + (np.arange(224) + 0.5) / 224 * (right - left)
    y = top + (np.arange(224) + 0.5) / 224 * (bottom - top)
    pixels = [at(maps[name][image], BOXES[name][image], x, y) for name in "ab"]
    z = [(one - one.mean()) / one.std() for one in pixels]
    return (z[0] * z[1]).mean()


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return {"a": rng.normal(size=(3, 14, 14)), "b": rng.normal(size=(3, 7, 7))}


def test_pairs_are_compared_where_both_saw_the_photograph(maps):
    table = pair_values(maps, ["cosine", "mse", "ssim"], boxes=BOXES).set_index(["metric", "image"])
    for image in range(3):
        expected = cosine_by_hand(maps, image)
        assert table["value"]["cosine", image] == pytest.approx(expected, abs=1e-6)
        assert table["value"]["mse", image] == pytest.approx(2 - 2 * expected, abs=2e-6)
    plain = pair_values(maps, ["cosine", "ssim"]).set_index(["metric", "image"])["value"]
    assert table["value"]["cosine", 2] == pytest.approx(plain["cosine", 2], abs=1e-6)
    assert abs(table["value"]["cosine"][:2] - plain["cosine"][:2]).max() > 0.01


def test_equal_crops_are_compared_as_they_are(maps):
    boxes = dict.fromkeys("ab", BOXES["a"])
    plain = pair_values(maps, ["cosine", "ssim", "emd"])
    assert pair_values(maps, ["cosine", "ssim", "emd"], boxes=boxes).equals(plain)
    assert onto_part(maps["a"], BOXES["a"], common_part([BOXES["a"]] * 2)) is maps["a"]


def test_one_scene_seen_through_two_crops_is_one_scene():
    """Both networks see the same smooth scene: without registration it looks like two."""

    def scene(box, cells):
        left, top, right, bottom = box
        x = left + (np.arange(cells) + 0.5) / cells * (right - left)
        y = top + (np.arange(cells) + 0.5) / cells * (bottom - top)
        return np.sin(x / 60)[None, :] + np.cos(y / 50)[:, None]

    boxes = {"a": np.array([[0.0, 0, 480, 480]]), "b": np.array([[60.0, 60, 420, 420]])}
    seen = {name: np.stack([scene(box, 24) for box in boxes[name]]) for name in "ab"}
    assert pair_values(seen, ["cosine"])["value"][0] < 0.9
    assert pair_values(seen, ["cosine"], boxes=boxes)["value"][0] > 0.99


def test_chance_and_single_seeds_follow(maps):
    values = pair_values(maps, ["cosine"], boxes=BOXES)["value"].to_numpy()
    row = chance_level(maps, ["cosine"], n_permutations=99, boxes=BOXES).iloc[0]
    assert row["chance_observed"] == pytest.approx(values.mean())
    rng = np.random.default_rng(1)
    single = {name: one[None] + rng.normal(size=(2, *one.shape)) for name, one in maps.items()}
    cosines = single_seed_cosines(single, boxes=BOXES)
    for image in range(3):
        between = [
            cosine_by_hand({"a": single["a"][s], "b": single["b"][1 - s]}, image) for s in (0, 1)
        ]
        assert cosines.between[image, 0] == pytest.approx(np.mean(between), abs=1e-6)
    own = single_seed_cosines(single)
    np.testing.assert_allclose(cosines.within, own.within)
    assert own.within_pair is None
    part = common_part([BOXES["a"], BOXES["b"]])
    framed = {
        name: np.asarray(onto_part(one, BOXES[name], part)[:, :]) for name, one in single.items()
    }
    expected = single_seed_cosines(framed).within
    np.testing.assert_allclose(cosines.within_both(0), expected, atol=1e-9)
    table = disattenuated(single, cosines=cosines, n_boot=10)
    assert table["reliability_a"][0] == pytest.approx(expected[:, 0].mean())


def test_parts_that_do_not_meet_have_no_agreement(maps):
    apart = {**BOXES, "b": BOXES["b"] + [[1000, 0, 1000, 0], [0, 0, 0, 0], [0, 0, 0, 0]]}
    values = pair_values(maps, ["cosine", "ssim"], boxes=apart)
    assert values.set_index("image")["value"].isna().groupby(level=0).all().tolist() == [
        True,
        False,
        False,
    ]
    shares = compared_share([BOXES["a"], apart["b"]], WIDTH, HEIGHT)
    assert shares[0] == 0
    assert shares[2] == pytest.approx(440 * 440 / (WIDTH * HEIGHT))


def test_boxes_of_every_network_and_image_are_wanted(maps):
    with pytest.raises(RequestError, match="that of b is missing"):
        pair_values(maps, ["cosine"], boxes={"a": BOXES["a"]})
    with pytest.raises(RequestError, match="each of 3 images, got 2"):
        pair_values(maps, ["cosine"], boxes={name: one[:2] for name, one in BOXES.items()})


def one_window(n):
    """Boxes of n photographs of one size, and the part that both networks saw of each."""
    boxes = {"a": np.tile([40.0, 0, 440, 400], (n, 1)), "b": np.tile([65.0, 25, 465, 425], (n, 1))}
    return boxes, common_part(list(boxes.values()))


def test_one_part_of_every_map_is_compared_on_its_cells_as_on_its_pixels():
    rng = np.random.default_rng(3)
    maps = {"a": rng.normal(size=(4, 14, 9)), "b": rng.normal(size=(4, 7, 7))}
    boxes, part = one_window(4)
    cells = {name: onto_part(one, boxes[name], part)[:] for name, one in maps.items()}
    pixels = {name: np.asarray(one) for name, one in cells.items()}
    assert cells["a"].shape == (4, 14, 9)
    assert pixels["a"].shape == (4, 224, 224)
    names = ["cosine", "ssim", "ssim_gaussian", "emd", "spearman", "top10_iou"]
    values = pair_values(maps, names, boxes=boxes)["value"].to_numpy().reshape(4, -1)
    np.testing.assert_allclose(
        values, pair_values(pixels, names)["value"].to_numpy().reshape(4, -1), atol=2e-6
    )
    a, b = ((one[0] - one[0].mean()) / one[0].std() for one in pixels.values())
    limits = max(a.max(), b.max()) - min(a.min(), b.min())
    assert values[0, 1] == pytest.approx(structural_similarity(a, b, data_range=limits), abs=1e-7)
    chances = [
        chance_level(one, ["ssim", "cosine"], n_permutations=9, boxes=given)["chance"]
        for one, given in ((maps, boxes), (pixels, None))
    ]
    np.testing.assert_allclose(*chances, atol=1e-6)


def test_single_seeds_of_one_part_too():
    rng = np.random.default_rng(4)
    single = {"a": rng.normal(size=(3, 5, 8, 8)), "b": rng.normal(size=(2, 5, 7, 7))}
    boxes, part = one_window(5)
    framed = {name: onto_part(one, boxes[name], part) for name, one in single.items()}
    pixels = {name: np.asarray(one[:, :]) for name, one in framed.items()}
    cosines = single_seed_cosines(single, boxes=boxes)
    on_pixels = single_seed_cosines(pixels)
    np.testing.assert_allclose(cosines.between, on_pixels.between, atol=1e-9)
    np.testing.assert_allclose(cosines.within_both(0), on_pixels.within, atol=1e-9)
    np.testing.assert_allclose(
        *(
            variance_components(one, n_boot=20)[["share", "low", "high"]]
            for one in (framed, pixels)
        ),
        atol=1e-9,
    )
