from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.images import ImageBatches, ImageFolder, Transform, batches
from aisthesis.images import ahead as ahead_module
from aisthesis.images.ahead import map_ahead

TRANSFORM = Transform(16, 12, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(11):
        values = rng.integers(0, 256, (20 + i, 30, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / f"{i:02}.png")
    return ImageFolder(tmp_path)


def break_images(folder, *names):
    for name in names:
        (folder.root / name).write_bytes(b"broken")


def test_batches_hold_every_image_in_order(folder):
    names = list(reversed(folder.names))
    given = list(batches(folder, names, TRANSFORM, 4))
    assert [len(batch.names) for batch in given] == [4, 4, 3]
    assert [name for batch in given for name in batch.names] == names
    for batch in given:
        assert batch.pixels.dtype == torch.float32
        assert batch.pixels.shape == (len(batch.names), 3, 12, 12)
        for name, pixels, size in zip(*batch, strict=True):
            image = folder.load(name)
            assert size == image.size
            assert torch.equal(pixels, TRANSFORM(image))


def test_can_be_iterated_twice_with_the_same_result(folder):
    twice = batches(folder, folder.names, TRANSFORM, 5)
    first, second = list(twice), list(twice)
    assert len(twice) == len(first) == 3
    assert all(torch.equal(a.pixels, b.pixels) for a, b in zip(first, second, strict=True))


def test_skipped_images_make_their_batch_smaller_and_move_no_other(folder):
    break_images(folder, "01.png", "04.png", "05.png", "06.png", "07.png")
    skipping = batches(folder, folder.names, TRANSFORM, 4, on_fault="skip")
    assert [batch.names for batch in skipping] == [
        ("00.png", "02.png", "03.png"),
        ("08.png", "09.png", "10.png"),
    ]
    assert [fault.name for fault in skipping.faults] == [
        "01.png",
        "04.png",
        "05.png",
        "06.png",
        "07.png",
    ]
    assert len(list(skipping)) == 2
    assert len(skipping.faults) == 5  # of one pass, not of two


def test_a_broken_image_stops_the_batches_and_all_broken_ones_are_named(folder):
    break_images(folder, "05.png", "10.png")
    given = []
    with pytest.raises(RequestError, match=r"2 of 11 images .*05\.png is text.*10\.png is text"):
        given.extend(batches(folder, folder.names, TRANSFORM, 4))
    assert [batch.names for batch in given] == [("00.png", "01.png", "02.png", "03.png")]


def test_no_names_no_batches(folder):
    assert list(batches(folder, [], TRANSFORM)) == []


def test_a_batch_of_none_is_refused(folder):
    with pytest.raises(RequestError, match="batch_size = 0"):
        ImageBatches(folder, folder.names, TRANSFORM, 0)


def test_stopping_early_leaves_no_thread(folder):
    before = threading.active_count()
    for _ in batches(folder, folder.names, TRANSFORM, 2):
        break
    assert threading.active_count() == before


def test_work_ahead_is_bounded_and_in_order():
    started, yielded = [], 0
    lock = threading.Lock()
    most_ahead = 0

    def work(i):
        nonlocal most_ahead
        with lock:
            started.append(i)
            most_ahead = max(most_ahead, len(started) - yielded)
        return i * i

    for expected, result in enumerate(map_ahead(work, range(50), ahead=6, workers=3)):
        assert result == expected**2
        yielded += 1
    assert yielded == 50
    # One more than asked is being handed over while the next is begun.
    assert most_ahead <= 7


def test_what_work_raises_is_raised_at_its_turn():
    def work(i):
        if i == 3:
            raise ValueError("three")
        return i

    results = []
    with pytest.raises(ValueError, match="three"):
        results.extend(map_ahead(work, range(9), ahead=9))
    assert results == [0, 1, 2]


def test_threads_are_as_many_as_usable_cores():
    assert ahead_module._usable_cores() >= 1
