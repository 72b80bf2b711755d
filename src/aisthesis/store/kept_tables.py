"""Tables of one backbone, kept while a study grows by others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from aisthesis.names.labels import slug
from aisthesis.store.files import plain_errors, write_text
from aisthesis.store.folder import StudyFolder
from aisthesis.store.ledger import Dependencies

__all__ = ["KeptTables"]


@dataclass(frozen=True)
class KeptTables:
    """What a stage gives for one backbone, in the study's `cache/`, with all digits.

    Attributes
    ----------
    folder : StudyFolder
    stage, label : str
        Whose tables they are.
    dependencies : mapping
        All that they depend on.
    names : tuple of str
        The tables' names.
    """

    folder: StudyFolder
    stage: str
    label: str
    dependencies: Dependencies
    names: tuple[str, ...]

    @property
    def done(self) -> bool:
        """Whether the tables are there for what they depend on, and whole."""
        return self.folder.ledger.state(self._entry, self.dependencies).done

    def keep(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write the tables, then enter them into the ledger."""
        with plain_errors(self.folder.cache):
            self.folder.cache.mkdir(exist_ok=True)
        for name in self.names:
            write_text(self._file(name), json.dumps(tables[name].to_dict("list")))
        self.folder.ledger.enter(self._entry, self.dependencies, map(self._file, self.names))

    def read(self) -> dict[str, pd.DataFrame]:
        """Read the tables that are kept."""
        return {
            name: pd.DataFrame(json.loads(self._file(name).read_text(encoding="utf-8")))
            for name in self.names
        }

    @property
    def _entry(self) -> str:
        return f"cache/{self.stage}/{slug(self.label)}"

    def _file(self, name: str) -> Path:
        return self.folder.cache / f"tables-{self.stage}-{slug(self.label)}-{name}.json"
