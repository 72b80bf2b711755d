"""The command `check`: what is understood of a table of judgments.

Like `cli`, it imports nothing heavy before the arguments are parsed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from aisthesis.images import ImageFolder

__all__ = ["add_check"]


def add_check(commands: Any) -> None:
    """Add the command `check`."""
    what = "say what is understood of judgments: layout, raters, range, missing, ceiling"
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
        "rater=NAME, rating=A,B (several properties), layout=wide, votes=c1,c2,... (may be "
        "repeated)",
    )
    add(
        "--similarity",
        action="store_true",
        help="the judgments are of pairs or triplets, for `align`; found out for text that has the "
        "columns of these",
    )
    add("--image-list", type=Path, help="names of the images, for arrays without names")
    command.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> None:
    from aisthesis.cli.keys import columns_given
    from aisthesis.config import Columns, checked
    from aisthesis.images import ImageFolder
    from aisthesis.judgments.ratings.reading import read_ratings
    from aisthesis.judgments.ratings.understood import lines_on

    given = columns_given({}, options.column)
    folder = ImageFolder(options.images) if options.images else None
    if options.similarity or _of_pairs(options.table, given):
        _check_similarities(options, given, folder)
        return
    columns = checked(Columns, given, "--column")
    names = columns.rating if isinstance(columns.rating, tuple) else ()
    read = {}
    for name in names or (columns.rating,):
        own = columns.model_copy(update={"rating": name})
        ratings = read[str(name)] = read_ratings(
            options.table, **own.model_dump(), image_list=options.image_list, folder=folder
        )
        before = f"{name}: " if names else ""
        for line in lines_on(ratings):
            print(f"{before}{line}")
        for line in ratings.cautions:
            print(f"{before}caution: {line}")
        if folder is not None:
            print(f"{before}{_on_images(ratings.mean['image'].tolist(), folder)}")
    if names:
        print(_on_properties({name: one.mean for name, one in read.items()}))


def _on_properties(means: dict[str, pd.DataFrame]) -> str:
    """Say how many images were rated for all properties, and how their ratings go together."""
    from itertools import combinations

    from aisthesis.stats.correlation import pearson

    ratings = {name: mean.set_index("image")["rating"] for name, mean in means.items()}
    common = set.intersection(*(set(one.index) for one in ratings.values()))
    said = [f"{len(common):,} images are rated for all {len(ratings)} properties"]
    for a, b in combinations(ratings, 2):
        both = sorted(set(ratings[a].index) & set(ratings[b].index))
        r = pearson(ratings[a][both].to_numpy(float), ratings[b][both].to_numpy(float))
        said.append(f"{a} and {b} correlate with r = {float(r):.2f}" if len(both) > 2 else "")
    return "; ".join(filter(None, said))


def _of_pairs(tables: list[Path], given: dict[str, Any]) -> bool:
    """Whether a text has the columns of judged pairs or triplets."""
    from aisthesis.config import SimilarityColumns
    from aisthesis.judgments.similarity.reading import holds_pairs

    first = next(iter(sorted(tables[0].iterdir())), None) if tables[0].is_dir() else tables[0]
    known = {key: value for key, value in given.items() if key in SimilarityColumns.model_fields}
    return first is not None and holds_pairs(first, SimilarityColumns(**known))


def _check_similarities(
    options: argparse.Namespace, given: dict[str, Any], folder: ImageFolder | None
) -> None:
    from aisthesis.config import SimilarityColumns, checked
    from aisthesis.judgments.ratings.understood import lines_on_similarities
    from aisthesis.judgments.similarity.ceiling import similarity_ceiling
    from aisthesis.judgments.similarity.judgments import read_similarities

    columns = checked(SimilarityColumns, given, "--column")
    judged = read_similarities(
        options.table[0] if len(options.table) == 1 else options.table,
        folder=folder,
        image_list=options.image_list,
        columns=columns,
    )
    for line in lines_on_similarities(judged):
        print(line)
    if len(judged.subjects) > 1:
        ceiling = similarity_ceiling(judged.dissimilarity)
        print(
            "noise ceiling: an agreement with single subjects from "
            f"{ceiling.lower:.3f} to {ceiling.upper:.3f} at most"
        )
    else:
        print("no noise ceiling: it needs the judgments of several subjects")
    if folder is not None:
        print(_on_images(list(judged.names), folder, "judged"))


def _on_images(names: list[str], folder: ImageFolder, what: str = "rated") -> str:
    """Say which rated images the folder holds, and which of its images are not rated."""
    missing = [f"{name} {why}" for name in names if (why := folder.why_not(name)) is not None]
    listed = {folder.listed_name(name) for name in names}
    others = [name for name in folder.names if name not in listed]
    said = f"{len(names) - len(missing):,} of {len(names):,} {what} images are in {folder.root}"
    if missing:
        said += f"; {missing[0]}"
    if others:
        said += f"; {len(others):,} of its images are not {what} ({others[0]}"
        said += ", ...)" if len(others) > 1 else ")"
    return said
