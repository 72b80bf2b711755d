"""The table that `aisthesis backbones` prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aisthesis.backbones.known import KNOWN
from aisthesis.backbones.official import find_official

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BackboneRow", "backbone_cells", "backbone_rows", "backbone_table"]


@dataclass(frozen=True)
class BackboneRow:
    """One of the seven backbones, as declared.

    Parameters
    ----------
    name, network : str
        Its name and torchvision's name of its network.
    layer : str or None
        Layer that is explained by default; None: prediction only.
    map_shape : tuple of int or None
        (C, h, w) of that layer's output.
    embedding_dim, input_px, n_parameters : int
        Size of the embedding, side of the crop, parameters without the classifier.
    weights_url : str
        Where the official file comes from.
    weights_file : str
        The file's name in a `weights_dir`.
    weights_path : pathlib.Path or None
        Where it is on this disk; None: nowhere that was looked at.
    note : str
        What its user should know.
    """

    name: str
    network: str
    layer: str | None
    map_shape: tuple[int, int, int] | None
    embedding_dim: int
    input_px: int
    n_parameters: int
    weights_url: str
    weights_file: str
    weights_path: Path | None
    note: str


def backbone_rows(weights_dir: str | Path | None = None) -> list[BackboneRow]:
    """Give one row for each of the seven backbones; no network is built and no file is read.

    Parameters
    ----------
    weights_dir : path, optional
        A folder of official files, looked at before the torch hub cache.
    """
    return [
        BackboneRow(
            name=known.name,
            network=known.network,
            layer=known.layer,
            map_shape=known.map_shape,
            embedding_dim=known.embedding_dim,
            input_px=known.input_px,
            n_parameters=known.n_parameters,
            weights_url=known.weights.url,
            weights_file=known.weights.file_name,
            weights_path=find_official(known.weights, weights_dir),
            note=known.note,
        )
        for known in KNOWN.values()
    ]


def backbone_cells(weights_dir: str | Path | None = None) -> list[dict[str, str | int]]:
    """Give `backbone_rows` as cells to print, by column; all but the whole numbers are text.

    Parameters
    ----------
    weights_dir : path, optional
        A folder of official files, looked at before the torch hub cache.
    """
    return [
        {
            "name": row.name,
            "layer": row.layer or "none: prediction only",
            "map shape": " × ".join(map(str, row.map_shape)) if row.map_shape else "",
            "embedding": row.embedding_dim,
            "input px": row.input_px,
            "parameters": row.n_parameters,
            "weights from": row.weights_url,
            "on this disk": str(row.weights_path or "no"),
            "note": row.note,
        }
        for row in backbone_rows(weights_dir)
    ]


def backbone_table(weights_dir: str | Path | None = None) -> pd.DataFrame:
    """Give `backbone_cells` as a table.

    Parameters
    ----------
    weights_dir : path, optional
        A folder of official files, looked at before the torch hub cache.

    Returns
    -------
    pandas.DataFrame
        Columns `name, layer, map shape, embedding, input px, parameters, weights from,
        on this disk, note`.
    """
    import pandas as pd

    return pd.DataFrame(backbone_cells(weights_dir))
