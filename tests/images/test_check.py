from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.images import ImageFault, ImageFolder, check_images


def make(folder, n_good, n_empty=0):
    for i in range(n_good):
        Image.new("RGB", (16 + i, 12)).save(folder / f"good{i:02}.png")
    for i in range(n_empty):
        (folder / f"empty{i:02}.png").write_bytes(b"")
    return ImageFolder(folder)


def test_whole_images_come_back_in_the_order_asked_for_with_digest_and_size(tmp_path):
    folder = make(tmp_path, 3)
    asked = ["good02.png", "good00.png"]
    steps = []
    checked = check_images(folder, asked, advance=steps.append)
    assert checked.names == asked
    assert checked.sizes_px == {"good02.png": (18, 12), "good00.png": (16, 12)}
    assert checked.digests == {name: folder.digest(name) for name in asked}
    assert checked.faults == []
    assert steps == [1, 1]


def test_all_broken_images_are_named_at_once_ten_of_them_the_rest_counted(tmp_path):
    folder = make(tmp_path, 2, 13)
    with pytest.raises(RequestError) as caught:
        check_images(folder, folder.names)
    message = str(caught.value)
    assert message.startswith("13 of 15 images cannot be used: ")
    assert "empty09.png is empty (0 bytes)" in message
    assert "empty10.png" not in message
    assert "and 3 more" in message
    assert 'on_error = "skip"' in message


def test_a_truncated_image_whose_header_is_whole_is_found(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(RequestError, match=r"1 of 1 image cannot be used: a\.jpg is cut short"):
        check_images(ImageFolder(tmp_path), ["a.jpg"])


def test_broken_images_are_skipped_when_asked(tmp_path):
    folder = make(tmp_path, 2, 1)
    checked = check_images(folder, folder.names, on_fault="skip")
    assert checked.names == ["good00.png", "good01.png"]
    assert set(checked.digests) == set(checked.sizes_px) == set(checked.names)
    assert [(fault.name, fault.reason) for fault in checked.faults] == [
        ("empty00.png", "is empty (0 bytes)")
    ]
    assert isinstance(checked.faults[0], ImageFault)


def test_skipping_every_image_is_an_error(tmp_path):
    folder = make(tmp_path, 0, 2)
    with pytest.raises(RequestError, match="2 of 2 images cannot be used"):
        check_images(folder, folder.names, on_fault="skip")
