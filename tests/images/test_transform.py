from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms as v1
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from aisthesis.errors import RequestError
from aisthesis.images import Transform

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def noise_image(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize(
    "size", [(512, 384), (384, 512), (256, 256), (255, 257), (333, 1001), (9, 31), (97, 256)]
)
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (232, 224), (342, 299), (256, 256)])
def test_equals_torchvisions_preset_exactly(size, resize, crop, interpolation):
    image = noise_image(*size)
    preset = ImageClassification(
        crop_size=crop, resize_size=resize, interpolation=InterpolationMode(interpolation)
    )
    ours = Transform(resize, crop, MEAN, STD, interpolation)(image)
    assert ours.dtype == torch.float32
    assert ours.shape == (3, crop, crop)
    assert ours.is_contiguous()
    assert torch.equal(ours, preset(image))


@settings(max_examples=60, deadline=None)
@given(width=st.integers(8, 300), height=st.integers(8, 300), margin=st.integers(0, 9))
def test_equals_torchvision_at_any_size_with_the_same_rounding(width, height, margin):
    image = noise_image(width, height)
    preset = ImageClassification(crop_size=31, resize_size=31 + margin)
    assert torch.equal(Transform(31 + margin, 31, MEAN, STD)(image), preset(image))


def test_crop_box_of_an_image_that_is_not_resized_is_in_whole_pixels():
    assert Transform(256, 224, MEAN, STD).crop_box(256, 512) == (16.0, 144.0, 240.0, 368.0)


@settings(max_examples=100, deadline=None)
@given(width=st.integers(8, 5000), height=st.integers(8, 5000))
def test_crop_box_lies_inside_the_image_and_around_its_centre(width, height):
    left, top, right, bottom = Transform(256, 224, MEAN, STD).crop_box(width, height)
    assert 0 <= left < right <= width + 1e-9
    assert 0 <= top < bottom <= height + 1e-9
    pixel = max(width, height) / 256
    assert abs((left + right) / 2 - width / 2) <= pixel
    assert abs((top + bottom) / 2 - height / 2) <= pixel


def test_crop_box_is_where_the_network_looks():
    # A white frame just outside the box must be invisible; a white patch just inside must not be.
    transform = Transform(64, 48, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "box")
    left, top, right, bottom = transform.crop_box(640, 960)
    values = np.full((960, 640, 3), 255, dtype=np.uint8)
    values[round(top) : round(bottom), round(left) : round(right)] = 0
    assert transform(Image.fromarray(values)).max() == 0
    values[round(top) : round(top) + 10, round(left) : round(left) + 10] = 255
    seen = transform(Image.fromarray(values))
    assert seen[:, 0, 0].min() == 1
    assert seen.sum() == 3


def test_fingerprint_is_stable_and_tells_every_field_apart():
    base = Transform(256, 224, MEAN, STD)
    assert base.fingerprint == Transform(256, 224, list(MEAN), list(STD)).fingerprint
    others = [
        Transform(232, 224, MEAN, STD),
        Transform(256, 200, MEAN, STD),
        Transform(256, 224, (0.5, 0.456, 0.406), STD),
        Transform(256, 224, MEAN, (0.5, 0.224, 0.225)),
        Transform(256, 224, MEAN, STD, "bicubic"),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 6
    # Pinned: caches on people's disks are keyed by it.
    assert base.fingerprint == "3bdb6c79f3f2c70a"


def test_as_dict_goes_through_json_and_back():
    base = Transform(256, 224, MEAN, STD, "bicubic")
    assert Transform(**json.loads(json.dumps(base.as_dict()))) == base


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"crop_px": 300}, "crop_px ≤ resize_px"),
        ({"crop_px": 0}, "crop_px ≤ resize_px"),
        ({"resize_px": 256.5}, "whole number"),
        ({"std": (1.0, 0.0, 1.0)}, "above zero"),
        ({"mean": (1.0, 0.0)}, "three finite numbers"),
        ({"mean": (1.0, 0.0, float("nan"))}, "three finite numbers"),
        ({"interpolation": "biliniar"}, "did you mean bilinear"),
    ],
)
def test_impossible_transforms_are_refused(fields, words):
    good = {"resize_px": 256, "crop_px": 224, "mean": MEAN, "std": STD}
    with pytest.raises(RequestError, match=words):
        Transform(**{**good, **fields})


def test_an_image_that_is_not_rgb_is_refused():
    with pytest.raises(RequestError, match=r"mode 'L'.*decode"):
        Transform(256, 224, MEAN, STD)(Image.new("L", (300, 300)))


def test_imagenets_normalisation_unless_another_is_given():
    assert Transform(256, 224) == Transform(256, 224, MEAN, STD)


@settings(max_examples=60, deadline=None)
@given(width=st.integers(8, 300), height=st.integers(8, 300), crop=st.integers(20, 60))
def test_a_pair_is_resized_to_exactly_and_beyond_is_black_as_in_torchvision(width, height, crop):
    image = noise_image(width, height)
    theirs = v1.Compose([v1.Resize((40, 50)), v1.CenterCrop(crop), v1.ToTensor()])
    ours = Transform((40, 50), crop, (0, 0, 0), (1, 1, 1), fill="black")(image)
    assert torch.equal(ours, theirs(image))


@settings(max_examples=100, deadline=None)
@given(
    width=st.integers(8, 3000),
    height=st.integers(8, 3000),
    view=st.sampled_from(["squash", "pad"]),
    crop=st.sampled_from([31, 224, (64, 48)]),
)
def test_whole_views_see_the_whole(width, height, view, crop):
    transform = Transform(crop, crop, MEAN, STD).seeing(view)
    left, top, right, bottom = transform.crop_box(width, height)
    assert left <= 1e-9
    assert top <= 1e-9
    assert right >= width - 1e-9
    assert bottom >= height - 1e-9
    assert transform.seen_share(width, height) == pytest.approx(1)
    if view == "squash":
        assert (left, top, right, bottom) == pytest.approx((0, 0, width, height))


@pytest.mark.parametrize("view", ["crop", "squash", "pad"])
@pytest.mark.parametrize("size", [(600, 300), (300, 600), (301, 300)])
@pytest.mark.parametrize("crop", [48, (60, 40)])
def test_the_box_says_which_place_of_the_photograph_a_pixel_shows(view, size, crop):
    # A ramp along each axis: what a pixel shows is the place it shows.
    width, height = size
    ramp = np.zeros((height, width, 3), np.float64)
    ramp[..., 0] = (np.arange(width) + 0.5)[None, :] / width * 255
    ramp[..., 1] = (np.arange(height) + 0.5)[:, None] / height * 255
    ramp[..., 2] = 255
    transform = Transform(64, crop, (0, 0, 0), (1, 1, 1), view=view)
    seen = transform(Image.fromarray(ramp.astype(np.uint8))).numpy()
    left, top, right, bottom = transform.crop_box(width, height)
    rows, columns = transform.size_px
    x = left + (np.arange(columns) + 0.5) / columns * (right - left)
    y = top + (np.arange(rows) + 0.5) / rows * (bottom - top)
    inside = (seen[2] > 0.99) & (x > 0)[None] & (x < width)[None] & (y > 0)[:, None]
    inside &= (y < height)[:, None]
    assert inside.mean() > 0.3
    assert np.abs(seen[0] - x[None] / width)[inside].max() < 0.02
    assert np.abs(seen[1] - y[:, None] / height)[inside].max() < 0.02
    share = (np.clip([left, right], 0, width) @ [-1, 1] / width) * (
        np.clip([top, bottom], 0, height) @ [-1, 1] / height
    )
    assert transform.seen_share(width, height) == pytest.approx(share)


def test_bars_have_the_mean_colour_so_that_they_are_zero_for_the_network():
    white = Image.new("RGB", (400, 100), "white")
    seen = Transform(256, 224, view="pad")(white)
    assert seen[:, 112].min() > 2
    assert seen[:, 0].abs().max() < 0.01
    assert seen.shape == (3, 224, 224)


def test_a_view_and_what_is_beyond_change_the_fingerprint_and_survive_json():
    made = [
        Transform(256, 224),
        Transform(256, 224, view="squash"),
        Transform(256, 224, view="pad"),
        Transform(256, 224, view="pad", fill="black"),
        Transform(256, 224, fill="black"),
        Transform((256, 256), 224),
        Transform(256, (224, 192)),
    ]
    assert len({one.fingerprint for one in made}) == len(made)
    assert [Transform(**json.loads(json.dumps(one.as_dict()))) for one in made] == made


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"view": "squeeze"}, "view 'squeeze'; did you mean .*squash"),
        ({"view": None}, "view None"),
        ({"fill": "grey"}, "fill 'grey'"),
        ({"crop_px": (224, 224, 3)}, "height, width"),
        ({"crop_px": "224"}, "crop_px"),
        ({"resize_px": (300, 100)}, "crop_px ≤ resize_px"),
        ({"resize_px": None}, "whole number"),
    ],
)
def test_impossible_views_and_sizes_are_refused(fields, words):
    with pytest.raises(RequestError, match=words):
        Transform(**{"resize_px": 256, "crop_px": 224, **fields})
