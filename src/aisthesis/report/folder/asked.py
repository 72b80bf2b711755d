"""What a study asks for now: its folder may still hold what it asked for once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aisthesis.names.explainers import BASE, CONTROLS, EXPLAINERS, FORMER

__all__ = ["Asked"]

_METHODS = ("map", "method", "method_a", "method_b")


@dataclass(frozen=True)
class Asked:
    """What of a study's tables and maps its `study.toml` asks for.

    Attributes
    ----------
    explainers : tuple of str or None
        Names beside `BASE`; None where the file does not say, and nothing is left out.
    masks, human_maps, faithfulness : bool
        Whether maps are scored against masks, against people, and tested on their networks.
    backbones : tuple of str or None
        Labels; None where the file names none.
    """

    explainers: tuple[str, ...] | None
    masks: bool
    human_maps: bool
    faithfulness: bool
    backbones: tuple[str, ...] | None

    @classmethod
    def by(cls, config: Mapping[str, Any]) -> Asked:
        """Read it from the keys of `study.toml`, in which every default is filled in."""
        named = config.get("explainers")
        others = (
            None
            if named is None
            else tuple(FORMER.get(name, name) for name in named if name not in BASE)
        )
        images = (config.get("faithfulness") or {}).get("images")
        tested = bool(images) if images is not None else others != ()
        labels = [each.get("label") or each.get("name") for each in config.get("backbones") or ()]
        scored = bool(config.get("masks")), bool(config.get("human_maps"))
        return cls(others, *scored, tested, tuple(map(str, labels)) or None)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Explainers whose maps are not shown, though the folder may hold them."""
        if self.explainers is None:
            return ()
        return tuple(n for n in EXPLAINERS if n not in BASE and n not in self.explainers)

    def rows(self, table: pd.DataFrame, *, controls: bool = False) -> pd.DataFrame:
        """Rows of a table that are of asked explainers; with `controls`, of controls too."""
        table = _as_named_now(table)
        gone = [name for name in self.left_out if not (controls and name in CONTROLS)]
        columns = [name for name in _METHODS if name in table.columns]
        if not gone or not columns or table.empty:
            return table
        asked = ~table[columns].isin(gone).any(axis=1)
        return table if asked.all() else table[asked].reset_index(drop=True)


def _as_named_now(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table of a study of before 0.2 with what its methods are called now."""
    columns = [name for name in _METHODS if name in table and table[name].isin(FORMER).any()]
    return table.assign(
        **{name: table[name].map(lambda one: FORMER.get(one, one)) for name in columns}
    )
