"""A page that runs and draws nothing but what was put into it: its Content-Security-Policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from markupsafe import Markup

__all__ = ["PlacedStyles", "content_policy"]


class PlacedStyles:
    """Places and colours of single elements as classes of one style sheet.

    A policy cannot allow some `style` attributes and forbid others but by a hash for each; a style
    sheet has one hash, whatever it holds.
    """

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._mixes: set[tuple[str, str]] = set()

    def styled(self, declarations: str) -> str:
        """Give the class that has these CSS declarations, made of the page's own numbers only.

        Raises
        ------
        ValueError
            If they would end the rule or the sheet.
        """
        if not set(declarations).isdisjoint("{}<>\\@"):
            raise ValueError(f"expected CSS declarations of one element, got {declarations!r}")
        return self._classes.setdefault(str(declarations), f"y{len(self._classes)}")

    def mix(self, colours: Iterable[tuple[str, str]]) -> None:
        """Add classes `mix-LIGHT-DARK` of drawings, given without #."""
        self._mixes.update(colours)

    @property
    def sheet(self) -> Markup:
        """The style sheet of all classes that were given."""
        rules = [f":root .{name}{{{css}}}" for css, name in self._classes.items()]
        rules += [
            f".drawing .mix-{a}-{b}{{fill:light-dark(#{a},#{b})}}" for a, b in sorted(self._mixes)
        ]
        return Markup("\n".join(rules))


def content_policy(
    scripts: Sequence[str], styles: Sequence[str], *, photographs_beside: bool = False
) -> str:
    """Say what a page may run and load: its own inline parts by their SHA-256, and data: images.

    Parameters
    ----------
    scripts, styles : sequence of str
        What stands between the tags, to the byte.
    photographs_beside : bool
        Allow images beside the page too: from its own server, or from this disk if it was opened
        from there. A policy knows no folders on a disk.

    Returns
    -------
    str
        For a `meta` element that comes before them all.
    """
    images = "data: 'self' file:" if photographs_beside else "data:"
    directives = {
        "default-src": "'none'",
        "script-src": _hashes(scripts),
        "style-src": _hashes(styles),
        "img-src": images,
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {allowed}" for name, allowed in directives.items())


def _hashes(parts: Sequence[str]) -> str:
    digests = (hashlib.sha256(part.encode("utf-8")).digest() for part in parts)
    return " ".join(f"'sha256-{base64.b64encode(one).decode('ascii')}'" for one in digests)
