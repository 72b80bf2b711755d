"""Hostile names: they lead out of the folder, go round in circles, or are no images at all."""

from __future__ import annotations

import os
import socket
import unicodedata
from pathlib import Path

from PIL import Image

from aisthesis.images import ImageFolder, check_images

from .harness import Kind

Case = tuple[Path, str]


def _picture(path: Path) -> None:
    Image.new("RGB", (32, 24), (90, 120, 30)).save(path, "PNG")


def find(case: Case) -> None:
    """The way of a name in a table into a study."""
    root, name = case
    folder = ImageFolder(root)
    check_images(folder, [name])
    assert folder.path(name).resolve().is_relative_to(root.resolve())
    assert folder.load(name).size == (32, 24)


def listed(case: Case) -> None:
    """All that the folder lists can be decoded, and lies in it."""
    root, _ = case
    folder = ImageFolder(root)
    check_images(folder, folder.names)
    for name in folder.names:
        assert folder.path(name).resolve().is_relative_to(root.resolve())


def _write_leaving(root: Path) -> list[Case]:
    outside = root.parent / "beside" / "canary.png"
    _picture(outside)
    inner = root / "inner"
    inner.mkdir()
    ups = ["../beside/canary.png", "inner/../../beside/canary.png", "./../beside/canary.png"]
    ups += ["..", "../", "../..", "..\\beside\\canary.png", "inner/../..", "/", "//", "\\", "~root"]
    ups += [str(outside), f"//{outside}", f"file://{outside}", "C:\\canary.png", "C:canary.png"]
    ups += ["\\\\server\\share\\a.png", "/etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem"]
    ups += ["....//canary.png", "%2e%2e/beside/canary.png", "..\0/canary.png", "\0", "", " ", "."]
    ups += ["http://localhost/a.png", "$HOME/a.png", "`id`.png", "inner/../../inputs2/a.png"]
    links = [
        outside,
        "../beside/canary.png",
        "../../",
        "/etc/passwd",
        "/dev/zero",
        "/proc/self/exe",
    ]
    for number, target in enumerate(links):
        (root / f"link{number}.png").symlink_to(target)
    (root / "out").symlink_to(outside.parent)
    (inner / "back").symlink_to("../..")
    ups += [f"link{number}.png" for number in range(len(links))]
    ups += ["out/canary.png", "inner/back/beside/canary.png", "out/../canary.png"]
    return [(root, name) for name in ups]


def _write_no_files(root: Path) -> list[Case]:
    """Loops of links, pipes, sockets and folders under the names of images."""
    os.mkfifo(root / "pipe.png")
    (root / "folder.png").mkdir()
    (root / "self.png").symlink_to("self.png")
    (root / "a.png").symlink_to("b.png")
    (root / "b.png").symlink_to("a.png")
    (root / "deep").symlink_to(".")
    (root / "nowhere.png").symlink_to("gone.png")
    (root / "to-pipe.png").symlink_to("pipe.png")
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(root)  # the path of a socket may have 108 characters
        try:
            server.bind("socket.png")
        finally:
            os.chdir(here)
    names = ["pipe.png", "folder.png", "self.png", "a.png", "b.png", "nowhere.png", "to-pipe.png"]
    names += ["socket.png", "deep/deep/pipe.png", "deep/" * 500 + "a.png", "folder.png/a.png"]
    names += ["pipe.png/a.png", "a" * 256 + ".png", "é" * 128 + ".png", "a/" * 3000 + "a.png"]
    return [(root, name) for name in names]


def _write_odd_names(root: Path) -> list[Case]:
    """Names that a file system takes: they are images like others, or named in words."""
    names = ["a b.png", " a.png", "a\nb.png", "a\tb.png", "\x1b[31mred.png", "\u202egnp.exe.png"]
    names += ["-rf.png", "--out.png", "*.png", "?.png", "$(id).png", ";id;.png", "|.png", "'.png"]
    names += [
        '".png',
        "<script>.png",
        "&amp;.png",
        "{{7*7}}.png",
        "{x}.png",
        "%s%n.png",
        "=1+1.png",
    ]
    names += ["CON.png", "nul.png", "a\\b.png", "a:b.png", "..png", "...png", "a..png", "~.png"]
    names += [
        "x" * 251 + ".png",
        "é" * 125 + ".png",
        "😀" * 62 + ".png",
        "👩‍👩‍👧.png",
        "美しい.png",
    ]
    names += ["ﷺ.png", "\u200b.png", "\ufeff.png", "\xa0.png", "İi.png", "ß.png", "\u0301.png"]
    for name in names:
        _picture(root / name)
    cases = [(root, name) for name in names]
    for name in ("žluťoučký kůň.png", "Å.png", "한글.png"):
        _picture(root / unicodedata.normalize("NFD", name))
        cases.append((root, unicodedata.normalize("NFC", name)))
    raw = os.fsencode(root) + b"/\xff\xfe\x80.png"
    with open(raw, "wb") as file:  # noqa: PTH123 - a name that is no text
        Image.new("RGB", (32, 24)).save(file, "PNG")
    return [*cases, (root, os.fsdecode(b"\xff\xfe\x80.png")), (root, "\ud800.png")]


def _write_listings(root: Path) -> list[Case]:
    cases = []
    for number, write in enumerate((_write_no_files, _write_odd_names)):
        folder = root / str(number)
        folder.mkdir()
        write(folder)
        cases.append((folder, ""))
    deep = root / "deep"
    place = deep
    for _ in range(100):
        place = place / "d"
    place.mkdir(parents=True)
    _picture(place / "a.png")
    (place / "loop").symlink_to(deep)
    return [*cases, (deep, "")]


KINDS = [
    Kind("names and links that leave the folder", 42, "refused; names are relative to the folder",
         _write_leaving, find, expected="refused"),
    Kind("loops of links, pipes, sockets, folders, endless names", 15, "refused by name, none is "
         "waited for", _write_no_files, find, expected="refused"),
    Kind("Unicode, control characters, 255 bytes", 46, "read like others; a name that is no "
         "Unicode is refused", _write_odd_names, find),
    Kind("folders full of these", 3, "whole images are listed, the others refused by name",
         _write_listings, listed),
]  # fmt: skip
