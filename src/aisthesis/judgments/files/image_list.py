"""Names of images in the order of values that carry none."""

from __future__ import annotations

from pathlib import Path

from aisthesis.errors import RequestError
from aisthesis.judgments.files.cells import image_name
from aisthesis.judgments.files.table import read_table

__all__ = ["read_image_list"]


def read_image_list(path: Path) -> list[str]:
    """Names of images in order: one a line, or a table with the column `image`.

    Raises
    ------
    RequestError
        If the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the list of images {path} cannot be read: {error}") from None
    header = [cell.strip() for cell in lines[0].split(",")] if lines else []
    if "image" in header:
        table = read_table(path, ("image",))
        place = table.index("image")
        return [image_name(row.cells[place]) for row in table.rows]
    return [image_name(line.strip()) for line in lines if line.strip()]
