"""From the content of a report to one HTML page that needs nothing outside itself."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aisthesis.report.dots import tick_text
from aisthesis.report.wording import count_word

__all__ = ["render_page"]

_STYLES = ("base.css", "tables.css", "charts.css", "pictures.css", "browser.css")
_SCRIPTS = (
    "theme.js", "switches.js", "matrix.js", "colour.js", "store.js", "order.js", "pictures.js",
    "strip.js", "browser.js",
)  # fmt: skip


def _static(name: str) -> Markup:
    """Read one of the package's own style sheets or scripts; it is trusted, so not escaped."""
    text = files("aisthesis.report").joinpath("static", name).read_text(encoding="utf-8")
    return Markup(text)


def render_page(
    content: dict[str, Any],
    template: str = "report.html.j2",
    styles: Sequence[str] = _STYLES,
    scripts: Sequence[str] = _SCRIPTS,
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

    Returns
    -------
    str
        The page; style sheets and scripts are inside it.
    """
    environment = Environment(
        loader=PackageLoader("aisthesis.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"tick_text": tick_text, "count_word": count_word}
    return environment.get_template(template).render(
        **content,
        styles=[_static(name) for name in styles],
        scripts=[_static(name) for name in scripts],
    )
