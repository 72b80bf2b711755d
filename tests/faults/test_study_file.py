"""Study files that are hostile as a whole, through the command."""

from __future__ import annotations

import os

import pytest

from aisthesis.cli.main import main

from .harness import unclear, watchdog

_REST = '\nratings = "r.csv"\nout = "o"\nbackbones = [{name = "miniature:vgg16"}]\n'
REFUSED = {
    "no image folder": 'images = "gone"',
    "a NUL in a path": 'images = "a\\u0000b"',
    "an endless path": f'images = "{"a" * 5000}"',
    "a device": 'images = "/dev/zero"',
    "escapes": 'images = "\\u001b[2J\\u202e"',
}
IN_CONFIG = {
    "nesting without end": f"images = {'[' * 5000}{']' * 5000}",
    "a home that is nobody's": 'images = "~nosuchuser/x"',
    "a truth for a number": 'images = "."\nseeds = true',
    "an infinite number": 'images = "."\nfit = {weight_decay = inf}',
}


def _refused(path, capsys) -> str:
    try:
        with watchdog(5):
            code = main(["run", str(path)])
    except BaseException as error:  # noqa: BLE001 - the clock rings with one
        raise AssertionError(f"{type(error).__name__}: {error}"[:300]) from None
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert code == 2, line
    assert not unclear(line)
    return line


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_study_file_is_refused(name, tmp_path, capsys):
    path = tmp_path / "study.toml"
    path.write_text(REFUSED[name] + _REST)
    _refused(path, capsys)
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.toml"]


@pytest.mark.parametrize("name", IN_CONFIG)
def test_a_hostile_value_is_refused_with_its_key(name, tmp_path, capsys):
    path = tmp_path / "study.toml"
    path.write_text(IN_CONFIG[name] + _REST)
    assert "study.toml" in _refused(path, capsys)


def test_a_pipe_for_a_study_file_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "study.toml")
    _refused(tmp_path / "study.toml", capsys)


def test_a_layer_for_a_backbone_that_is_named_alone(tmp_path, capsys):
    path = tmp_path / "study.toml"
    path.write_text('images = "gone"\nratings = "r.csv"\nout = "o"\nbackbones = ["vgg16"]\n')
    arguments = ["run", str(path), "--layer", "vgg16=features.28", "--weights", "vgg16=random"]
    assert main(arguments) == 2
    assert "There is no image folder" in capsys.readouterr().err
