"""Standard output and error that are full or closed: exit codes are true, and work is done."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aisthesis.cli.main import main

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


class _Refuses:
    """A stream of no file that takes nothing."""

    encoding = "ascii"

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    flush = isatty = lambda self: None


def _bad(kind: str):
    """A stream that is full, closed, absent, or no file."""
    if kind == "full":
        return FULL.open("w", encoding="ascii")
    if kind == "shut":
        stream = FULL.open("w", encoding="ascii")
        stream.close()
        return stream
    return None if kind == "absent" else _Refuses()


KINDS = ("full", "shut", "absent", "refuses")


def _main(arguments: list[str], monkeypatch, **streams) -> int:
    with monkeypatch.context() as patch:
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        code = main(arguments)
        assert all(getattr(sys, name) is stream for name, stream in streams.items())
    for stream in streams.values():
        if hasattr(stream, "close"):
            stream.close()  # fails where something still waits in it, as the interpreter's end does
    return code


@pytest.mark.parametrize("kind", KINDS)
def test_status_answers_though_standard_error_is_bad(kind, folder, monkeypatch, capsys) -> None:
    assert _main(["status", str(folder)], monkeypatch, stderr=_bad(kind)) == 0
    assert "  done  " in capsys.readouterr().out
    assert _main(["status", "/nowhere"], monkeypatch, stderr=_bad(kind)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_status_that_cannot_be_printed_is_a_failure(kind, folder, monkeypatch, capsys) -> None:
    assert _main(["status", str(folder)], monkeypatch, stdout=_bad(kind)) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(said) == 1
    assert said[0].startswith("error: the result could not be printed on standard output (")


def test_work_is_done_though_its_progress_cannot_be_said(folder, monkeypatch, capsys) -> None:
    command = "run" if (folder / "predictions.csv").is_file() else "align"
    (folder / "report.html").unlink()
    asked = [command, str(folder.parent / "study.toml")]
    assert _main(asked, monkeypatch, stderr=_bad("full")) == 0
    assert (folder / "report.html").is_file()
    assert capsys.readouterr().out == f"{folder / 'report.html'}\n"


def test_predictions_are_kept_though_nothing_can_be_said(copy, monkeypatch) -> None:
    out = copy / "new.csv"
    asked = ["predict", str(copy / "study"), "--images", str(copy / "p/images"), "--out", str(out)]
    assert _main(asked, monkeypatch, stderr=_bad("full")) == 0
    out.unlink()
    assert _main(asked, monkeypatch, stdout=_bad("absent"), stderr=_bad("absent")) == 1
    assert out.is_file()


@pytest.mark.parametrize(
    ("redirected", "code"),
    [(">/dev/full", 1), (">&-", 1), ("2>/dev/full", 0), ("2>&-", 0), (">&- 2>&- <&-", 1)],
)
def test_a_process_of_its_own_ends_with_that_exit_code(redirected, code) -> None:
    asked = f'"{sys.executable}" -m aisthesis.cli --help {redirected}'
    end = subprocess.run(["sh", "-c", asked], capture_output=True, text=True, check=False)
    assert end.returncode == code, end.stderr
    assert end.stderr.count("\n") == (1 if redirected in (">/dev/full", ">&-") else 0)
