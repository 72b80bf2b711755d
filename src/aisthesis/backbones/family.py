"""A family of networks: what stands before the colon of `timm:resnet18`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from aisthesis.backbones.recipe import Recipe
from aisthesis.errors import RequestError
from aisthesis.parts import is_entry, part

__all__ = ["Family", "own_recipe"]


@dataclass(frozen=True)
class Family:
    """Networks that are made alike, each by its name.

    Parameters
    ----------
    recipe : callable
        The name of a network, without what stands before it, and `input_px` (or None) to its
        `Recipe`. It raises a RequestError for a name that it does not know, with the nearest.
    words : str
        What its networks are, in a few words.
    """

    recipe: Callable[[str, int | None], Recipe]
    words: str = ""

    def recipe_of(self, name: str, input_px: int | None) -> Recipe:
        """Give the recipe of a network by its whole name, as the user writes it."""
        network = name.rpartition(":")[2]
        return replace(self.recipe(network, input_px), name=name)


def own_recipe(name: str, input_px: int | None) -> Recipe:
    """Give the recipe of a network of a user's own family.

    Raises
    ------
    RequestError
        If the name is that of no family, or names no network of it.
    """
    found = part("backbone", name)
    if not isinstance(found, Family):
        raise RequestError(f"{name} is no family of networks, whose layers can be looked up")
    if name.count(":") < (1 if is_entry("backbone", name) else 2):
        raise RequestError(f"{name} is a family of networks; name one of them as {name}:NETWORK")
    return found.recipe_of(name, input_px)
