"""What is damaged, swapped or changed behind a study's back is found and done again."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from aisthesis import Study
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.miniature import miniature_weights

from .harness import go_on, opened

pytestmark = pytest.mark.usefixtures("unreported")
LABEL = "miniature:vgg16"


class Watch(ProgressReporter):
    """Remembers what was worked on, steps with something to do; may meddle with one of them."""

    def __init__(self, step: str = "", meddle=lambda: None) -> None:
        self.worked: list[str] = []
        self._step, self._meddle = step, meddle

    def steps(self, label, total):
        if self._step and label.endswith(self._step):
            self._meddle()
        if total:
            self.worked.append(label)
        return super().steps(label, total)


def worked(place: Path) -> list[str]:
    watch = Watch()
    go_on(place, watch)
    return [label for label in watch.worked if "checking" not in label]


def states(place: Path) -> list[str]:
    return opened(place).status()["state"].tolist()


def files_below(folder: Path, pattern: str) -> list[Path]:
    return sorted(p for p in folder.rglob(pattern) if p.is_file())


def anew(folder: Path) -> Path:
    """Run the study that a folder is of once more, into an empty one."""
    file, aside = folder.parent / "study.toml", folder.parent / "aside"
    folder.rename(aside)
    go_on(file)
    folder.rename(folder.parent / "fresh")
    aside.rename(folder)
    return folder.parent / "fresh"


def test_a_finished_study_is_left_alone(folder) -> None:
    assert worked(folder) == []


HARMS = {
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-20]),
    "emptied": lambda file: file.write_bytes(b""),
    "gone": lambda file: file.unlink(),
    "one bit": lambda file: file.write_bytes(flipped(file.read_bytes())),
}


def flipped(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 4
    return bytes(changed)


def test_a_damaged_chunk_of_the_store_is_found_and_done_again(folder, whole, same_study) -> None:
    """Each harm is found alone; then all are mended at once."""
    arrays = folder / "maps.zarr" / "miniature_vgg16"
    chunks = [files_below(array / "c", "*")[0] for array in sorted(arrays.glob("*_place"))]
    chunks += [files_below(arrays / "importance/c", "*")[0], files_below(arrays / "x/c", "*")[0]]
    assert len(chunks) >= len(HARMS)
    for (how, harm), chunk in zip(HARMS.items(), chunks, strict=False):
        kept = chunk.read_bytes()
        harm(chunk)
        table = opened(folder).status()
        found = table[table["of"] == LABEL].set_index("stage")
        (row,) = found[found["state"] == "damaged"].itertuples()
        assert row.Index in ("explain", "maps"), how
        assert row.done == row.total - 1
        chunk.write_bytes(kept)
    assert set(states(folder)) == {"done"}
    for harm, chunk in zip(HARMS.values(), chunks, strict=False):
        harm(chunk)
    again = worked(folder)
    assert f"{LABEL}: maps" in again
    assert not any(label.endswith("heads") for label in again)
    same_study(whole, folder)


def test_a_damaged_table_or_head_is_made_again(folder, whole, same_study) -> None:
    for pattern in ("predictions.csv", "agreement.csv", "*-seed0.safetensors", "alignment.csv"):
        for file in (*folder.glob(pattern), *folder.glob(f"heads/{pattern}")):
            kept = file.read_bytes()
            file.write_bytes(kept[:-20])
            assert "damaged" in states(folder), pattern
            file.write_bytes(kept)
    harmed = [*folder.glob("*.csv"), *folder.glob("heads/*")]
    for file in harmed:
        file.write_bytes(file.read_bytes()[:-20])
    assert "damaged" in states(folder)
    worked(folder)
    assert set(states(folder)) == {"done"}
    same_study(whole, folder)


def test_garbage_in_the_ledger_is_not_believed(folder, whole, same_study) -> None:
    for entry in files_below(folder / "ledger", "*.json")[::2]:
        entry.write_bytes(b"\0" * 50)
    assert set(states(folder)) != {"done"}
    worked(folder)
    assert set(states(folder)) == {"done"}
    same_study(whole, folder)


def test_damaged_embeddings_are_computed_again(copy, finished, same_study) -> None:
    shutil.rmtree(copy / "study/ledger")
    for file in files_below(copy / "study/cache", "*.safetensors")[:1]:
        file.write_bytes(file.read_bytes()[:-400])
    assert any("embeddings" in label for label in worked(copy / "study"))
    same_study(finished / "study", copy / "study")


def test_an_image_corrupted_between_two_runs(folder, whole, same_study) -> None:
    victim = folder.parent / "p/images/0003.png"
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) // 3])
    with pytest.raises(RequestError, match=r"0003\.png") as caught:
        go_on(folder)
    assert "\n" not in str(caught.value).strip()
    victim.write_bytes(content)
    assert worked(folder) == []
    same_study(whole, folder)


def test_an_image_replaced_between_two_runs_makes_stale_what_depends_on_it(
    folder, same_study
) -> None:
    victim = folder.parent / "p/images/0003.png"
    Image.effect_mandelbrot((200, 200), (-2, -1, 1, 1), 20).convert("RGB").save(victim)
    # An older date must not make it look unchanged.
    os.utime(victim, (0, 0))
    status = opened(folder).status()
    assert status["why"].str.contains("images.* has changed").iloc[0]
    assert "embeddings" in worked(folder)[0]
    same_study(anew(folder), folder, tolerance=1e-4)


def test_an_image_changed_while_the_study_runs(folder, whole, same_study) -> None:
    shutil.rmtree(folder)
    file, images = folder.parent / "study.toml", folder.parent / "p/images"
    kept = shutil.copytree(images, folder.parent / "kept")

    def meddle() -> None:
        for image in images.iterdir():
            Image.new("RGB", (64, 64), "red").save(image)

    with pytest.raises(AisthesisError, match=r"00\d\d\.png.* were changed while the study"):
        go_on(file, Watch("maps", meddle))
    assert not {*folder.glob("agreement.csv"), *folder.glob("alignment.csv")}
    shutil.copytree(kept, images, dirs_exist_ok=True)
    go_on(file)
    same_study(whole, folder)


def test_weights_swapped_under_a_running_study(folder, same_study) -> None:
    shutil.rmtree(folder)
    file, weights = folder.parent / "study.toml", folder.parent / "vgg16.safetensors"
    shutil.copy(miniature_weights("vgg16"), weights)
    named = f'name = "{LABEL}"'
    text = file.read_text(encoding="utf-8")
    assert named in text
    file.write_text(text.replace(named, f'{named}, weights = "vgg16.safetensors"'.replace(
        ", ", "\n" if "[[backbones]]" in text else ", ")), encoding="utf-8")  # fmt: skip
    other = {name: values * np.float32(1.01) for name, values in load_file(weights).items()}
    with pytest.raises(
        AisthesisError, match=r"were (replaced|changed) while the study was running"
    ):
        go_on(file, Watch("heads" if isinstance(opened(file), Study) else "channels",
                          lambda: save_file(other, weights)))  # fmt: skip
    assert set(states(file)) <= {"stale", "to do"}
    go_on(file)
    same_study(anew(folder), folder)


def test_a_clock_set_back_changes_nothing(folder, whole, same_study) -> None:
    """All dates in the folder lie in the future, as after a clock was set back."""
    for file in folder.rglob("*"):
        os.utime(file, (4_000_000_000, 4_000_000_000))
    assert worked(folder) == []
    chunk = files_below(folder / "maps.zarr" / "miniature_vgg16" / "importance" / "c", "*")[0]
    chunk.write_bytes(chunk.read_bytes()[:-1])
    os.utime(chunk, (4_000_000_000, 4_000_000_000))
    assert f"{LABEL}: maps" in worked(folder)
    same_study(whole, folder)


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


def move_out(folder: Path, place: Path) -> Path:
    """Have the study file that made a folder name another one for what it makes."""
    file = folder.parent / "study.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('out = "study"', f'out = "{place}"'), encoding="utf-8")
    return file


def test_no_space_left(small_disk, folder, whole, same_study) -> None:
    ballast, file = small_disk / "ballast", move_out(folder, small_disk / "s")
    failed = 0
    for room in (4_000, 30_000, 60_000, 120_000, 180_000, 250_000):
        # The disk fills up ever later; what was finished before stays.
        free = shutil.disk_usage(small_disk).free
        ballast.write_bytes(b"\1" * max(0, free - room))
        try:
            go_on(file)
        except AisthesisError as error:
            message = str(error)
            failed += "no room left on the disk" in message and "\n" not in message
        ballast.unlink()
    assert failed >= 3
    go_on(file)
    same_study(whole, small_disk / "s")


def test_a_read_only_output_folder(tmp_path, folder) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a read-only disk can be mounted by root only")
    try:
        with pytest.raises(AisthesisError, match="read-only") as caught:
            go_on(move_out(folder, place / "s"))
        assert "\n" not in str(caught.value)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
