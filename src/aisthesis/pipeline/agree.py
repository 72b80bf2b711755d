"""From maps to tables of how far the backbones agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from aisthesis.agreement import (
    cluster_backbones,
    consensus,
    same_rating_other_evidence,
    same_side,
    summarise,
)
from aisthesis.agreement.baseline import baseline_table
from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.pairs import compare, pair_table
from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of, write_csv
from aisthesis.engine.maps_store import group_key, open_maps
from aisthesis.pipeline.columns import TABLES, in_columns
from aisthesis.pipeline.inference import MAP_KINDS, infer
from aisthesis.pipeline.stored import StoredMaps

__all__ = ["agree_backbones", "agree_key", "mapped_labels"]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 4


def mapped_labels(folder: StudyFolder, config: StudyConfig) -> list[str]:
    """Labels of the backbones that have maps, in the study's order."""
    return [b.label for b in config.backbones if group_key(folder.maps, b.label)]


def agree_key(folder: StudyFolder, config: StudyConfig) -> str:
    """Digest of all that the stage's result depends on."""
    maps = [(b.label, group_key(folder.maps, b.label)) for b in config.backbones]
    options = (config.metrics, config.bootstrap, config.inference_images, config.seed)
    return digest_of(_CODE, maps, *options)


def agree_backbones(folder: StudyFolder, config: StudyConfig, narrator: Narrator) -> None:
    """Compare every pair of backbones on every explained image; write the agreement tables.

    Maps are averaged over seeds in rating units at the layer's resolution before they are
    upsampled, z-scored and compared. Tables of pairs have no rows with fewer than two backbones.
    """
    labels = mapped_labels(folder, config)
    if len(labels) < 2:
        narrator.say("fewer than two backbones have maps: there is no agreement to measure")
    tables: dict[str, pd.DataFrame] = {}
    if labels:
        with _opened(folder, labels) as datasets:
            compared = _compare(datasets, config, narrator)
            inferred = infer(datasets, config, narrator)
        predicted = _Predicted.of(folder, labels, compared.names)
        tables = _tables(compared, predicted, config)
        tables |= inferred.others
        if len(labels) > 1:
            tables["agreement"] = tables["agreement"].merge(
                inferred.pairs, on=["map", "metric", "backbone_a", "backbone_b"], how="left"
            )
    for name in TABLES:
        write_csv(getattr(folder, name), in_columns(name, tables.get(name)))


@contextmanager
def _opened(folder: StudyFolder, labels: Sequence[str]) -> Iterator[dict[str, xr.Dataset]]:
    with ExitStack() as stack:
        yield {label: stack.enter_context(open_maps(folder.maps, label)) for label in labels}


@dataclass(frozen=True)
class _Compared:
    """Values image by image: of pairs of backbones, and of each with its layer's activation."""

    names: list[str]
    pairs: pd.DataFrame
    baselines: pd.DataFrame


def _compare(
    datasets: Mapping[str, xr.Dataset], config: StudyConfig, narrator: Narrator
) -> _Compared:
    """Compare both kinds of maps and the activations in one pass over the images."""
    labels = list(datasets)
    names = [str(name) for name in datasets[labels[0]]["image"].values]
    maps = {(kind, one): StoredMaps(datasets[one][kind]) for kind in MAP_KINDS for one in labels}
    maps |= {("activation", one): StoredMaps(datasets[one]["activation"]) for one in labels}
    pairs = list(combinations(labels, 2))
    asked = {kind: [((kind, a), (kind, b)) for a, b in pairs] for kind in MAP_KINDS}
    base = {kind: [((kind, one), ("activation", one)) for one in labels] for kind in MAP_KINDS}
    every = [pair for kind in MAP_KINDS for pair in (*asked[kind], *base[kind])]
    with narrator.steps(f"agreement: {len(every)} comparisons an image", len(names)) as advance:
        done = 0

        def progress(position: int, total: int) -> None:
            nonlocal done
            advance(position - done)
            done = position

        values = compare(maps, every, config.metrics, progress=progress)
    metrics = [one.name for one in metrics_named(config.metrics)]
    image = np.array(names, dtype=object)
    tables: dict[str, list[pd.DataFrame]] = {"pairs": [], "baselines": []}
    start = 0
    for kind in MAP_KINDS:
        middle, end = start + len(pairs), start + len(pairs) + len(labels)
        of_pairs = pair_table(values[..., start:middle], metrics, pairs)
        of_activation = baseline_table(values[..., middle:end], metrics, labels)
        for key, table in (("pairs", of_pairs), ("baselines", of_activation)):
            named = table.assign(image=image[table["image"]])
            named.insert(1, "map", kind)
            tables[key].append(named)
        start = end
    joined = {key: pd.concat(parts, ignore_index=True) for key, parts in tables.items()}
    return _Compared(names, joined["pairs"], joined["baselines"])


@dataclass(frozen=True)
class _Predicted:
    """What the backbones with maps predict for the explained images, averaged over seeds."""

    names: list[str]
    rating: pd.Series  # by image
    prediction: pd.DataFrame  # image x backbone

    @classmethod
    def of(cls, folder: StudyFolder, labels: list[str], names: list[str]) -> _Predicted:
        table = pd.read_csv(folder.predictions, dtype={"image": str, "seed": str})
        table = table[(table["seed"] != "mean") & table["backbone"].isin(labels)]
        rating = table.groupby("image", sort=False)["rating"].first().reindex(names)
        by_backbone = table.groupby(["image", "backbone"], sort=False)["prediction"].mean()
        prediction = by_backbone.unstack("backbone").reindex(index=names, columns=labels)
        return cls(names, rating, prediction)

    def sides(self) -> pd.DataFrame:
        """On which images each pair's heads err on the same side of the human rating."""
        residual = self.prediction.sub(self.rating, axis=0)
        sides = same_side({str(label): residual[label].to_numpy() for label in residual})
        sides["image"] = np.array(self.names, dtype=object)[sides["image"]]
        return sides

    def by_image(self) -> pd.DataFrame:
        """Rating, and mean and SD over backbones of the prediction, by image."""
        return pd.DataFrame(
            {
                "rating": self.rating,
                "prediction": self.prediction.mean(axis=1),
                "prediction_sd": self.prediction.std(axis=1, ddof=1),
            }
        )


def _tables(
    compared: _Compared, predicted: _Predicted, config: StudyConfig
) -> dict[str, pd.DataFrame]:
    """Summarise what was compared image by image, over images and over pairs."""
    draws: dict[str, Any] = {"seed": config.seed, "n_boot": config.bootstrap}
    tables = {"baselines": summarise(compared.baselines, **draws)}
    if compared.pairs.empty:
        return tables
    images = consensus(compared.pairs).merge(
        predicted.by_image(), left_on="image", right_index=True, how="left"
    )
    return tables | {
        "agreement_images": compared.pairs,
        "agreement": summarise(compared.pairs, sides=predicted.sides(), **draws),
        "clusters": cluster_backbones(compared.pairs, **draws),
        "images": images.assign(same_rating_other_evidence=same_rating_other_evidence(images)),
    }
