"""A project moved, renamed, copied, or without its images: its study stays usable."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w

from aisthesis.cli.main import main
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.report.pictures.planted_pictures import planted_pictures

from .harness import listing


def again(folder: Path) -> str:
    """The command that goes on with a study of this kind."""
    return "align" if (folder / "alignment.csv").exists() else "explain"


def results(folder: Path) -> dict[str, int]:
    """When each result was written, by name: what a run that computes nothing leaves alone."""
    kept = [*folder.glob("*.csv"), *folder.glob("*.npz")]
    for part in ("maps.zarr", "ledger", "heads"):
        kept += folder.glob(f"{part}/**/*")
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in kept
        if path.is_file()
    }


def forget_where(study: Path) -> None:
    """Have the record say nothing of the session's own study, which still has its images."""
    record = json.loads((study / "provenance.json").read_text(encoding="utf-8"))
    del record["places"], record["images"]["folder"]
    (study / "provenance.json").write_text(json.dumps(record), encoding="utf-8")


def stays_usable(study: Path, capsys) -> None:
    """Status says that all is done, and a run computes nothing."""
    before = results(study)
    assert main(["status", str(study)]) == 0, capsys.readouterr().out
    assert main([again(study), str(study)]) == 0
    assert results(study) == before
    assert main(["status", str(study / "study.toml")]) == 0


@pytest.mark.usefixtures("unreported")
def test_a_moved_project_stays_usable(folder, tmp_path, capsys) -> None:
    # The fixture is a copy already: its first run names its paths anew.
    assert main([again(folder), str(folder.parent / "study.toml")]) == 0
    elsewhere = tmp_path / "far/away, renamed"
    elsewhere.parent.mkdir()
    folder.parent.rename(elsewhere)
    stays_usable(elsewhere / "study", capsys)
    keys = tomllib.loads((elsewhere / "study/study.toml").read_text(encoding="utf-8"))
    assert (keys["images"], keys["out"]) == ("../p/images", ".")


def test_a_study_moved_without_its_images_finds_them(folder, tmp_path, capsys) -> None:
    lone = tmp_path / "a/b/c/lone"
    lone.parent.mkdir(parents=True)
    folder.rename(lone)
    assert main(["status", str(lone)]) == 0, capsys.readouterr().out


@pytest.mark.usefixtures("unreported")
def test_a_copys_study_file_never_works_on_the_original(folder) -> None:
    copy = Path(shutil.copytree(folder, folder.parent / "copy"))
    old = Path(shutil.copytree(folder, folder.parent / "old"))
    # As 0.1.0 wrote it: absolute paths, the original's folder among them.
    keys = tomllib.loads((old / "study.toml").read_text(encoding="utf-8"))
    keys |= {key: str((folder / keys[key]).resolve()) for key in ("images", "out")}
    (old / "study.toml").write_text(tomli_w.dumps(keys), encoding="utf-8")
    before = listing(folder)
    for one in (copy, old):
        file, record = str(one / "study.toml"), (one / "provenance.json").stat().st_mtime_ns
        assert main([again(folder), file]) == 0
        assert main(["status", file]) == 0
        assert (one / "provenance.json").stat().st_mtime_ns > record
    assert listing(folder) == before


def test_status_and_report_work_without_the_images(folder, capsys, no_figures) -> None:
    images = folder.parent / "p/images"
    first = sorted(images.iterdir())[0]
    forget_where(folder)
    before = results(folder)
    for harm in (first.unlink, lambda: [each.unlink() for each in images.iterdir()], images.rmdir):
        harm()
        capsys.readouterr()
        assert main(["status", "--csv", str(folder)]) == 3
        table = capsys.readouterr().out.splitlines()
        told = [row for row in table[1:] if ",done," not in row]
        assert len(told) == 1
        assert told[0].startswith("images,inputs,absent,0,1,")
        assert str(images) in told[0]
    (folder / "report.html").unlink(missing_ok=True)
    assert main(["report", str(folder)]) == 0
    assert "made from what the study's folder holds" in capsys.readouterr().err
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "hotographs" in page
    assert "image folder" in page or "not there" in page or "cannot be shown" in page
    assert results(folder) == before


def test_damage_is_told_without_the_images(folder, capsys) -> None:
    shutil.rmtree(folder.parent / "p/images")
    forget_where(folder)
    chunk = next(path for path in folder.glob("maps.zarr/*/*/c/**/*") if path.is_file())
    chunk.write_bytes(b"torn")
    assert main(["status", "--csv", str(folder)]) == 3
    assert "is damaged" in capsys.readouterr().out


@pytest.mark.usefixtures("unreported")
def test_a_study_goes_on_where_its_users_file_names_the_moved_images(folder, tmp_path) -> None:
    """What was named is gone, so that digests alone say whether it is the same."""
    (folder.parent / "p").rename(folder.parent / "q")
    file = folder.parent / "study.toml"
    file.write_text(file.read_text(encoding="utf-8").replace("p/", "q/"), encoding="utf-8")
    before = results(folder)
    assert main([again(folder), str(file)]) == 0
    assert results(folder) == before


def test_a_users_own_study_file_is_not_overwritten(folder, capsys) -> None:
    file = folder.parent / "study.toml"
    keys = tomllib.loads(file.read_text(encoding="utf-8"))
    mine = folder.parent / "mine"
    mine.mkdir()
    named = {
        key: [f"../{one}" for one in held] if isinstance(held, list) else f"../{held}"
        for key, held in keys.items()
        if key in ("images", "ratings", "judgments")
    }
    text = tomli_w.dumps({**keys, **named, "out": "."})
    (mine / "study.toml").write_text(text, encoding="utf-8")
    command = "align" if again(folder) == "align" else "run"
    assert main([command, str(mine / "study.toml")]) == 2
    assert "was not written by a run" in capsys.readouterr().err
    assert [path.name for path in mine.iterdir()] == ["study.toml"]
    assert (mine / "study.toml").read_text(encoding="utf-8") == text


def test_a_report_finds_the_masks_that_a_folder_names_relatively(copy, tmp_path, monkeypatch):
    """Whatever the working folder is."""
    monkeypatch.chdir(tmp_path)
    study = copy / "study"
    file = study / "study.toml"
    keys = tomllib.loads(file.read_text(encoding="utf-8")) | {"masks": "../p/masks"}
    file.write_text(tomli_w.dumps(keys), encoding="utf-8")
    record = read_study_record(study)
    assert record.config["masks"] == str(copy / "p/masks")
    found = planted_pictures(record, Photographs(record.images_dir))
    assert found is not None
    assert found.n_raising > 0
