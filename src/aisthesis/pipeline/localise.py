"""Where a study has masks of the evidence: do the maps find it?"""

from __future__ import annotations

import pandas as pd

from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of, write_csv
from aisthesis.faithfulness import load_masks, localisation_table
from aisthesis.images import Transform
from aisthesis.pipeline.agree import mapped_labels
from aisthesis.pipeline.methods import mean_maps, method_keys, open_methods, stored_methods

__all__ = ["localise_backbones", "localise_key"]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 2


def localise_key(folder: StudyFolder, config: StudyConfig) -> str:
    """Digest of all that the stage's result depends on, but for the masks' bytes."""
    return digest_of(
        _CODE, method_keys(folder, config), str(config.masks), config.bootstrap, config.seed
    )


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
            # The centre prior is among the controls of every map.
            methods = [n for n in stored_methods(folder, config, label) if n != "centre_prior"]
            with open_methods(folder, label, methods) as arrays:
                names = [str(name) for name in arrays["image"].values]
                maps = {kind: mean_maps(arrays[kind]) for kind in (*methods, "activation")}
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
