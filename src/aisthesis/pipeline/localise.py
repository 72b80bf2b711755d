"""Where a study has masks of the evidence: do the maps find it?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of, write_csv
from aisthesis.engine.maps_store import group_key, open_maps
from aisthesis.faithfulness import load_masks, localisation_table
from aisthesis.images import Transform
from aisthesis.pipeline.agree import mapped_labels

__all__ = ["localise_backbones", "localise_key"]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 1


def localise_key(folder: StudyFolder, config: StudyConfig) -> str:
    """Digest of all that the stage's result depends on, but for the masks' bytes."""
    maps = [(b.label, group_key(folder.maps, b.label)) for b in config.backbones]
    return digest_of(_CODE, maps, str(config.masks), config.bootstrap, config.seed)


def localise_backbones(folder: StudyFolder, config: StudyConfig, narrator: Narrator) -> None:
    """Score every backbone's maps against the masks and write `localisation.csv`.

    The masks are in `raising/` and `lowering/` of the study's `masks` folder, one an image.

    Raises
    ------
    RequestError
        If masks are missing or cannot be read; all of them are named.
    """
    if config.masks is None:
        return
    labels = mapped_labels(folder, config)
    records = folder.provenance()["backbones"]
    tables = []
    with narrator.steps("localisation", len(labels)) as advance:
        for label in labels:
            with open_maps(folder.maps, label) as dataset:
                names = [str(name) for name in dataset["image"].values]
                maps = {
                    kind: dataset[kind].values.astype(np.float64).mean(0)
                    for kind in ("ais", "evidence")
                }
                maps["activation"] = dataset["activation"].values
            transform = Transform(**records[label]["transform"])
            raising, lowering = (
                load_masks(config.masks / side, names, transform)
                for side in ("raising", "lowering")
            )
            tables.append(
                localisation_table(
                    label,
                    maps,
                    raising,
                    lowering,
                    n_resamples=config.bootstrap,
                    seed=config.seed,
                )
            )
            advance(1)
    if tables:
        write_csv(folder.localisation, pd.concat(tables, ignore_index=True))
