"""Mean ratings from numbers of votes for each point of a scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from aisthesis.judgments.files.cells import image_name, is_missing, number_or_nan, plain_number
from aisthesis.judgments.files.faults import Faults
from aisthesis.judgments.files.table import Table
from aisthesis.judgments.ratings.layout import Layout

__all__ = ["counted", "read_votes"]


def read_votes(table: Table, layout: Layout, faults: Faults) -> pd.DataFrame:
    """Mean rating, SD and number of votes of every image.

    Returns
    -------
    DataFrame
        `image`, `rating`, `sd` (with n - 1), `n_raters` (missing where shares stand for numbers).
    """
    places = [table.index(column) for column in layout.values]
    image = table.index(layout.image)
    names, rows = [], []
    first: dict[str, int] = {}
    for row in table.rows:
        if len(row.cells) <= max(*places, image):
            faults.add("a row of the wrong length", row.line, f"{len(row.cells)} cells")
            continue
        name, cells = image_name(row.cells[image]), [row.cells[place] for place in places]
        if not name:
            faults.add("the image's name is missing", row.line)
        if name in first:
            faults.add("an image twice", row.line, f"{name!r}, first on line {first[name]}")
        wrong = [c for c in cells if not is_missing(c) and not plain_number(c)]
        if wrong:
            faults.add("text instead of a number of votes", row.line, repr(wrong[0]))
        first.setdefault(name, row.line)
        votes = np.nan_to_num(np.array(list(map(number_or_nan, cells))))
        if (votes < 0).any():
            faults.add("a number of votes below zero", row.line)
        elif not wrong and votes.sum() <= 0:
            faults.add("an image without votes", row.line)
        names.append(name)
        rows.append(votes)
    faults.refuse_any()
    return counted(names, np.array(rows), layout.scale)


def counted(names: Sequence[str], votes: np.ndarray, scale: Sequence[float]) -> pd.DataFrame:
    """Mean, SD and number of votes, from counts (images, points of the scale) or their shares."""
    points = np.asarray(scale, dtype=np.float64)
    total = votes.sum(1)
    mean = votes @ points / total
    squares = (votes * (points - mean[:, None]) ** 2).sum(1)
    whole = bool((votes % 1 == 0).all())
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(squares / (total - 1)) if whole else np.sqrt(squares / total)
    table = pd.DataFrame({"image": list(names), "rating": mean})
    table["sd"] = np.where(total > 1, sd, np.nan) if whole else sd
    n = [int(value) for value in total] if whole else [pd.NA] * len(total)
    table["n_raters"] = pd.array(n, dtype="Int64")
    return table
