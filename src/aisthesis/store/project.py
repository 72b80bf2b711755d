"""Where a study's files are: relative to its folder while they lie in one project with it.

The project is the folder that holds the study's folder, or the one above; it may be moved or
copied as a whole. Where a study's folder is moved alone, what it named relatively is looked for
where it was when the study was last run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aisthesis.config import PROPERTIES
from aisthesis.store.permitted import folder_of

__all__ = [
    "HEADER",
    "absolute_by_name",
    "is_the_folders_own",
    "same_place",
    "seen_from",
    "settled",
    "weights_aside",
]

#: First line of a study file that a run has written.
HEADER = "# Written by `aisthesis` into its study's folder, to which these paths are relative.\n"

_PATHS = ("images", "ratings", "masks", "weights_dir", "judgments", "image_list", "split")
_NO_FILES = ("default", "random")


def seen_from(values: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Give a study's keys with the paths of its project relative to its folder.

    Parameters
    ----------
    values : mapping
        Keys of a study file with absolute paths.
    root : Path
        The study's folder, absolute.
    """
    # A property's study lies in the folder `properties` of the study that it is a part of.
    whole = root.parent.parent if root.parent.name == PROPERTIES else root
    near = [folder for folder in (whole.parent, whole.parent.parent) if _may_be_a_project(folder)]

    def relative(_name: str, path: str) -> str:
        inside = any(Path(path).is_relative_to(folder) for folder in near)
        return Path(os.path.relpath(path, root)).as_posix() if inside else path

    return {**_each_path(values, relative), "out": "."}


def settled(values: Mapping[str, Any], root: Path, last: Any) -> dict[str, Any]:
    """Give the keys of a study file that lies in its folder with absolute paths.

    Parameters
    ----------
    values : mapping
        Keys of the study file, unchecked.
    root : Path
        The study's folder: `out`, whatever the file says.
    last : mapping
        Where the files were when the study was last run, as `absolute_by_name` gave it; anything
        else is no help.
    """
    root = root.absolute()

    def absolute(name: str, path: str) -> str:
        if path.startswith("~") or Path(path).is_absolute():
            return path
        here = os.path.normpath(root / path)
        held = last.get(name) if isinstance(last, Mapping) else None
        # A folder that is reached through a link has another parent than its name says.
        for one in (here, os.path.normpath(root.resolve() / path), held):
            if isinstance(one, str) and Path(one).is_absolute() and _there(one):
                return one
        return here

    return {**_each_path(values, absolute), "out": str(root)}


def absolute_by_name(values: Mapping[str, Any]) -> dict[str, str]:
    """Every path of a study by the name of what it leads to."""
    found: dict[str, str] = {}

    def note(name: str, path: str) -> str:
        found[name] = path
        return path

    _each_path(values, note)
    return found


def same_place(held: Any, asked: Any) -> bool:
    """Whether two paths (or lists of them) may be one: the held one is, or is there no more.

    What lies there is compared by its digest.
    """
    if held == asked:
        return True
    if isinstance(held, list) and isinstance(asked, list) and len(held) == len(asked):
        return all(map(same_place, held, asked))
    if isinstance(held, dict) and isinstance(asked, dict) and list(held) == list(asked):
        return all(same_place(one, asked[name]) for name, one in held.items())
    if not (isinstance(held, str) and isinstance(asked, str)) or {held, asked} & {*_NO_FILES}:
        return False
    if not _there(asked):
        return False
    return not _there(held) or Path(held).samefile(asked)


def weights_aside(backbones: Any) -> tuple[Any, Any]:
    """Split backbones into what they are and where their weights lie."""
    if not isinstance(backbones, list) or not all(isinstance(one, dict) for one in backbones):
        return backbones, None
    what = [{key: v for key, v in one.items() if key != "weights"} for one in backbones]
    return what, [one.get("weights") for one in backbones]


def is_the_folders_own(file: Path) -> bool:
    """Whether a run has written this study file, and not its reader for a run."""
    if folder_of(file) is not None:
        return True
    with file.open("rb") as opened:
        return opened.readline(len(HEADER)) == HEADER.encode()


def _there(path: str) -> bool:
    """Whether anything lies under a path, which may be one that no file system takes."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for some of those


def _may_be_a_project(folder: Path) -> bool:
    """Whether files under a folder may be moved with it: not a root or what holds homes."""
    homes = {Path.home(), *Path.home().parents} if os.environ.get("HOME") else set()
    return len(folder.parts) > 1 and folder not in homes


def _each_path(values: Mapping[str, Any], change: Callable[[str, str], str]) -> dict[str, Any]:
    """Change every path among a study's keys; what is no text is left for others to refuse."""
    changed = dict(values)
    for key in _PATHS:
        if key in values:
            changed[key] = _changed(key, values[key], change)
    looked = values.get("human_maps")
    if isinstance(looked, dict) and isinstance(looked.get("path"), str):
        changed["human_maps"] = {**looked, "path": change("human_maps", looked["path"])}
    elif isinstance(looked, str):
        changed["human_maps"] = change("human_maps", looked)
    backbones = values.get("backbones")
    if isinstance(backbones, list):
        changed["backbones"] = [
            {**one, "weights": change(f"weights {number}", one["weights"])}
            if isinstance(one, dict)
            and isinstance(one.get("weights"), str)
            and one["weights"] not in _NO_FILES
            else one
            for number, one in enumerate(backbones)
        ]
    return changed


def _changed(name: str, held: Any, change: Callable[[str, str], str]) -> Any:
    """Change a path, each of several, or those of each property."""
    if isinstance(held, str):
        return change(name, held)
    if isinstance(held, list):
        return [_changed(f"{name} {number}", one, change) for number, one in enumerate(held)]
    if isinstance(held, dict):
        return {key: _changed(f"{name} {key}", one, change) for key, one in held.items()}
    return held
