"""What the folder of an alignment study holds, read once."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.names.labels import slug
from aisthesis.report.folder.record import FolderRecord, read_settings, read_table
from aisthesis.report.folder.stored_maps import (
    BackboneMaps,
    CropBox,
    crop_boxes,
    read_backbone_maps,
)
from aisthesis.store.maps_store import group_key, open_maps

__all__ = ["AlignmentRecord", "read_alignment_record"]

_TABLES = ("alignment", "channels", "images", "validation", "retention_curve")


@dataclass(frozen=True)
class AlignmentRecord(FolderRecord):
    """One finished study of similarity judgments, as its folder tells it.

    Attributes
    ----------
    tables : dict of str to DataFrame
        `alignment`, `channels`, `images`, `validation`, `retention_curve`.
    images : tuple of N str
    human : (N, N)
        Mean dissimilarity; NaN where nobody judged a pair.
    network, retained : dict of str to (N, N)
        By backbone.
    maps : dict of str to BackboneMaps
    """

    tables: dict[str, pd.DataFrame]
    images: tuple[str, ...]
    human: NDArray[np.float64]
    network: dict[str, NDArray[np.float64]]
    retained: dict[str, NDArray[np.float64]]
    maps: dict[str, BackboneMaps]

    @property
    def labels(self) -> list[str]:
        """Backbones, in the order of the study."""
        return self.tables["alignment"]["backbone"].tolist()

    def of(self, table: str, label: str) -> pd.DataFrame:
        """Rows of a table that belong to a backbone."""
        rows = self.tables[table]
        return rows[rows["backbone"] == label]

    def importance(self, label: str) -> NDArray[np.float32] | None:
        """Importance of each channel in each image, (N, C), where it is stored."""
        store = self.path / "maps.zarr"
        if group_key(store, label) is None:
            return None
        with open_maps(store, label) as dataset:
            return dataset["importance"].values

    def pair_maps(
        self, label: str, pair: tuple[int, int]
    ) -> tuple[NDArray[np.float64], tuple[CropBox | None, ...]] | None:
        """What in each of two images makes the backbone find them alike, (2, h, w), and where.

        None where that is not stored: it is for images that are each other's partner.
        """
        store = self.path / "maps.zarr"
        if group_key(store, label) is None:
            return None
        with open_maps(store, label) as dataset:
            if "pair_place" not in dataset or "partner" not in dataset.coords:
                return None
            chosen = dataset.isel(image=list(pair))
            if [str(name) for name in chosen["partner"].values] != [
                self.images[k] for k in reversed(pair)
            ]:
                return None
            values = chosen["pair_place"].transpose("image", "y", "x").to_numpy()
            return values.astype(np.float64), crop_boxes(chosen, 2)


def read_alignment_record(path: Path) -> AlignmentRecord:
    """Read what the report needs from a study folder.

    Raises
    ------
    RequestError
        If a file is missing or cannot be read.
    """
    tables = {name: read_table(path / f"{name}.csv", ()) for name in _TABLES}
    try:
        with np.load(path / "dissimilarities.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RequestError(
            f"{path} holds no finished study of similarity judgments ({error}); run "
            "`aisthesis align` again"
        ) from None
    labels = tables["alignment"]["backbone"].tolist()
    config, provenance = read_settings(path)
    return AlignmentRecord(
        path=path,
        config=config,
        provenance=provenance,
        tables=tables,
        images=tuple(str(name) for name in arrays["images"]),
        human=arrays["human"],
        network={label: arrays[f"{slug(label)}.network"] for label in labels},
        retained={label: arrays[f"{slug(label)}.retained"] for label in labels},
        maps=read_backbone_maps(path / "maps.zarr", labels, ("alignment", "alignment_place")),
    )
