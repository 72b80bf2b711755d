"""From maps to tables of how far the backbones agree."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement import pair_values, same_side, summarise
from aisthesis.agreement.metrics import metrics_named
from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of, write_csv
from aisthesis.engine.maps_store import group_key, open_maps

__all__ = ["agree_backbones", "agree_key", "mapped_labels"]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 1
MAP_KINDS = ("ais", "evidence")

_IMAGE_COLUMNS = ["image", "map", "metric", "backbone_a", "backbone_b", "value"]


def mapped_labels(folder: StudyFolder, config: StudyConfig) -> list[str]:
    """Labels of the backbones that have maps, in the study's order."""
    return [b.label for b in config.backbones if group_key(folder.maps, b.label)]


def agree_key(folder: StudyFolder, config: StudyConfig) -> str:
    """Digest of all that the stage's result depends on."""
    maps = [(b.label, group_key(folder.maps, b.label)) for b in config.backbones]
    return digest_of(_CODE, maps, config.metrics, config.bootstrap, config.seed)


def agree_backbones(folder: StudyFolder, config: StudyConfig, narrator: Narrator) -> None:
    """Compare every pair of backbones on every explained image; write the agreement tables.

    Maps are averaged over seeds in rating units at the layer's resolution before they are
    upsampled, z-scored and compared. With fewer than two backbones the tables have no rows.
    """
    metrics_named(config.metrics)
    labels = mapped_labels(folder, config)
    if len(labels) < 2:
        narrator.say("fewer than two backbones have maps: there is no agreement to measure")
        write_csv(folder.agreement_images, pd.DataFrame(columns=_IMAGE_COLUMNS))
        write_csv(folder.agreement, summarise_nothing())
        return
    names, sides = _sides(folder, labels)
    values, summaries = [], []
    n_pairs = len(list(combinations(labels, 2)))
    for kind in MAP_KINDS:
        stacks = {label: _mean_maps(folder, label, kind) for label in labels}
        with narrator.steps(f"{kind}: {n_pairs} pairs", len(names)) as advance:
            done = 0

            def progress(position: int, total: int) -> None:
                nonlocal done
                advance(position - done)
                done = position

            table = pair_values(stacks, metrics=config.metrics, progress=progress)
        summary = summarise(table, seed=config.seed, n_boot=config.bootstrap, sides=sides)
        values.append(table.assign(map=kind, image=np.array(names, dtype=object)[table["image"]]))
        summary.insert(0, "map", kind)
        summaries.append(summary)
    write_csv(folder.agreement_images, pd.concat(values, ignore_index=True)[_IMAGE_COLUMNS])
    write_csv(folder.agreement, pd.concat(summaries, ignore_index=True))


def summarise_nothing() -> pd.DataFrame:
    """Give the summary's columns without a row."""
    columns = "map metric backbone_a backbone_b mean std median min max n n_undefined low high"
    return pd.DataFrame(columns=columns.split())


def _mean_maps(folder: StudyFolder, label: str, kind: str) -> NDArray[np.float64]:
    with open_maps(folder.maps, label) as dataset:
        return dataset[kind].values.astype(np.float64).mean(0)


def _sides(folder: StudyFolder, labels: list[str]) -> tuple[list[str], pd.DataFrame]:
    """Names of the explained images, and on which each pair's heads err on the same side."""
    with open_maps(folder.maps, labels[0]) as dataset:
        names = [str(name) for name in dataset["image"].values]
    table = pd.read_csv(folder.predictions, dtype={"image": str, "seed": str}, na_filter=True)
    table = table[table["seed"] != "mean"]
    mean = table.groupby(["backbone", "image"], sort=False)[["prediction", "rating"]].mean()
    residual = mean["prediction"] - mean["rating"]
    residuals = {label: residual[label].reindex(names).to_numpy() for label in labels}
    return names, same_side(residuals)
