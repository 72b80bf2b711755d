"""Drawings as files: PNG and SVG, with the data behind them as CSV."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from aisthesis.errors import AisthesisError
from aisthesis.report.charts.drawing import AN_INCH, Drawing, sheet
from aisthesis.store.files import plain_errors, write_csv
from aisthesis.store.whole import whole_file

__all__ = ["drawn_png", "save_figure"]

DPI = 300
_SVG_AN_INCH = 96
#: Drawn by a process that loads nothing else: resvg keeps this one's other threads waiting.
_DRAW = (
    "import sys, resvg_py; sys.stdout.buffer.write(bytes(resvg_py.svg_to_bytes("
    "svg_string=sys.stdin.buffer.read().decode(), zoom=float(sys.argv[1]), dpi=96, "
    "skip_system_fonts=True, image_rendering='optimize_speed', background='#fff')))"
)
_AFTER_HEADER = 33  # bytes of a PNG's signature and of its first chunk


def save_figure(
    drawings: Sequence[Drawing], data: pd.DataFrame, path: Path, columns: int = 1
) -> list[str]:
    """Write drawings on one sheet as PNG and SVG, and their data as CSV, each whole or not at all.

    Parameters
    ----------
    drawings : sequence of Drawing
        One or more, from left to right and from top to bottom.
    data : pandas.DataFrame
        Every number that they show.
    path : Path
        Where, without an ending.
    columns : int
        Drawings beside each other.

    Returns
    -------
    list of str
        Lines with letters that no installed font has: boxes stand for these.
    """
    with plain_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    page = sheet(drawings, columns)
    svg, missing = page.file()
    _write(path.with_name(f"{path.name}.svg"), svg.encode("utf-8"))
    _write(path.with_name(f"{path.name}.png"), drawn_png(page))
    write_csv(path.with_name(f"{path.name}.csv"), data)
    return missing


def drawn_png(drawing: Drawing, dpi: int | None = None, software: str = "aisthesis") -> bytes:
    """Draw as PNG, at `DPI` by default, which the file says with its maker."""
    dots = dpi or DPI
    svg, _ = drawing.file(pictures=False)
    command = [sys.executable, "-c", _DRAW, str(dots / _SVG_AN_INCH)]
    done = subprocess.run(command, input=svg.encode("utf-8"), capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise AisthesisError(f"cannot draw {drawing.words}: {said[-1] if said else 'no reason'}")
    png = done.stdout
    if drawing.pictures:
        png = _with_pictures(png, drawing, dots / AN_INCH)
    a_metre = round(dots / 0.0254)
    facts = _chunk(b"tEXt", b"Software\0" + software.encode("latin-1"))
    facts += _chunk(b"pHYs", struct.pack(">IIB", a_metre, a_metre, 1))
    return png[:_AFTER_HEADER] + facts + png[_AFTER_HEADER:]


def _with_pictures(png: bytes, drawing: Drawing, scale: float) -> bytes:
    """Put the pictures where they stand: Pillow is several times faster at these."""
    ground = Image.open(io.BytesIO(png)).convert("RGB")
    for image, x, y, wide, tall in drawing.pictures:
        left, top = round(scale * x), round(scale * y)
        size = round(scale * (x + wide)) - left, round(scale * (y + tall)) - top
        ground.paste(image.resize(size, Image.Resampling.BILINEAR).convert("RGB"), (left, top))
    buffer = io.BytesIO()
    # For runs alone: quicker than the usual search, and photographs take no more room.
    ground.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _write(path: Path, content: bytes) -> None:
    with plain_errors(path), whole_file(path) as partial:
        partial.write_bytes(content)
