"""From the content of a report to one HTML page that needs nothing outside itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from types import CodeType
from typing import Any, ClassVar

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape

from aisthesis.report.charts.drawing import Drawing, mixed_colours
from aisthesis.report.policy import PlacedStyles, content_policy
from aisthesis.report.words.wording import count_word

__all__ = ["PLAIN_STYLES", "render_page"]

#: Of pages without an image browser.
PLAIN_STYLES = (
    "base.css", "tables.css", "drawing.css", "charts.css", "pictures.css", "alignment.css",
)  # fmt: skip
_STYLES = ("base.css", "tables.css", "drawing.css", "charts.css", "pictures.css", "browser.css")
_SCRIPTS = (
    "theme.js", "scroll.js", "alone.js", "switches.js", "matrix.js", "colour.js", "store.js",
    "order.js", "pictures.js", "strip.js", "browser.js", "dots.js",
)  # fmt: skip


class _Compiled(BytecodeCache):
    """Templates that this process has compiled: each page has an environment of its own."""

    _kept: ClassVar[dict[tuple[str, str], CodeType | None]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key, bucket.checksum] = bucket.code


def _static(name: str) -> Markup:
    """Read one of the package's own style sheets or scripts; it is trusted, so not escaped."""
    text = files("aisthesis.report").joinpath("static", name).read_text(encoding="utf-8")
    return Markup(text)


def _coded(text: str) -> Markup:
    """Escape a sentence; what stands between backticks in it is shown as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def render_page(
    content: dict[str, Any],
    template: str = "report.html.j2",
    styles: Sequence[str] = _STYLES,
    scripts: Sequence[str] = _SCRIPTS,
    *,
    photographs_beside: bool = False,
) -> str:
    """Render the report's templates, everything from the study escaped.

    Parameters
    ----------
    content : dict
        The names that the templates use; one that is missing is an error.
    template : str
        The page among the templates.
    styles, scripts : sequence of str
        Files of `static` that go into the page.
    photographs_beside : bool
        Whether the page shows files that lie beside it.

    Returns
    -------
    str
        The page; style sheets and scripts are inside it, and its policy allows no others.
    """
    environment = Environment(
        loader=PackageLoader("aisthesis.report"),
        bytecode_cache=_Compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    placed = PlacedStyles()
    own_styles = [_static(name) for name in styles]
    own_scripts = [_static(name) for name in scripts]

    def drawn(drawing: Drawing) -> Markup:
        """A drawing, once the colours of its own are among the page's styles."""
        svg = drawing.svg()
        placed.mix(mixed_colours(svg))
        return svg

    def head() -> dict[str, Any]:
        """What the head holds, once the body is written and its styles are known."""
        sheets = [*own_styles, placed.sheet]
        policy = content_policy(own_scripts, sheets, photographs_beside=photographs_beside)
        return {"styles": sheets, "policy": policy}

    environment.filters["coded"] = _coded
    environment.globals |= {
        "drawn": drawn, "count_word": count_word, "styled": placed.styled, "head": head,
    }  # fmt: skip
    return environment.get_template(template).render(**content, scripts=own_scripts)
