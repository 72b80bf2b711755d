from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.maps.common_frame import ensemble_map, onto_frame, union_of_boxes
from aisthesis.maps.photograph_masking import photograph_masking_map
from aisthesis.maps.rating_units import rating_unit_map
from aisthesis.maps.resample import upsample

N, C = 3, 5


def some(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(2, N, C, generator=generator, dtype=torch.float64)
    return scores, torch.randn(N, C, 4, 6, generator=generator, dtype=torch.float64)


def test_a_rating_unit_map_sums_to_the_scores() -> None:
    scores, activation = some()
    activation[1, 2] = -1.0  # a channel without a place
    maps = rating_unit_map(scores, activation)
    assert maps.shape == (2, N, 4, 6)
    torch.testing.assert_close(maps.sum((-2, -1)), scores.sum(-1))


def test_a_channel_goes_where_it_is_active_and_evenly_if_nowhere() -> None:
    activation = torch.tensor([[[[3.0, 1.0], [-7.0, 0.0]], [[-1.0, -2.0], [-3.0, 0.0]]]])
    maps = rating_unit_map(torch.tensor([[2.0, -4.0]]), activation)
    expected = torch.tensor([[[1.5, 0.5], [0.0, 0.0]]]) - 1.0
    torch.testing.assert_close(maps, expected)


def test_a_rating_unit_map_is_linear_in_scores_and_blind_to_the_layers_unit() -> None:
    (one, other), activation = some()
    both = rating_unit_map(2 * one - 3 * other, activation)
    parts = 2 * rating_unit_map(one, activation) - 3 * rating_unit_map(other, activation)
    torch.testing.assert_close(both, parts)
    scaled = activation * torch.tensor([1.0, 1e3, 1e-3, 5.0, 2.0])[:, None, None]
    torch.testing.assert_close(rating_unit_map(one, scaled), rating_unit_map(one, activation))


def test_the_same_box_is_bilinear_upsampling_shared_out() -> None:
    maps = np.random.default_rng(0).normal(size=(N, 7, 7))
    boxes = np.tile([10.0, 20.0, 234.0, 244.0], (N, 1))
    found = onto_frame(maps, boxes, boxes, 224)
    plain = upsample(torch.from_numpy(maps), 224).numpy() / 32**2
    np.testing.assert_allclose(found, plain, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(
    n_map=st.integers(1, 15),
    start=st.floats(0, 60),
    length=st.floats(20, 200),
    seed=st.integers(0, 1000),
)
def test_the_sum_is_kept_within_the_frame(
    n_map: int, start: float, length: float, seed: int
) -> None:
    maps = np.random.default_rng(seed).normal(size=(1, n_map, n_map))
    boxes = np.array([[start, 2.0, start + length, 2.0 + length]])
    frames = np.array([[0.0, 0.0, 280.0, 240.0]])
    found = onto_frame(maps, boxes, frames, (240, 280))
    assert found.sum() == pytest.approx(maps.sum(), abs=1e-9)
    # grid cells have sides of one pixel here: nothing lies outside what the network saw
    outside = np.ones(280, bool)
    outside[int(start) : int(np.ceil(start + length))] = False
    assert (found[:, :, outside] == 0).all()


def test_what_lies_outside_the_frame_is_lost_and_not_moved() -> None:
    maps = np.zeros((1, 1, 4))
    maps[0, 0, 0] = 1.0
    box = np.array([[0.0, 0.0, 40.0, 10.0]])
    whole = onto_frame(maps, box, box, (10, 40))
    right_part = onto_frame(maps, box, np.array([[5.0, 0.0, 40.0, 10.0]]), (10, 35))
    np.testing.assert_allclose(right_part, whole[:, :, 5:], atol=1e-15)


def test_an_ensembles_map_is_its_members_maps_times_their_weights() -> None:
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(N, 7, 7)), rng.normal(size=(N, 14, 14)), rng.normal(size=(N, 8, 8))]
    boxes = [
        np.tile([left, 5.0, left + side, 5.0 + side], (N, 1))
        for left, side in ((30.0, 224.0), (30.0, 224.0), (20.0, 240.0))
    ]
    weights = np.array([0.5, 0.2, -0.1])
    frames = union_of_boxes(boxes)
    np.testing.assert_array_equal(frames[0], [20.0, 5.0, 260.0, 245.0])
    found = ensemble_map(maps, weights, boxes, size=120)
    parts = [onto_frame(m, b, frames, 120) for m, b in zip(maps, boxes, strict=True)]
    np.testing.assert_allclose(found, sum(w * p for w, p in zip(weights, parts, strict=True)))
    totals = np.stack([one.sum((1, 2)) for one in maps])
    np.testing.assert_allclose(found.sum((1, 2)), weights @ totals)
    doubled = ensemble_map([2 * one for one in maps], weights, boxes, frames, 120)
    np.testing.assert_allclose(doubled, 2 * found)


def test_one_member_with_weight_one_is_itself() -> None:
    maps = np.random.default_rng(1).normal(size=(N, 5, 5))
    boxes = np.tile([0.0, 0.0, 50.0, 50.0], (N, 1))
    np.testing.assert_allclose(ensemble_map([maps], [1.0], [boxes], size=5), maps)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, b: onto_frame(m, b, b, 3), "at least as fine as the map"),
        (lambda m, b: onto_frame(m, b[:1], b, 9), "a box and a frame each"),
        (lambda m, b: onto_frame(m, b[:, :3], b, 9), r"boxes \(N, 4\)"),
        (lambda m, b: onto_frame(m, -b, b, 9), "right > left"),
        (lambda m, b: onto_frame(m, b, b, 0), "at least one cell"),
        (lambda m, b: ensemble_map([m], [1.0, 2.0], [b]), "a weight and boxes"),
        (lambda m, b: ensemble_map([], [], []), "a weight and boxes"),
    ],
)
def test_unfit_requests_are_refused(call: Any, words: str) -> None:
    boxes = np.tile([0.0, 0.0, 50.0, 50.0], (N, 1))
    with pytest.raises(RequestError, match=words):
        call(np.zeros((N, 5, 5)), boxes)


def bright(photographs: list[Image.Image]) -> np.ndarray:
    return np.array([np.asarray(each, dtype=float)[:, :, 0].sum() for each in photographs])


def test_masking_finds_what_raises_the_prediction() -> None:
    pixels = np.zeros((56, 84, 3), np.uint8)
    pixels[8:16, 60:72] = 255
    counted: list[int] = []
    photograph = Image.fromarray(pixels)
    found = photograph_masking_map(bright, photograph, grid=7, batch_size=5, advance=counted.append)
    assert found.shape == (7, 7)
    assert np.unravel_index(found.argmax(), found.shape) == (1, 5)
    assert sum(counted) == 49
    np.testing.assert_array_equal(np.asarray(photograph), pixels)


def test_masking_equals_masking_by_hand() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    found = photograph_masking_map(bright, Image.fromarray(pixels), square=0.3, grid=5)
    grey = np.rint(pixels.mean((0, 1)))
    side = 9
    for y, x in ((0, 0), (2, 3), (4, 4)):
        top, left = round(30 * (y + 0.5) / 5 - 4.5), round(40 * (x + 0.5) / 5 - 4.5)
        masked = pixels.astype(float)
        masked[max(top, 0) : top + side, max(left, 0) : left + side] = grey
        assert found[y, x] == pytest.approx(pixels[..., 0].sum() - masked[..., 0].sum())


def test_an_unfit_photograph_or_square_is_refused() -> None:
    with pytest.raises(RequestError, match="expected an RGB photograph"):
        photograph_masking_map(bright, Image.new("L", (9, 9)))
    with pytest.raises(RequestError, match=r"square in \(0, 1\]"):
        photograph_masking_map(bright, Image.new("RGB", (9, 9)), square=1.5)
