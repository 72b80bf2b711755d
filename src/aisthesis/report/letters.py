"""Letters of every script in figures: fonts that have them, and a word on those that none has."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.text import Text

__all__ = ["fitted_letters", "on_missing_letters"]

#: Taken first where they are installed: whole scripts in one style.
_PREFERRED = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "Source Han Sans SC", "IPAexGothic",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Hiragino Sans",
    "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei", "Malgun Gothic",
    "Noto Sans", "Arial Unicode MS",
)  # fmt: skip
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_SHOWN = 3


@contextmanager
def fitted_letters(figure: Figure) -> Iterator[list[str]]:
    """Give every text of a figure the installed fonts that have its letters, while it is saved.

    Yields
    ------
    list of str
        Lines with letters that no installed font has: they are drawn as boxes. Matplotlib's own
        warnings of them are silent within.
    """
    lines = []
    for text in figure.findobj(Text):
        said = text.get_text() if isinstance(text, Text) else ""
        if not isinstance(text, Text) or said.isascii():
            continue
        missing = {sign for sign in said if unicodedata.category(sign) not in _INVISIBLE}
        missing -= _letters_of(_path(text.get_fontproperties()))
        family = []
        for name, path in _fallbacks() if missing else ():
            if missing & _letters_of(path):
                family.append(name)
                missing -= _letters_of(path)
            if not missing:
                break
        if family:
            text.set_fontfamily([*text.get_fontfamily(), *family])
        lines += [line for line in said.splitlines() if missing & set(line)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield lines


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


def _path(font: FontProperties) -> str:
    return str(fontManager.findfont(font))


@cache
def _letters_of(path: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, get_font(path).get_charmap()))
    except (OSError, RuntimeError):  # a font that cannot be read
        return frozenset()


@cache
def _fallbacks() -> tuple[tuple[str, str], ...]:
    """Names and files of installed fonts, the preferred ones first; not Matplotlib's of symbols."""
    own = Path(mpl.get_data_path())
    names = {font.name for font in fontManager.ttflist if own not in Path(font.fname).parents}
    order = {name: number for number, name in enumerate(_PREFERRED)}
    ranked = sorted(names, key=lambda name: (order.get(name, len(order)), name))
    return tuple((name, _path(FontProperties(family=[name]))) for name in ranked)
