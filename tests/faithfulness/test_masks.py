from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.faithfulness import load_masks, mask_path
from aisthesis.images import Transform

TRANSFORM = Transform(32, 24, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def save(path: Path, mask: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def test_a_mask_goes_through_the_crop_of_its_image(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), bool)
    mask[16:32, 24:40] = True  # in the crop, 8..56 halved: rows 4..12, columns 8..16
    mask[:6, :6] = True  # outside the crop
    save(tmp_path / "a.png", mask)
    found = load_masks(tmp_path, ["a.png"], TRANSFORM)
    expected = np.zeros((1, 24, 24), bool)
    expected[0, 4:12, 8:16] = True
    np.testing.assert_array_equal(found, expected)


def test_the_longer_side_is_cropped(tmp_path: Path) -> None:
    mask = np.zeros((32, 96), bool)
    mask[:, 36:60] = True  # exactly what the crop keeps
    save(tmp_path / "wide.png", mask)
    assert load_masks(tmp_path, ["wide.png"], TRANSFORM).all()


def test_masks_of_jpegs_may_be_pngs(tmp_path: Path) -> None:
    save(tmp_path / "sub" / "b.png", np.ones((40, 40), bool))
    assert mask_path(tmp_path, "sub/b.jpg") == tmp_path / "sub" / "b.png"
    assert load_masks(tmp_path, ["sub/b.jpg"], TRANSFORM).all()


def test_all_missing_masks_are_named_at_once(tmp_path: Path) -> None:
    save(tmp_path / "a.png", np.ones((40, 40), bool))
    with pytest.raises(RequestError, match=r"2 of 3 images have no mask .*b.png, c.png"):
        load_masks(tmp_path, ["a.png", "b.png", "c.png"], TRANSFORM)


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(RequestError, match=r"a\.png cannot be read as an image"):
        load_masks(tmp_path, ["a.png"], TRANSFORM)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no folder of masks"):
        load_masks(tmp_path / "absent", ["a.png"], TRANSFORM)


def test_under_squash_and_pad_a_mask_lies_where_its_image_does(tmp_path: Path) -> None:
    mask = np.zeros((48, 96), bool)
    mask[12:24, 48:96] = True  # second quarter from the top, right half
    save(tmp_path / "wide.png", mask)
    squashed = load_masks(tmp_path, ["wide.png"], TRANSFORM.seeing("squash"))[0]
    expected = np.zeros((24, 24), bool)
    expected[6:12, 12:] = True
    np.testing.assert_array_equal(squashed, expected)
    padded = load_masks(tmp_path, ["wide.png"], TRANSFORM.seeing("pad"))[0]
    expected = np.zeros((24, 24), bool)
    expected[9:12, 12:] = True  # the picture takes rows 6 to 18
    np.testing.assert_array_equal(padded, expected)


def test_a_mask_and_its_image_agree_pixel_by_pixel_in_every_view(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate([(50, 91), (130, 40), (64, 64)]):
        mask = np.zeros((height, width), bool)
        top, left = rng.integers(0, height // 2), rng.integers(0, width // 2)
        mask[top : top + height // 3, left : left + width // 3] = True
        save(tmp_path / f"{number}.png", mask)
        grey = Image.fromarray(mask.astype(np.uint8) * 255).convert("RGB")
        for view in ("crop", "squash", "pad"):
            transform = Transform(32, (24, 20), (0, 0, 0), (1, 1, 1), view=view)
            found = load_masks(tmp_path, [f"{number}.png"], transform)[0]
            seen = transform(grey)[0].numpy() > 0.5
            assert (found != seen).mean() < 0.03, (view, height, width)


def test_a_mask_of_another_shape_than_its_image_is_refused_by_name(tmp_path: Path) -> None:
    sizes = {"a.png": (40, 30), "b.png": (40, 30), "c.png": (40, 30)}
    shapes = {"a.png": (30, 40), "b.png": (40, 30), "c.png": (15, 20)}  # rows, columns
    for name, shape in shapes.items():
        save(tmp_path / name, np.ones(shape, bool))
    with pytest.raises(RequestError) as caught:
        load_masks(tmp_path, list(sizes), TRANSFORM, sizes)
    said = str(caught.value)
    assert "2 of 3 masks have another shape" in said
    assert f"{tmp_path / 'b.png'} is 30 x 40 px, its image 40 x 30 px" in said
    assert "c.png is 20 x 15 px" in said
    assert "a.png" not in said
    assert load_masks(tmp_path, ["a.png"], TRANSFORM, sizes).all()
