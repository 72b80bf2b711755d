"""The command `check`: what is understood of a table of judgments.

Like `cli`, it imports nothing heavy before the arguments are parsed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aisthesis.images import ImageFolder

__all__ = ["add_check"]


def add_check(commands: Any) -> None:
    """Add the command `check`."""
    what = "say what is understood of a table of ratings: layout, raters, range, missing, ceiling"
    command = commands.add_parser("check", help=what, description=what)
    command.add_argument(
        "table", nargs="+", type=Path, help="the table, or tables, or a folder of them"
    )
    add = command.add_argument
    add("--images", type=Path, help="folder of images, to which the names are held")
    add(
        "--column",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="how the table is read, as under [columns] of a study file: image, rating or "
        "rater=NAME, layout=wide, votes=c1,c2,... (may be repeated)",
    )
    add("--image-list", type=Path, help="names of the images, for arrays without names")
    command.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> None:
    from aisthesis.cli import columns_given
    from aisthesis.config import Columns, checked
    from aisthesis.images import ImageFolder
    from aisthesis.judgments import read_ratings
    from aisthesis.judgments.understood import lines_on

    columns = checked(Columns, columns_given({}, options.column), "--column")
    folder = ImageFolder(options.images) if options.images else None
    ratings = read_ratings(
        options.table, **columns.model_dump(), image_list=options.image_list, folder=folder
    )
    for line in lines_on(ratings):
        print(line)
    for line in ratings.cautions:
        print(f"caution: {line}")
    if folder is not None:
        print(_on_images(ratings.mean["image"].tolist(), folder))


def _on_images(names: list[str], folder: ImageFolder) -> str:
    """Say which rated images the folder holds, and which of its images are not rated."""
    missing = [f"{name} {why}" for name in names if (why := folder.why_not(name)) is not None]
    listed = {folder.listed_name(name) for name in names}
    others = [name for name in folder.names if name not in listed]
    said = f"{len(names) - len(missing):,} of {len(names):,} rated images are in {folder.root}"
    if missing:
        said += f"; {missing[0]}"
    if others:
        said += f"; {len(others):,} of its images are not rated ({others[0]}"
        said += ", ...)" if len(others) > 1 else ")"
    return said
