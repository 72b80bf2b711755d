"""What judgments need of an image folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

__all__ = ["Folder"]


class Folder(Protocol):
    """What judgments need of an image folder (`aisthesis.images.ImageFolder` is one)."""

    @property
    def root(self) -> Any:
        """Where the folder is, for messages."""

    @property
    def names(self) -> Sequence[str]:
        """All images in it, sorted."""

    def why_not(self, name: str) -> str | None:
        """Say why an image cannot be found (a verb phrase), or None if it can."""

    def listed_name(self, name: str) -> str:
        """Return the name under which `names` lists an image."""
