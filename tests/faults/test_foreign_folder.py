"""A study's folder from somebody else: links, pipes, devices and settings that run code."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tomli_w

from aisthesis import Study
from aisthesis.cli.main import main
from aisthesis.errors import RequestError
from aisthesis.report.write import write_report
from aisthesis.store.ledger import Ledger, file_digest
from aisthesis.studies.similarity.study import Alignment

from .harness import listing, unclear, watchdog

pytestmark = pytest.mark.usefixtures("no_figures")

#: What a run writes and removes again, now or in 0.1.0.
PASSING = (
    ".lock", ".lock.json", "..lock.json.partial", ".report.html.partial",
    ".provenance.json.partial", ".predictions.csv.partial", ".ensemble.zarr.partial",
    ".dissimilarities.npz.partial.npz", ".judgments.partial.npz", "report-photographs",
    "maps.zarr/.miniature_vgg16.partial", "report-photographs/00000.jpg",
)  # fmt: skip
LINKS = ("to a file", "to a folder", "to nowhere", "to a device")
ODD = ("a pipe", "a socket", "endless")


def commands(folder: Path) -> list[list[str]]:
    """Commands that open a study of this kind by its folder or by the file that made it."""
    if (folder / "alignment.csv").exists() or (folder / "dissimilarities.npz").exists():
        return [["align", str(folder)], ["align", str(folder.parent / "study.toml")]]
    file = str(folder.parent / "study.toml")
    found = [[stage, str(folder)] for stage in ("report", "status", "explain", "retain")]
    images = str(folder.parent / "p/images")
    out = str(folder.parent / "p.csv")
    return [*found, ["predict", str(folder), "--images", images, "--out", out], ["run", file]]


def every_place(folder: Path) -> list[str]:
    """Names of all that a study of the kind holds or ever writes."""
    held = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    return sorted({*held, *PASSING})


@contextmanager
def planted(folder: Path, name: str, kind: str) -> Iterator[Path]:
    """Plant something for a while; what was there comes back."""
    place, aside = folder / name, folder.parent / "aside"
    made = [above for above in place.parents if not above.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    there = os.path.lexists(place)
    if there:
        place.rename(aside)
    try:
        yield plant(folder, name, kind)
    finally:
        place.unlink()
        if there:
            aside.rename(place)
        for above in made:
            above.rmdir()


def plant(folder: Path, name: str, kind: str) -> Path:
    """Put a link or something odd where a study has a file or a folder."""
    place, beside = folder / name, folder.parent / "beside"
    targets = {
        "to a file": beside / "photograph.png",
        "to a folder": beside / "folder",
        "to nowhere": beside / "made-by-the-study",
        "to a device": Path("/dev/zero"),
    }
    if kind == "a pipe":
        os.mkfifo(place)
    elif kind == "a socket":
        here = Path.cwd()
        os.chdir(place.parent)  # a socket's path is short
        try:
            with socket.socket(socket.AF_UNIX) as held:
                held.bind(place.name)
        finally:
            os.chdir(here)
    elif kind == "endless":
        place.touch()
        os.truncate(place, 1 << 40)
    else:
        place.symlink_to(targets[kind])
    return place


def refused(command: list[str], capsys) -> str:
    """Give the one line that a command ends with, within seconds."""
    with watchdog():
        assert main(command) == 2, command
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert not unclear(last)
    return last


@pytest.mark.parametrize("kind", LINKS)
def test_no_link_in_a_folder_is_followed(kind, folder, capsys) -> None:
    all_commands = commands(folder)
    before = listing(folder.parent)
    for number, name in enumerate(every_place(folder)):
        if "/" in name and number % len(LINKS) != LINKS.index(kind):
            continue  # deep down each place has one kind of link
        with planted(folder, name, kind) as place:
            last = refused(all_commands[number % len(all_commands)], capsys)
            assert "is a link" in last
            assert str(place) in last
    assert listing(folder.parent) == before


@pytest.mark.parametrize("kind", ODD)
def test_only_files_of_a_studys_size_are_opened(kind, folder, capsys) -> None:
    all_commands = commands(folder)
    places = [name for name in every_place(folder) if not (folder / name).is_dir()]
    for number, name in enumerate(places):
        if "/" in name and number % len(ODD) != ODD.index(kind):
            continue
        with planted(folder, name, kind):
            last = refused(all_commands[number % len(all_commands)], capsys)
            assert "a pipe, a socket" in last or "MB there" in last


@pytest.mark.parametrize("bomb", ["zip", "zarr", "chunk"])
def test_arrays_that_name_far_more_than_they_hold_are_refused(bomb, folder, capsys) -> None:
    if bomb == "zip":
        place = min((*folder.glob("*.npz"), *folder.glob("cache/*.npz")))
        place.write_bytes(_packed(3 << 30))
    else:
        place = min(folder.glob("maps.zarr/*/activation/zarr.json"))
        about = json.loads(place.read_text())
        grid = about["chunk_grid"]["configuration"]
        many = [1 << 20 for _ in about["shape"]]
        about, grid["chunk_shape"] = (
            (about | {"shape": many}, grid["chunk_shape"]) if bomb == "zarr" else (about, many)
        )
        place.write_text(json.dumps(about))
    for command in commands(folder):
        assert f"{place.name} names arrays of " in refused(command, capsys)


def _packed(size: int) -> bytes:
    """An .npz of a few kilobytes whose directory says how large its array is."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("human.npy", bytes(1 << 20))
    held = bytearray(sink.getvalue())
    place = held.index(b"PK\x01\x02") + 24  # the size in the directory
    held[place : place + 4] = size.to_bytes(4, "little")
    return bytes(held)


def test_the_libraries_ways_in_refuse_as_the_commands_do(copy) -> None:
    shutil.rmtree(copy / "study/figures")
    (copy / "study/figures").symlink_to(copy / "p")
    study = copy / "study"
    ways = (
        lambda: Study.open(study),
        lambda: Study.from_toml(copy / "study.toml").run(),
        lambda: Study.from_toml(copy / "study.toml").status(),
        lambda: Study.from_toml(copy / "study.toml").report(),
        lambda: Study.from_toml(copy / "study.toml").predict(copy / "p/images"),
        lambda: write_report(study),
        lambda: Alignment.open(study),
    )
    for way in ways:
        with pytest.raises(RequestError, match=r"figures is a link"):
            way()


def test_links_of_the_owner_are_followed_when_asked_to(copy) -> None:
    study, elsewhere = copy / "study", copy / "another-disk"
    shutil.move(study / "maps.zarr", elsewhere)
    (study / "maps.zarr").symlink_to(elsewhere)
    assert main(["report", str(study)]) == 2
    assert main(["report", str(study), "--follow-links"]) == 0
    assert main(["status", str(study), "--follow-links"]) == 0
    assert (study / "maps.zarr").is_symlink()


def test_the_folder_itself_may_be_reached_through_a_link(copy) -> None:
    (copy / "through").symlink_to(copy / "study")
    assert main(["report", str(copy / "through")]) == 0


def test_a_lock_that_is_a_file_elsewhere_is_not_emptied(copy) -> None:
    mine = copy / "mine.txt"
    mine.write_text("mine")
    (copy / "study/.lock").unlink(missing_ok=True)
    os.link(mine, copy / "study/.lock")
    assert main(["report", str(copy / "study")]) == 2
    assert mine.read_text() == "mine"


def test_a_ledger_names_no_file_outside_and_no_endless_one(tmp_path) -> None:
    ledger = Ledger(tmp_path)
    made = tmp_path / "table.csv"
    made.write_text("a\n")
    ledger.enter("piece", {}, [made])
    entry = tmp_path / "ledger/piece.json"
    for name in ("../outside", "/dev/zero", "a/../../b", ""):
        entry.write_text(entry.read_text().replace("table.csv", name))
        assert not ledger.files("piece")
        assert ledger.state("piece", {}).kind == "to do"
        ledger.enter("piece", {}, [made])
    os.truncate(made, 1 << 40)
    with watchdog(2):
        assert ledger.state("piece", {}).kind == "damaged"
        assert file_digest(Path("/dev/zero")) is None


DASK = {
    "preload": {"options": {"preload": "FILE"}},
    "a worker's class": {"options": {"worker_class": "os.system"}},
    "a prologue": {"cluster": "slurm", "options": {"job_script_prologue": ["touch FILE"]}},
    "a queue": {"cluster": "pbs", "options": {"queue": "a\ntouch FILE"}},
    "a scheduler": {"scheduler": "tcp://127.0.0.1:9"},
    "an object": {"options": {"memory_limit": ["1 GB"]}},
}


@pytest.mark.parametrize("name", DASK)
def test_a_folders_settings_run_nothing(name, copy, monkeypatch, capsys, no_figures) -> None:
    ran, study = copy / "ran", copy / "study"
    code = copy / "code.py"
    code.write_text(f"open({str(ran)!r}, 'w')")
    file = study / "study.toml"
    dask = tomli_w.dumps({"dask": DASK[name]}).replace("FILE", str(code))
    text = file.read_text().replace('engine = "serial"', 'engine = "dask"')
    file.write_text(text.split("[dask]")[0] + dask)
    started = []
    monkeypatch.setattr("aisthesis.execution.cluster.dask_executor", lambda *_: started.append(1))
    began = time.monotonic()
    for command in (["report", str(study)], ["status", str(study)]):
        assert main(command) == 0
    for command in (["explain", str(study)], ["retain", str(study)], ["run", str(file)]):
        assert "may run code" in refused(command, capsys)
    assert not started
    assert not ran.exists()
    assert time.monotonic() - began < 20


def test_status_and_report_of_a_finished_folder_read_no_weights(copy, monkeypatch) -> None:
    """What `weights` names may be somebody's pickle; its digest is all that is asked for."""

    def never(*rest, **keys):
        raise AssertionError("weights were read")

    for place in (
        "aisthesis.studies.shared.network.build",
        "aisthesis.backbones.registry.read_state",
    ):
        monkeypatch.setattr(place, never)
    assert main(["status", str(copy / "study")]) == 0
    assert main(["report", str(copy / "study")]) == 0
