"""What is damaged, swapped or changed behind a study's back is found and done again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from aisthesis import Study
from aisthesis.engine import Narrator
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.miniature import miniature_weights

LABEL = "miniature:vgg16"


@pytest.fixture(scope="module")
def whole(study_keys, tmp_path_factory):
    """A finished study of its own images, to be copied."""
    root = tmp_path_factory.mktemp("whole")
    Study(**study_keys(root / "study")).run(until="agree")
    return root / "study"


@pytest.fixture
def copied(whole, study_keys, tmp_path):
    """A copy of the finished study; the keys name the copy."""
    shutil.copytree(whole, tmp_path / "study")
    return study_keys(tmp_path / "study")


class Watch(Narrator):
    """Remembers what was worked on: stages with something to do."""

    def __init__(self) -> None:
        self.worked: list[str] = []

    def steps(self, label, total):
        if total:
            self.worked.append(label)
        return super().steps(label, total)


def worked(keys) -> list[str]:
    watch = Watch()
    Study(**keys, narrator=watch).run(until="agree")
    return [label for label in watch.worked if "checking" not in label]


def files_below(folder, pattern: str):
    return sorted(p for p in folder.rglob(pattern) if p.is_file())


def test_a_finished_study_is_left_alone(copied) -> None:
    assert worked(copied) == []


@pytest.mark.parametrize("how", ["truncated", "emptied", "gone", "one bit"])
def test_a_damaged_chunk_of_the_store_is_found_and_done_again(
    copied, whole, how, same_study
) -> None:
    chunk = files_below(copied["out"] / "maps.zarr" / "miniature_vgg16" / "evidence" / "c", "*")[1]
    content = bytearray(chunk.read_bytes())
    if how == "truncated":
        chunk.write_bytes(content[: len(content) // 2])
    elif how == "emptied":
        chunk.write_bytes(b"")
    elif how == "gone":
        chunk.unlink()
    else:
        content[len(content) // 2] ^= 4
        chunk.write_bytes(content)
    status = Study(**copied).status().set_index(["stage", "of"]).loc[("explain", LABEL)]
    assert status["state"] == "damaged"
    assert "evidence" in status["why"]
    assert status["done"] == status["total"] - 1
    assert worked(copied) == [f"{LABEL}: maps"]
    same_study(whole, copied["out"])


@pytest.mark.parametrize("pattern", ["predictions.csv", "agreement.csv", "*-seed0.safetensors"])
def test_a_damaged_table_or_head_is_made_again(copied, whole, pattern, same_study) -> None:
    for file in files_below(copied["out"], pattern):
        file.write_bytes(file.read_bytes()[:-20])
    assert (Study(**copied).status()["state"] == "damaged").any()
    worked(copied)
    assert (Study(**copied).status()["state"] == "done").all()
    same_study(whole, copied["out"])


def test_garbage_in_the_ledger_is_not_believed(copied, whole, same_study) -> None:
    for entry in files_below(copied["out"] / "ledger", "*.json")[::2]:
        entry.write_bytes(b"\0" * 50)
    worked(copied)
    same_study(whole, copied["out"])


def test_damaged_embeddings_are_computed_again(copied, whole, same_study) -> None:
    shutil.rmtree(copied["out"] / "ledger")
    for file in files_below(copied["out"] / "cache", "*.safetensors")[:1]:
        file.write_bytes(file.read_bytes()[:-400])
    assert any("embeddings" in label for label in worked(copied))
    same_study(whole, copied["out"])


def test_an_image_corrupted_between_two_runs(copied, whole, same_study) -> None:
    victim = copied["images"] / "0003.png"
    content = victim.read_bytes()
    try:
        victim.write_bytes(content[: len(content) // 3])
        with pytest.raises(RequestError, match=r"0003\.png") as caught:
            Study(**copied).run(until="agree")
        assert "\n" not in str(caught.value).strip()
    finally:
        victim.write_bytes(content)
    assert worked(copied) == []
    same_study(whole, copied["out"])


def test_an_image_replaced_between_two_runs_makes_stale_what_depends_on_it(
    copied, study_keys, tmp_path, same_study
) -> None:
    images = tmp_path / "images"
    shutil.copytree(copied["images"], images)
    Image.effect_mandelbrot((200, 200), (-2, -1, 1, 1), 20).convert("RGB").save(images / "0003.png")
    # An older date must not make it look unchanged.
    os.utime(images / "0003.png", (0, 0))
    keys = copied | {"images": images}
    # The images' folder is part of the study: a folder that says another one is another study.
    text = (copied["out"] / "study.toml").read_text()
    text = re.sub('^images = ".*"$', f'images = "{images}"', text, count=1, flags=re.MULTILINE)
    (copied["out"] / "study.toml").write_text(text)
    status = Study(**keys).status()
    assert "images has changed" in status["why"].iloc[0]
    assert "embeddings" in worked(keys)[0]
    fresh = study_keys(tmp_path / "fresh") | {"images": images}
    Study(**fresh).run(until="agree")
    same_study(fresh["out"], copied["out"], tolerance=1e-4)


def test_an_image_changed_while_the_study_runs(study_keys, tmp_path, same_study) -> None:
    images = tmp_path / "images"
    keys = study_keys(tmp_path / "s")
    shutil.copytree(keys["images"], images)
    keys |= {"images": images}
    original = (images / "0000.png").read_bytes()

    class Meddler(Narrator):
        def steps(self, label, total):
            if label.endswith("maps"):
                Image.new("RGB", (64, 64), "red").save(images / "0000.png")
            return super().steps(label, total)

    with pytest.raises(AisthesisError, match=r"0000\.png was changed while the study"):
        Study(**keys, narrator=Meddler()).run(until="agree")
    (images / "0000.png").write_bytes(original)
    Study(**keys).run(until="agree")
    fresh = study_keys(tmp_path / "fresh") | {"images": images}
    Study(**fresh).run(until="agree")
    same_study(fresh["out"], keys["out"])


def test_weights_swapped_under_a_running_study(study_keys, tmp_path, same_study) -> None:
    weights = tmp_path / "vgg16.safetensors"
    shutil.copy(miniature_weights("vgg16"), weights)
    keys = study_keys(tmp_path / "s") | {"backbones": [{"name": LABEL, "weights": str(weights)}]}
    other = {name: values * np.float32(1.01) for name, values in load_file(weights).items()}

    class Meddler(Narrator):
        def steps(self, label, total):
            if label.endswith("heads"):
                save_file(other, weights)
            return super().steps(label, total)

    with pytest.raises(AisthesisError, match="were replaced while the study was running"):
        Study(**keys, narrator=Meddler()).run(until="agree")
    assert "weights has changed" in Study(**keys).status()["why"].iloc[0]
    Study(**keys).run(until="agree")
    fresh = keys | {"out": tmp_path / "fresh"}
    Study(**fresh).run(until="agree")
    same_study(fresh["out"], keys["out"])


def test_a_clock_set_back_changes_nothing(copied, whole, same_study) -> None:
    """All dates in the folder lie in the future, as after a clock was set back."""
    for file in copied["out"].rglob("*"):
        os.utime(file, (4_000_000_000, 4_000_000_000))
    assert worked(copied) == []
    chunk = files_below(copied["out"] / "maps.zarr" / "miniature_vgg16" / "ais" / "c", "*")[0]
    chunk.write_bytes(chunk.read_bytes()[:-1])
    os.utime(chunk, (4_000_000_000, 4_000_000_000))
    assert worked(copied) == [f"{LABEL}: maps"]
    same_study(whole, copied["out"])


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 2 MB; needs the right to mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True
    )
    if made.returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_no_space_left(small_disk, study_keys, whole, same_study) -> None:
    ballast = small_disk / "ballast"
    keys = study_keys(small_disk / "s")
    failed = 0
    for room in (4_000, 30_000, 60_000, 120_000, 180_000, 250_000):
        # The disk fills up ever later; what was finished before stays.
        free = shutil.disk_usage(small_disk).free
        ballast.write_bytes(b"\1" * max(0, free - room))
        try:
            Study(**keys).run(until="agree")
        except AisthesisError as error:
            message = str(error)
            failed += "no room left on the disk" in message and "\n" not in message
        ballast.unlink()
    assert failed >= 3
    Study(**keys).run(until="agree")
    same_study(whole, keys["out"])


def test_a_read_only_output_folder(tmp_path, study_keys) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a read-only disk can be mounted by root only")
    try:
        with pytest.raises(AisthesisError, match="read-only") as caught:
            Study(**study_keys(place / "s")).run()
        assert "\n" not in str(caught.value)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
