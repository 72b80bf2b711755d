"""The command line: what it prints, its exit codes, and one clear sentence for bad input."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from aisthesis.cli.main import main
from aisthesis.miniature import render_study

MINI = "miniature:vgg16"


@pytest.fixture
def photos(tmp_path) -> Path:
    """Twelve small rendered images with wide-format ratings."""
    render_study(tmp_path / "p", 12, seed=1, size_px=64)
    ratings = pd.read_csv(tmp_path / "p" / "ratings.csv").groupby("image")["rating"].mean()
    ratings.to_csv(tmp_path / "ratings.csv")
    return tmp_path / "p" / "images"


@pytest.fixture
def run(photos, tmp_path, capsys, no_figures):
    """Run `aisthesis run` on the photos with options; give (exit code, error line)."""

    def call(*options: str, backbones: str = MINI) -> tuple[int, str]:
        ratings = str(tmp_path / "ratings.csv")
        asked = ["--images", str(photos), "--ratings", ratings, "--backbones", backbones]
        code = main(["run", *asked, "--out", str(tmp_path / "out"), *options])
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if line.startswith("error:")]
        assert "Traceback" not in captured.err
        return code, errors[-1] if errors else ""

    return call


def edit(tmp_path: Path, change) -> None:
    table = pd.read_csv(tmp_path / "ratings.csv", dtype=object)
    change(table).to_csv(tmp_path / "ratings.csv", index=False)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(path: Path) -> None:
    """Write a PNG of a few bytes that claims 60,000 by 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rnu"], "invalid choice"),
        (["run", "absent.toml"], "there is no file absent.toml"),
        (["run", "--images", "x"], "`ratings` is missing"),
        (["agree", "absent"], r"holds no study\.toml"),
        (["predict", "absent", "--images", "x", "--out", "y.csv"], r"holds no study\.toml"),
        (["layers", "vgg91"], "the nearest: vgg19 or vgg16"),
        (["layers", "torchvision:resnet51"], "torchvision:resnet50"),
        (["demo", "--n", "3"], "at least 20 images"),
    ],
)
def test_a_wrong_request_is_one_line_and_exit_code_2(arguments, words, capsys, tmp_path) -> None:
    import re

    os.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert re.search(words, error), error
    assert error.count("\n") == 1


def test_a_run_from_options_ends_in_a_report_and_prints_its_path(photos, tmp_path, capsys) -> None:
    ratings = str(tmp_path / "ratings.csv")
    out = tmp_path / "study"
    asked = ["--images", str(photos), "--ratings", ratings, "--out", str(out)]
    assert main(["run", *asked, "--backbones", MINI, "--layer", f"{MINI}=deepest"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "report.html")
    new = tmp_path / "new.csv"
    assert main(["predict", str(out), "--images", str(photos), "--out", str(new)]) == 0
    assert list(pd.read_csv(new)) == ["image", "backbone", "seed", "prediction"]
    for stage in ("fit", "explain", "agree", "report"):
        assert main([stage, str(out)]) == 0


def test_the_report_alone_puts_photographs_where_it_is_told(run, tmp_path, capsys) -> None:
    assert run()[0] == 0
    out = tmp_path / "out"
    assert not (out / "report-photographs").exists()
    assert main(["report", str(out), "--photographs", "folder"]) == 0
    assert capsys.readouterr().out.strip() == str(out / "report.html")
    assert list((out / "report-photographs").glob("*.jpg"))
    assert main(["report", str(out), "--photographs", "elsewhere"]) == 2
    assert "--photographs" in capsys.readouterr().err


def test_no_such_folder(run, photos, tmp_path) -> None:
    assert run("--images", str(tmp_path / "nowhere"))[0] == 2
    assert "nowhere" in run("--images", str(tmp_path / "nowhere"))[1]


def test_a_rated_image_that_is_missing_and_the_reverse(run, photos, tmp_path) -> None:
    (photos / "0003.png").rename(photos / "other.png")
    code, error = run()
    assert code == 2
    assert "0003.png" in error
    assert "other.png" in error
    assert 'unrated = "ignore"' in error


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "0003.png"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_text("I am a poem"), "0003.png"),
        (bomb, "60,?000|3,?600"),
    ],
    ids=["truncated", "zero bytes", "text", "bomb"],
)
def test_a_broken_image_stops_the_study_unless_skipped(run, photos, tmp_path, spoil, words) -> None:
    import re

    spoil(photos / "0003.png")
    code, error = run()
    assert code == 2
    assert "0003.png" in error
    assert re.search(words, error), error
    code, _ = run("--on-error", "skip")
    assert code == 0
    assert "0003.png" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "0003.png" not in (tmp_path / "out" / "predictions.csv").read_text()


def test_a_truncated_jpeg_is_refused_by_name(run, photos, tmp_path) -> None:
    Image.open(photos / "0003.png").save(photos / "photo.jpg")
    (photos / "0003.png").unlink()
    edit(tmp_path, lambda t: t.replace("0003.png", "photo.jpg"))
    data = (photos / "photo.jpg").read_bytes()
    (photos / "photo.jpg").write_bytes(data[: len(data) // 2])
    code, error = run()
    assert code == 2
    assert "photo.jpg" in error
    assert "truncated" in error


def test_a_path_that_leaves_the_folder(run, photos, tmp_path) -> None:
    edit(tmp_path, lambda t: t.replace("0003.png", "../../secret.png"))
    Image.new("RGB", (64, 64)).save(tmp_path / "secret.png")
    code, error = run()
    assert code == 2
    assert "../../secret.png" in error


def test_faults_of_the_table_are_named_at_once_with_their_rows(run, tmp_path) -> None:
    def spoil(table):
        table.loc[0, "rating"] = "lovely"
        table.loc[1, "rating"] = ""
        table.loc[2, "rating"] = "inf"
        return pd.concat([table, table.iloc[[5]]])

    edit(tmp_path, spoil)
    code, error = run()
    assert code == 2
    for words in ("line 2", "lovely", "line 3", "line 4", "inf", "line 14", "first on line 7"):
        assert words in error, words


def test_constant_ratings_and_too_few_images(run, tmp_path) -> None:
    edit(tmp_path, lambda t: t.assign(rating=5))
    assert "same mean rating" in run()[1]
    edit(tmp_path, lambda t: t.assign(rating=range(len(t))).iloc[:5])
    code, error = run("--unrated", "ignore")
    assert code == 2
    assert "at least 7" in error


@pytest.mark.parametrize(
    ("options", "backbones", "words"),
    [
        ((), "vgg15", "the nearest: vgg1"),
        (("--layer", f"{MINI}=features.82"), MINI, "features.28"),
        (("--metrics", "cosin"), MINI, "cosine"),
        (("--device", "tpu9"), MINI, "auto, cpu, cuda"),
        (("--weights", f"{MINI}=absent.safetensors"), MINI, r"absent\.safetensors"),
        (("--layer", "features.28"), MINI, "expected NAME=VALUE"),
        (("--layer", "vgg61=features.1"), MINI, "is not a backbone of this study"),
        (("--column", "rating=mos"), MINI, "mos"),
    ],
)
def test_unknown_names_get_the_nearest_right_ones(run, options, backbones, words) -> None:
    import re

    code, error = run(*options, backbones=backbones)
    assert code == 2
    assert re.search(words, error), error


def test_weights_that_do_not_fit_list_the_keys(run, tmp_path, shared) -> None:
    weights = shared / "weights" / "squeezenet1_0.safetensors"
    name = "torchvision:squeezenet1_1"
    code, error = run("--weights", f"{name}={weights}", backbones=name)
    assert code == 2
    assert "features." in error


def test_an_output_folder_with_another_study_is_left_alone(run, tmp_path) -> None:
    assert run()[0] == 0
    before = (tmp_path / "out" / "predictions.csv").read_bytes()
    code, error = run("--seed", "2")
    assert code == 2
    assert "holds another study" in error
    assert "--force" in error
    assert (tmp_path / "out" / "predictions.csv").read_bytes() == before


def test_no_room_to_write_is_said_and_the_next_run_goes_on(run, tmp_path, monkeypatch) -> None:
    import errno

    real = os.fsync

    def full(descriptor):
        if (tmp_path / "out" / "heads").is_dir():
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    code, error = run()
    assert code == 1
    assert "no room left on the disk" in error
    monkeypatch.undo()
    assert run()[0] == 0


def test_layers_fit_on_a_screen_and_mark_the_one_that_is_taken(capsys) -> None:
    assert main(["layers", "vgg16"]) == 0
    shown, left_out = capsys.readouterr()
    lines = shown.splitlines()
    assert len(lines) <= 21
    assert [line.split()[0] for line in lines if "recommended" in line] == ["features.28"]
    assert "see them with --all" in left_out
    assert main(["layers", "torchvision:squeezenet1_0", "--all"]) == 0
    shown, left_out = capsys.readouterr()
    assert "features.0 " in shown
    assert [line.split()[0] for line in shown.splitlines() if "recommended" in line] == [
        "features.12.expand3x3"
    ]
    assert not left_out
