"""From the content of a report to one HTML page that needs nothing outside itself."""

from __future__ import annotations

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


def render_page(content: dict[str, Any]) -> str:
    """Render the report's templates, everything from the study escaped.

    Parameters
    ----------
    content : dict
        The names that the templates use; one that is missing is an error.

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
    return environment.get_template("report.html.j2").render(
        **content,
        styles=[_static(name) for name in _STYLES],
        scripts=[_static(name) for name in _SCRIPTS],
    )
