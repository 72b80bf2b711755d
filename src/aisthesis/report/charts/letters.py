"""Texts as outlines, from fonts that have their letters, and a word on letters that none has."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

__all__ = ["Outlines", "on_missing_letters", "shortened", "text_width"]

#: Taken first where they are installed: whole scripts in one style.
_PREFERRED = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "Source Han Sans SC", "IPAexGothic",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Hiragino Sans",
    "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic",
    "Noto Sans", "Arial Unicode MS",
)  # fmt: skip
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})
_EM = 1000  # outlines are in thousandths of the size of the type
_SHOWN = 3
#: A font's file is read at one place at a time, and figures are drawn by several threads.
_READING = Lock()


class Outlines:
    """Letters as outlines, each once, so that a drawing looks alike wherever it is opened.

    Attributes
    ----------
    missing : list of str
        Texts with letters that no installed font has: boxes stand for these.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self.missing: list[str] = []

    def text(self, said: str) -> str:
        """Uses of the letters of one line, its baseline at zero, `_EM` units to the size."""
        uses, place = [], 0
        for sign in _visible(said):
            path = _font_of(sign)
            if not path and said not in self.missing:
                self.missing.append(said)
            outline, advance = _glyph(path or _own(), sign)
            if outline:
                number = self._numbers.setdefault((path, sign), len(self._numbers))
                uses.append(f'<use href="#g{number}" x="{place}"/>')
            place += advance
        return "".join(uses)

    @property
    def definitions(self) -> str:
        """Every letter that was used."""
        return "".join(
            f'<path id="g{number}" d="{_glyph(path or _own(), sign)[0]}"/>'
            for (path, sign), number in self._numbers.items()
        )


def text_width(said: str, size: float) -> float:
    """Width of a line, in units of its size."""
    own = _own()
    return sum(_glyph(_font_of(s) or own, s)[1] for s in _visible(said)) * size / _EM


def shortened(said: str, width: float, size: float) -> str:
    """A line that fits a width: its end gives way to an ellipsis."""
    if text_width(said, size) <= width:
        return said
    while said and text_width(f"{said}…", size) > width:
        said = said[:-1]
    return f"{said}…"


def on_missing_letters(lines: Iterable[str]) -> str:
    """Say which lines of figures are drawn as boxes; empty where none is."""
    found = list(dict.fromkeys(line.strip() for line in lines))
    if not found:
        return ""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return (
        f"no installed font has all letters of {', '.join(found[:_SHOWN])}{more}: boxes stand for "
        "them in the figures; install a font that has them (Noto Sans CJK, say) and make them again"
    )


def _visible(said: str) -> str:
    return "".join(sign for sign in said if unicodedata.category(sign) not in _INVISIBLE)


@cache
def _own() -> str:
    """The font that comes with Matplotlib, which is there wherever this package is."""
    return str(_matplotlib() / "fonts" / "ttf" / "DejaVuSans.ttf")


@cache
def _matplotlib() -> Path:
    """Folder of Matplotlib's data, found without the half second of importing Matplotlib."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
    return Path(found.origin).with_name("mpl-data")


def _font_of(sign: str) -> str:
    """File of the font that a letter is taken from; empty where none has it."""
    if sign in _letters_of(_own()) or sign.isspace():
        return _own()
    return next((path for _, path in _fallbacks() if sign in _letters_of(path)), "")


@cache
def _opened(path: str) -> Any:
    from fontTools.ttLib import TTFont

    return TTFont(path, fontNumber=0, lazy=True)


@cache
def _letters_of(path: str) -> frozenset[str]:
    with _READING:
        return _read_letters(path)


def _read_letters(path: str) -> frozenset[str]:
    from fontTools.ttLib import TTLibError

    try:
        font = _opened(path)
        if not {"glyf", "CFF ", "CFF2"} & set(font.keys()):  # made of pictures
            return frozenset()
        return frozenset(map(chr, font.getBestCmap() or ()))
    except (OSError, TTLibError, AssertionError):  # a font that cannot be read
        return frozenset()


@cache
def _glyph(path: str, sign: str) -> tuple[str, int]:
    """Outline of a letter and how far the next one is; a box where the font lacks it."""
    with _READING:
        return _read_glyph(path, sign)


def _read_glyph(path: str, sign: str) -> tuple[str, int]:
    from fontTools.pens.svgPathPen import SVGPathPen
    from fontTools.pens.transformPen import TransformPen

    font = _opened(path)
    scale = _EM / font["head"].unitsPerEm
    glyphs = font.getGlyphSet()
    letter = " " if sign.isspace() else sign
    glyph = glyphs[(font.getBestCmap() or {}).get(ord(letter), ".notdef")]
    pen = SVGPathPen(glyphs, ntos=lambda value: str(round(value)))
    glyph.draw(TransformPen(pen, (scale, 0, 0, -scale, 0, 0)))
    return pen.getCommands(), round(glyph.width * scale)


@cache
def _fallbacks() -> tuple[tuple[str, str], ...]:
    """Names and files of installed fonts, the preferred ones first; not Matplotlib's of symbols."""
    from matplotlib.font_manager import FontProperties, fontManager

    own = _matplotlib()
    names = {font.name for font in fontManager.ttflist if own not in Path(font.fname).parents}
    order = {name: number for number, name in enumerate(_PREFERRED)}
    ranked = sorted(names, key=lambda name: (order.get(name, len(order)), name))
    return tuple(
        (name, str(fontManager.findfont(FontProperties(family=[name])))) for name in ranked
    )
