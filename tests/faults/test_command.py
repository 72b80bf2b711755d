"""The most dangerous inputs through a real process: exit code, one line, nothing left behind."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .catalogue import N_COMMANDS
from .harness import listing, unclear
from .images_in import _png

_LYING = struct.pack("<Q", 2**63) + b"{}"


class _Runs:
    def __reduce__(self):
        return (os.mkdir, ("the-code-ran",))


def _first_image(root: Path) -> Path:
    return sorted((root / "p/images").iterdir())[0]


def _replace(content: bytes) -> Callable[[Path], None]:
    return lambda root: _first_image(root).write_bytes(content)


def _pipe(root: Path) -> None:
    path = _first_image(root)
    path.unlink()
    os.mkfifo(path)


def _link_outside(root: Path) -> None:
    path = _first_image(root)
    moved = root / "beside.png"
    path.rename(moved)
    path.symlink_to(moved)


def _append(name: str) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        with (root / "p/ratings.csv").open("a", encoding="utf-8") as file:
            width = len((root / "p/ratings.csv").read_text().splitlines()[0].split(","))
            file.write(",".join([name, *["r0"] * (width - 2), "3"]) + "\n")

    return harm


def _ratings(content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / "p/ratings.csv").write_bytes(content) and None


def _ratings_pipe(root: Path) -> None:
    (root / "p/ratings.csv").unlink()
    os.mkfifo(root / "p/ratings.csv")


def _weights(ending: str, content: bytes) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        (root / f"w.{ending}").write_bytes(content)
        study = root / "study.toml"
        network = '{name = "torchvision:squeezenet1_0", layer = "features.12", '
        named = f'{network}weights = "w.{ending}"}}'
        study.write_text(
            study.read_text().replace('{name = "miniature:vgg16", input_px = 96}', named)
        )

    return harm


def _study(old: str, new: str) -> Callable[[Path], None]:
    def harm(root: Path) -> None:
        study = root / "study.toml"
        text = study.read_text()
        assert old in text
        study.write_text(text.replace(old, new))

    return harm


CASES = {
    "an empty image": (_replace(b""), 2),
    "a bomb of an image": (_replace(_png(2**20, 2**20, rows=bytes(10**6))), 2),
    "half an image": (_replace(_png(64, 64, rows=bytes(99))), 2),
    "a pipe for an image": (_pipe, 2),
    "a link out of the folder": (_link_outside, 2),
    "a rated name that leads out": (_append("../../study.toml"), 2),
    "an absolute rated name": (_append("/etc/passwd"), 2),
    "a rated name that steers the terminal": (_append("\x1b[2Jx.png"), 2),
    "ratings beyond counting": (_ratings(b"image,rating\na,1e400\nb,1e308\n"), 2),
    "ratings that are a workbook": (_ratings(b"PK\x03\x04"), 2),
    "ratings in a pipe": (_ratings_pipe, 2),
    "a header without end": (_ratings(b"x" * 300_000), 2),
    "safetensors of 2^63 bytes": (_weights("safetensors", _LYING), 1),
    "a pickle with code": (_weights("pth", pickle.dumps(_Runs(), protocol=2)), 2),
    "an unknown key": (_study("bootstrap", "botstrap"), 2),
    "a study file that is no TOML": (_study("=", "=="), 2),
    "an impossible number": (_study("bootstrap = 20", "bootstrap = -1"), 2),
    "images of nowhere": (_study('"p/images"', '"/dev/null"'), 2),
    "output into a file": (_study('out = "study"', 'out = "p/ratings.csv"'), 2),
    "output into the images": (_study('out = "study"', 'out = "p/images"'), 2),
}


@dataclass(frozen=True)
class Done:
    """How a command ended, and the files outside its study folder before and after."""

    code: int
    out: str
    err: str
    before: dict[str, Any]
    after: dict[str, Any]


def _outside(root: Path) -> dict[str, Any]:
    study = str(root / "study")
    found = listing(root).items()
    return {path: entry for path, entry in found if path != study and f"{study}/" not in path}


@pytest.fixture(scope="module")
def done(finished, tmp_path_factory) -> dict[str, Done]:
    """Every case, each in a process and a folder of its own."""
    roots, before = {}, {}
    for number, (name, (harm, _)) in enumerate(CASES.items()):
        root = roots[name] = tmp_path_factory.mktemp("cases") / str(number)
        shutil.copytree(finished, root, ignore=shutil.ignore_patterns("study"))
        harm(root)
        before[name] = _outside(root)
    jobs = [[["fit", str(root / "study.toml")], str(root)] for root in roots.values()]
    answer = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("forks.py"))],
        input=json.dumps(jobs), capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    ends = dict(zip(CASES, json.loads(answer.stdout), strict=True))
    return {name: Done(*ends[name], before[name], _outside(roots[name])) for name in CASES}


def _check_refused(code: int, out: str, err: str, wanted: int) -> None:
    assert code == wanted, err[-800:]
    last = err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert not unclear(last)
    assert "Traceback" not in err
    assert out == ""


@pytest.mark.parametrize("name", CASES)
def test_the_command_refuses_in_one_line_and_leaves_all_as_it_was(name, done):
    end = done[name]
    _check_refused(end.code, end.out, end.err, CASES[name][1])
    assert end.after == end.before


def test_an_interpreter_of_its_own_ends_the_same(finished, tmp_path):
    (tmp_path / "study.toml").write_text((finished / "study.toml").read_text() + "botstrap = 1\n")
    end = subprocess.run(
        [sys.executable, "-m", "aisthesis.cli", "fit", "study.toml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    _check_refused(end.returncode, end.stdout, end.stderr, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_the_table_in_the_docs_counts_them_right():
    assert len(CASES) == N_COMMANDS
