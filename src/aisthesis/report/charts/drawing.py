"""One drawing for the page and for files: SVG whose colours are those of the page's theme.

In a page its letters are text and its colours follow the theme. A file is the same drawing with
its letters as outlines and the light theme's colours inside, so that it needs nothing else.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from textwrap import wrap
from typing import Any

from markupsafe import Markup, escape
from PIL import Image

from aisthesis.report.charts.axis import Axis, tick_text
from aisthesis.report.charts.letters import Outlines, text_width

__all__ = ["AN_INCH", "SMALL", "TEXT", "WIDTH", "Drawing", "mixed_colours", "sheet"]

WIDTH = 480.0  # units of a drawing of full width
AN_INCH = 120.0  # units: so the letters are of 6 to 7 points on paper
TEXT, SMALL = 12.0, 10.5
_ENLARGED = 1.2  # units in pixels of the page, where there is room
_MARGIN, _LEAST = 10.0, 330.0  # of a sheet
_MIX = re.compile(r"\bmix-([0-9a-f]{6})-([0-9a-f]{6})\b")
#: Marks that stay apart for readers with any common colour deficiency, and in grey.
_SHAPES = (
    "m-4.8 0a4.8 4.8 0 1 0 9.6 0a4.8 4.8 0 1 0-9.6 0", "m0-6l6 6l-6 6l-6-6",
    "m-4.2-4.2h8.4v8.4h-8.4",
    "m0-5.2l5.4 9.6h-10.8", "m0 5.2l5.4-9.6h-10.8",
    "m-1.7-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3", "m-4.8-1.6h9.6v3.2h-9.6",
)  # fmt: skip


@dataclass(frozen=True)
class _Text:
    said: str
    x: float
    y: float
    kind: str
    size: float
    anchor: str
    turned: float

    @property
    def svg(self) -> str:
        turn = f' transform="rotate({_n(self.turned)} {_n(self.x)} {_n(self.y)})"'
        anchored = "" if self.anchor == "start" else f' text-anchor="{self.anchor}"'
        return (
            f'<text class="t {self.kind}" x="{_n(self.x)}" y="{_n(self.y)}" '
            f'font-size="{_n(self.size)}"{anchored}{turn if self.turned else ""}>'
            f"{escape(self.said)}</text>"
        )

    def outlined(self, outlines: Outlines) -> str:
        width = text_width(self.said, self.size)
        before = {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        turn = f" rotate({_n(self.turned)})" if self.turned else ""
        scale = f"{self.size / 1000:.5g}"
        return (
            f'<g class="t {self.kind}" transform="translate({_n(self.x)} {_n(self.y)}){turn} '
            f'translate({_n(-before)} 0) scale({scale})">{outlines.text(self.said)}</g>'
        )


class Drawing:
    """Shapes and texts on a plane of `width` units; `height` grows as the chart is laid out.

    Parameters
    ----------
    width : float
        Units, `AN_INCH` to the inch of a file.
    words : str
        The drawing for whoever does not see it.
    title : sequence of str
        What stands above it in a file; in a page its caption says that.
    """

    def __init__(self, width: float, words: str, title: Sequence[str] = ()) -> None:
        self.width, self.height, self.words, self.title = width, 0.0, words, tuple(title)
        self._parts: list[str | _Text] = []
        self._defined: dict[str, str] = {}
        self.pictures: list[tuple[Any, ...]] = []

    def add(self, tag: str, kind: str = "", said: str = "", **attributes: object) -> None:
        """Add a shape of a class of the style sheet; `said` is what a pointer over it reads."""
        own = _attributes({"class": kind, **attributes})
        self._parts.append(
            f"<{tag}{own}><title>{escape(said)}</title></{tag}>" if said else f"<{tag}{own}/>"
        )

    def path(self, kind: str, d: str) -> None:
        """Add a path."""
        self.add("path", kind, d=d)

    def rect(self, kind: str, x: float, y: float, width: float, height: float) -> None:
        """Add a rectangle; a negative width goes to the left."""
        self.add("rect", kind, x=min(x, x + width), y=y, width=abs(width), height=height)

    def mark(self, number: int, x: float, y: float) -> None:
        """Add the mark of a series, by its number."""
        shape = number % len(_SHAPES)
        self.path(f"s{shape}", f"M{_n(x)} {_n(y)}{_SHAPES[shape]}z")

    def text(
        self, x: float, y: float, said: str, kind: str = "", *, size: float = TEXT,
        anchor: str = "start", turned: float = 0.0,
    ) -> None:  # fmt: skip
        """Add a line of text, its baseline at y."""
        self._parts.append(_Text(said, x, y, kind, size, anchor, turned))

    def picture(self, image: Image.Image, x: float, y: float, width: float, height: float) -> None:
        """Add a picture, below everything else."""
        self.pictures.append((image, x, y, width, height))

    def reuse(self, name: str, markup: str, transform: str, said: str) -> None:
        """Add what the page holds once under `name`; a file gets its own copy of `markup`."""
        self._defined[name] = markup
        with self.group("", transform=transform):
            self._parts.append(f"<title>{escape(said)}</title>")
            self.add("use", href=f"#{name}")

    @contextmanager
    def group(self, words: str, **attributes: object) -> Iterator[None]:
        """Put together what is one thing, for whoever points at it or has it read."""
        named = {"role": "img", "aria-label": words} if words else {}
        self._parts.append(f"<g{_attributes({**named, **attributes})}>")
        if words:
            self._parts.append(f"<title>{escape(words)}</title>")
        yield
        self._parts.append("</g>")

    def legend(self, names: Iterable[str]) -> None:
        """Add the marks of series with their names, at the present height."""
        said = list(names)
        columns = 2 if max((text_width(one, TEXT) for one in said), default=0) < 150 else 1
        for k, one in enumerate(said):
            x, y = self.width / 2 * (k % columns), self.height + 11 + 19 * (k // columns)
            self.mark(k, x + 7, y)
            self.text(x + 20, y + 4, one)
        self.height += 19 * -(-len(said) // columns) + 8

    def grid(self, axis: Axis, top: float, bottom: float) -> None:
        """Add lines down from an axis' ticks."""
        places = (_n(axis.at(tick)) for tick in axis.ticks)
        self.path("line", "".join(f"M{x} {_n(top)}V{_n(bottom)}" for x in places))

    def below(self, axis: Axis, title: str = "") -> None:
        """Add an axis with its ticks at the present height, and what it measures."""
        y = self.height
        self.path("frame", f"M{_n(axis.start)} {_n(y)}h{_n(axis.length)}")
        step = axis.ticks[1] - axis.ticks[0] if len(axis.ticks) > 1 else 1.0
        for tick in axis.ticks:
            said = tick_text(tick, step)
            self.text(axis.at(tick), y + 15, said, size=SMALL, anchor="middle")
        self.height += 20
        if title:
            self.text(axis.start, self.height + 13, title, size=SMALL)
            self.height += 20

    def place(self, other: Drawing, x: float, y: float) -> None:
        """Add another drawing."""
        self._parts += [f'<g transform="translate({_n(x)} {_n(y)})">', *other._parts, "</g>"]
        self._defined |= other._defined
        self.pictures += [(image, x + a, y + b, *size) for image, a, b, *size in other.pictures]

    def svg(self) -> Markup:
        """The drawing for a page, which has the style sheet and what is used by its name."""
        body = self._images + "".join(
            part if isinstance(part, str) else part.svg for part in self._parts
        )
        kind = "drawing wide" if self.width > 400 else "drawing"
        size = f'width="{_n(_ENLARGED * self.width)}" height="{_n(_ENLARGED * self.height)}"'
        view = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        label = escape(self.words)
        return Markup(
            f'<svg class="{kind}" {view} {size} role="group" aria-label="{label}">{body}</svg>'
        )

    @property
    def _images(self) -> str:
        found = ""
        for image, x, y, wide, tall in self.pictures:
            place = {"href": _png_uri(image), "x": x, "y": y, "width": wide, "height": tall}
            found += f'<image{_attributes(place)} preserveAspectRatio="none"/>'
        return found

    def file(self, *, pictures: bool = True) -> tuple[str, list[str]]:
        """The drawing as a file of its own, and lines with letters that no installed font has."""
        outlines = Outlines()
        parts = (one if isinstance(one, str) else one.outlined(outlines) for one in self._parts)
        body = "".join(parts)
        mixes = "".join(f".drawing .mix-{a}-{b}{{fill:#{a}}}" for a, b in mixed_colours(body))
        defined = "".join(self._defined.values()) + outlines.definitions
        width, height = _n(self.width), _n(self.height)
        images = self._images if pictures else ""
        text = (
            f'<svg class="drawing" width="{self.width / AN_INCH:.4f}in" '
            f'height="{self.height / AN_INCH:.4f}in" '
            f'viewBox="0 0 {width} {height}" role="group" aria-label="{escape(self.words)}">'
            f"<style>{_light_style()}{mixes}</style><defs>{defined}</defs>"
            f'<rect width="100%" height="100%" fill="#fff"/>{images}{body}</svg>\n'
        ).replace(" href=", " xlink:href=")  # as older programs want it
        spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        return text.replace("<svg ", f"<svg {spaces} ", 1), outlines.missing


def sheet(drawings: Sequence[Drawing], columns: int = 1) -> Drawing:
    """Put drawings with their titles on one sheet, row by row."""
    columns = max(1, min(columns, len(drawings)))
    step = max(one.width for one in drawings) + 2.4 * _MARGIN
    page = Drawing(
        max(columns * step - 0.4 * _MARGIN, _LEAST), "; ".join(one.words for one in drawings)
    )
    page.height = _MARGIN
    for first in range(0, len(drawings), columns):
        row = drawings[first : first + columns]
        heads = [_title_lines(one) for one in row]
        top = page.height + 15 * max(map(len, heads)) + 4
        for k, (one, lines) in enumerate(zip(row, heads, strict=True)):
            x = _MARGIN + k * step
            for n, (said, kind) in enumerate(lines):
                page.text(x, page.height + 12 + 15 * n, said, kind, size=TEXT if kind else SMALL)
            page.place(one, x, top)
        page.height = top + max(one.height for one in row) + 1.6 * _MARGIN
    return page


def _title_lines(drawing: Drawing) -> list[tuple[str, str]]:
    """Lines with their class: the first is the name, others say how to read it."""
    letters = int(drawing.width / 6.2)
    return [
        (line, "ink" if not k else "")
        for k, said in enumerate(drawing.title)
        for line in wrap(said, letters)
    ]


def mixed_colours(svg: str) -> list[tuple[str, str]]:
    """Light and dark colours, without #, of all classes `mix-LIGHT-DARK` in a drawing."""
    return sorted(set(_MIX.findall(svg)))


@cache
def _light_style() -> str:
    """The style sheet of drawings with the light theme's colours in place of its names."""
    base, own = (
        files("aisthesis.report").joinpath("static", name).read_text(encoding="utf-8")
        for name in ("base.css", "drawing.css")
    )
    light = dict(re.findall(r"--([\w-]+): light-dark\((#\w+),", base))
    return re.sub(r"var\(--([\w-]+)\)", lambda found: light[found[1]], own).replace("\n", "")


def _png_uri(picture: Image.Image) -> str:
    """A picture as a `data:` address that every program reads, to the pixel."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _n(value: float) -> str:
    """A number with two digits after the point at most."""
    return f"{round(float(value), 2) + 0.0:g}" if abs(value) < 1e4 else f"{value:.0f}"


def _attributes(given: dict[str, object]) -> str:
    said = (
        (name.strip("_").replace("_", "-"), _n(value) if isinstance(value, float) else value)
        for name, value in given.items()
        if value != ""
    )
    return "".join(f' {name}="{escape(value)}"' for name, value in said)
