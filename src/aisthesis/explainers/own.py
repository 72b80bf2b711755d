"""An explainer of the user's own, which travels and is stored by its name and identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aisthesis.ablation.modes import contiguous_weights
from aisthesis.errors import RequestError
from aisthesis.explainers.base import Advance, ExplainedNetwork, Explainer
from aisthesis.parts import given_name, identity_of, own_name, part

__all__ = ["OwnExplainer", "own_explainer"]

_NEEDED = ("name", "title", "words", "signed", "control", "grid", "passes", "__call__")


@dataclass(frozen=True)
class OwnExplainer:
    """Another explainer by where it is found, so that its maps go stale with its source.

    Attributes
    ----------
    reference : str
        `package.module:attribute`, or the name of an entry point.
    identity : str
        Digest of its source and of what it holds.
    """

    reference: str
    identity: str

    @property
    def name(self) -> str:
        """In study files, tables and attributes."""
        return own_name(self.reference)

    @property
    def title(self) -> str:
        """In the report."""
        return str(self._own.title)

    @property
    def words(self) -> str:
        """What its values are."""
        return str(self._own.words)

    @property
    def signed(self) -> bool:
        """Whether negative values are evidence for a lower rating."""
        return bool(self._own.signed)

    @property
    def control(self) -> bool:
        """Whether it knows nothing of the network."""
        return bool(self._own.control)

    @property
    def _own(self) -> Explainer:
        found: Any = part("explainer", self.reference)
        lacking = [name for name in _NEEDED if not hasattr(found, name)]
        if isinstance(found, type) or lacking:
            got = f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
            what = f"without {', '.join(lacking)}" if lacking else "not an object of it"
            raise RequestError(
                f"expected {self.reference} as an explainer (see docs/howto-explainer.md), got "
                f"{got}, {what}"
            )
        if found.name != self.name:
            raise RequestError(
                f"the explainer {self.reference} is called {found.name!r}: give it the name of its "
                "attribute"
            )
        known: Explainer = found
        return known

    def grid(self, subject: ExplainedNetwork) -> tuple[int, int]:
        """Rows and columns of the maps."""
        rows, columns = self._own.grid(subject)
        return int(rows), int(columns)

    def passes(self, subject: ExplainedNetwork) -> float:
        """Expected cost of one image in forward passes."""
        return float(self._own.passes(subject))

    def __call__(
        self, subject: ExplainedNetwork, images: Tensor, *, seeds: list[int], advance: Advance
    ) -> Tensor:
        """Maps (N, rows, columns), held against what `grid` says.

        Its code may need the outputs of layers contiguous, so convolutions give them so.
        """
        with contiguous_weights(subject.model):
            maps = self._own(subject, images, seeds=seeds, advance=advance)
        expected = (len(images), *self.grid(subject))
        if not isinstance(maps, torch.Tensor) or tuple(maps.shape) != expected:
            got = tuple(maps.shape) if isinstance(maps, torch.Tensor) else type(maps).__name__
            raise RequestError(f"expected {self.name} to give maps {expected}, got {got}")
        return maps.detach()


def own_explainer(given: Any) -> OwnExplainer:
    """Take an explainer by its name, or as the object itself."""
    name = given if isinstance(given, str) else given_name("explainer", given)
    one = OwnExplainer(name, identity_of("explainer", name))
    return one
