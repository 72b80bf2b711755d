"""What the folder of a study of several properties holds, read once for its report."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from aisthesis.config import StudyConfig, property_configs
from aisthesis.errors import RequestError
from aisthesis.names.explainers import BASE
from aisthesis.report.folder.stored_maps import BackboneMaps, read_backbone_maps
from aisthesis.store.folder import StudyFolder
from aisthesis.store.tables import read_csv

__all__ = ["PropertiesRecord", "read_properties_record"]


@dataclass(frozen=True)
class PropertiesRecord:
    """A finished study of several properties.

    Attributes
    ----------
    path
        Its folder.
    config
        Its settings; `properties` are the names.
    provenance
        `provenance.json`.
    correlations, agreement, images, differences
        `properties.csv`, `properties_agreement.csv`, `properties_images.csv`,
        `properties_differences.csv`.
    folders
        Folder of each property's study, by name.
    """

    path: Path
    config: StudyConfig
    provenance: dict[str, Any]
    correlations: pd.DataFrame
    agreement: pd.DataFrame
    images: pd.DataFrame
    differences: pd.DataFrame
    folders: dict[str, StudyFolder]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Every two properties."""
        return list(combinations(self.folders, 2))

    @property
    def labels(self) -> list[str]:
        """Networks whose maps were compared."""
        return list(dict.fromkeys(self.agreement["backbone"]))

    @cached_property
    def maps(self) -> dict[str, dict[str, BackboneMaps]]:
        """Maps by property and network."""
        return {
            name: read_backbone_maps(folder.maps, self.labels, BASE)
            for name, folder in self.folders.items()
        }

    @property
    def images_dir(self) -> Path | None:
        """Folder of the photographs, or None where it is not there any more."""
        return self.config.images if self.config.images.is_dir() else None


def read_properties_record(path: Path, *, follow_links: bool = False) -> PropertiesRecord:
    """Read what the report needs from a study folder.

    Raises
    ------
    RequestError
        If a table is missing or cannot be read.
    """
    folder = StudyFolder(path, follow_links=follow_links)
    config = folder.config()
    if not isinstance(config, StudyConfig) or not config.properties:
        raise RequestError(f"{path} holds no study of several properties")
    tables = []
    for file in folder.of_properties:
        if not file.is_file():
            raise RequestError(f"{file} is not there yet; run `aisthesis agree {path}` first")
        tables.append(read_csv(file))
    correlations, agreement, images, differences = tables
    configs = property_configs(config).items()
    folders = {name: StudyFolder(own.out, follow_links=follow_links) for name, own in configs}
    return PropertiesRecord(
        path, config, folder.provenance(), correlations, agreement, images, differences, folders
    )
