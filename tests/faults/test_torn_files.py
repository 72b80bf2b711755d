"""Each kind of file of a finished study torn in turn: told by `status`, made again by `agree`."""

from __future__ import annotations

import re
import warnings

import xarray as xr

from aisthesis import Study
from aisthesis.cli.main import main

TORN = {
    "truncated": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "null": lambda content: b"null\n",
    "garbled": lambda content: bytes(255 - byte for byte in content),
}
#: Made at every report, or looked at only when something is computed: no row of status is theirs.
UNTOLD = re.compile(
    r"report\.html|figures/|cache/(embeddings|agreement|tables|zarr)|ledger/(cache|fit/)|\.lock"
)
#: Dependencies of names in which files of one kind differ.
ALIKE = re.compile(r"[0-9a-f]{16,}|\d+|(?<=miniature_vgg16/)\w+(?=/)")


def kinds_of_files(study):
    """One file of each kind that status reads."""
    found = {}
    for path in sorted(study.rglob("*")):
        name = path.relative_to(study).as_posix()
        if path.is_file() and name != "study.toml" and not UNTOLD.search(name):
            found.setdefault(ALIKE.sub("#", name), name)
    return list(found.values())


def test_status_tells_every_kind_of_torn_file(copy) -> None:
    study = Study.open(copy / "study")
    assert (study.status()["state"] == "done").all()
    untold = []
    names = kinds_of_files(copy / "study")
    assert {"provenance.json", "maps.zarr/zarr.json"} <= set(names)
    for number, name in enumerate(names):
        file = copy / "study" / name
        whole = file.read_bytes()
        # Two ways each: every way for every file would take a minute.
        for how in (list(TORN)[number % 4], list(TORN)[(number + 1) % 4]):
            file.write_bytes(TORN[how](whole))
            states = study.status()
            if (states["state"] == "done").all() and whole != file.read_bytes():
                untold.append(name)
        file.write_bytes(whole)
    assert untold == []
    assert (study.status()["state"] == "done").all()


def test_the_same_command_makes_torn_files_again(copy, finished, same_study) -> None:
    study = copy / "study"
    (study / "provenance.json").write_text("null")
    (study / "maps.zarr/zarr.json").write_text("")
    for pattern, how in (("fitted-*.npz", "truncated"), ("embeddings-*/*", "emptied")):
        for file in (study / "cache").glob(pattern):
            file.write_bytes(TORN[how](file.read_bytes()))
    states = Study.open(copy / "study").status()
    told = states[states["state"] != "done"]
    assert "damaged" in set(told["state"])
    assert {"fit", "explain"} <= set(told["stage"])
    assert main(["agree", str(copy / "study")]) == 0
    same_study(finished / "study", study)
    assert (Study.open(copy / "study").status()["state"] == "done").all()
    record = Study.open(copy / "study").folder.backbone_record("miniature:vgg16")
    assert {"weights", "seen", "ablation", "places"} <= set(record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with xr.open_zarr(study / "maps.zarr") as root:
            group = root.attrs["groups"]["miniature:vgg16"]
        with xr.open_zarr(study / "maps.zarr", group=group) as maps:
            assert maps["y"][0] > maps["y"][-1]


def test_a_lost_description_of_a_group_is_made_again(copy, finished, same_study) -> None:
    (copy / "study/maps.zarr/miniature_vgg16/zarr.json").unlink()
    assert main(["explain", str(copy / "study")]) == 0
    same_study(finished / "study", copy / "study")
