"""Where the evidence for several properties of the same images lies: tables that compare them.

Within each network the maps for two properties are compared as those of two networks are: image by
image, beside chance, reliability across seeds, and the ratings themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from aisthesis.agreement import same_side, summarise
from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.pairs import compare, pair_table
from aisthesis.config import SIZE, StudyConfig
from aisthesis.execution.progress import Prefixed, ProgressReporter
from aisthesis.names.explainers import BASE
from aisthesis.parts import part_keys
from aisthesis.provenance.code import code_dependencies
from aisthesis.stats import corrected
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.tables import read_csv
from aisthesis.studies.ratings.comparing.agree import mapped_labels
from aisthesis.studies.ratings.comparing.inference import infer
from aisthesis.studies.ratings.comparing.methods import maps_dependencies, open_methods
from aisthesis.studies.ratings.comparing.predicted import Predicted
from aisthesis.studies.ratings.comparing.stored import StoredMaps
from aisthesis.studies.ratings.properties.tables import AGREEMENT, correlations, differences
from aisthesis.studies.shared.stage import Stage, table_stage

__all__ = ["OneProperty", "by_property", "properties_stage"]

_OF_SIZE = "evidence_place"
_PAIR = ["backbone_a", "backbone_b"]


@dataclass(frozen=True)
class OneProperty:
    """The finished study of one property."""

    name: str
    folder: StudyFolder
    config: StudyConfig


def by_property(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put a table of each property into one whose first column is ``property``."""
    parts = []
    for name, table in tables.items():
        named = table.copy()
        named.insert(0, "property", name)
        parts.append(named)
    return pd.concat(parts, ignore_index=True)


def properties_stage(
    folder: StudyFolder,
    config: StudyConfig,
    compared: Sequence[OneProperty],
    reporter: ProgressReporter,
) -> Stage:
    """Give the stage that compares the properties of a study."""
    return table_stage(
        "properties",
        folder,
        reporter,
        dependencies=lambda: _parts(config, compared),
        files=folder.of_properties,
        work=lambda executor: _compare(folder, config, compared, reporter),
        after=("fit", "explain", "agree"),
        of="all properties",
    )


def _parts(config: StudyConfig, compared: Sequence[OneProperty]) -> dict[str, str]:
    """What the stage's tables depend on, by name."""
    options = (part_keys("metric", config.metrics), config.bootstrap, config.inference_images)
    parts = {
        "order of the properties": digest_of([one.name for one in compared]),
        "options of the comparison": digest_of(options, config.seed),
        **code_dependencies("the comparison of properties", __name__),
    }
    for one in compared:
        ledger = one.folder.ledger
        parts[f"heads of {one.name}"] = digest_of(dict(ledger.dependencies("fit")))
        parts[f"agreement of {one.name}"] = digest_of(dict(ledger.dependencies("agree")))
        own = maps_dependencies(one.folder, one.config)
        parts |= {f"{part} for {one.name}": value for part, value in own.items()}
    return parts


def _compare(
    folder: StudyFolder,
    config: StudyConfig,
    compared: Sequence[OneProperty],
    reporter: ProgressReporter,
) -> None:
    """Write the tables that compare properties."""
    predictions = {one.name: read_csv(one.folder.predictions) for one in compared}
    ceilings = {one.name: one.folder.provenance().get("ratings") or {} for one in compared}
    write_csv(folder.properties, correlations(predictions, ceilings, config))
    ratings = pd.DataFrame(
        {name: table.groupby("image")["rating"].first() for name, table in predictions.items()}
    )
    common = set(ratings.dropna().index.astype(str))
    tables, values = [], []
    for label in mapped_labels(compared[0].folder, config):
        if not all(label in mapped_labels(one.folder, one.config) for one in compared):
            continue
        found = _of_backbone(label, compared, config, common, Prefixed(reporter, label))
        if found is None:
            reporter.say(f"{label}: fewer than two explained images are rated for all properties")
            continue
        tables.append(found[0].assign(backbone=label))
        values.append(found[1].assign(backbone=label))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=AGREEMENT)
    for _, group in table.groupby(["map", "metric"], sort=False):
        table.loc[group.index, "p_corrected"] = corrected(group["p"].astype(float))
    write_csv(folder.properties_agreement, table.reindex(columns=AGREEMENT))
    columns = ["image", "backbone", "map", "metric", "property_a", "property_b", "value"]
    images = pd.concat(values, ignore_index=True) if values else pd.DataFrame(columns=columns)
    write_csv(folder.properties_images, images[columns])
    between = {one.name: read_csv(one.folder.agreement_images) for one in compared}
    write_csv(folder.properties_differences, differences(images, between, config))


def _of_backbone(
    label: str,
    compared: Sequence[OneProperty],
    config: StudyConfig,
    common: set[str],
    reporter: ProgressReporter,
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Agreement of one network's maps for every two properties: a summary, and image by image.

    None where fewer than two explained images were rated for all properties.
    """
    with ExitStack() as stack:
        opened = {
            one.name: stack.enter_context(open_methods(one.folder, label, BASE)) for one in compared
        }
        names = [str(name) for name in next(iter(opened.values()))["image"].values]
        kept = np.array([place for place, name in enumerate(names) if name in common], dtype=int)
        if len(kept) < 2:
            return None
        names = [names[place] for place in kept]
        datasets = {name: _some(arrays, kept) for name, arrays in opened.items()}
        predicted = {one.name: Predicted.of(one.folder, [label], names) for one in compared}
        errors = {name: one.errors[label] for name, one in predicted.items()}
        values = _values(datasets, config, names)
        inferred = infer(datasets, config, reporter, [SIZE], errors).pairs
        activation = _with_activation(datasets, config)
    residuals = {name: one.prediction[label] - one.rating for name, one in predicted.items()}
    sides = same_side(residuals)
    sides["image"] = np.array(names, dtype=object)[sides["image"]]
    table = summarise(values, sides=sides, seed=config.seed, n_boot=config.bootstrap)
    keys = ["map", "metric", *_PAIR]
    table = table.merge(inferred, on=keys, how="left").merge(activation, on=keys, how="left")
    called = {"backbone_a": "property_a", "backbone_b": "property_b"}
    return table.rename(columns=called), values.rename(columns=called)


def _some(arrays: Mapping[str, xr.DataArray], kept: NDArray[np.int_]) -> dict[str, xr.DataArray]:
    """Maps of some images, with how much each place matters beside which way it does."""
    some = {name: arrays[name].isel(image=kept) for name in (*BASE, "activation")}
    return some | {SIZE: abs(some[_OF_SIZE].mean("seed"))}


def _kinds() -> tuple[str, ...]:
    return (*BASE, SIZE)


def _values(
    datasets: Mapping[str, Mapping[str, xr.DataArray]], config: StudyConfig, names: Sequence[str]
) -> pd.DataFrame:
    """Agreement of every two properties' maps of every kind, image by image."""
    pairs = list(combinations(datasets, 2))
    stacks = {(k, p): StoredMaps(one[k]) for p, one in datasets.items() for k in _kinds()}
    wanted = [((kind, a), (kind, b)) for kind in _kinds() for a, b in pairs]
    values = compare(stacks, wanted, config.metrics)
    metrics = [one.name for one in metrics_named(config.metrics)]
    tables = []
    for place, kind in enumerate(_kinds()):
        own = values[..., place * len(pairs) : (place + 1) * len(pairs)]
        table = pair_table(own, metrics, pairs, np.array(names, dtype=object))
        table.insert(1, "map", kind)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _with_activation(
    datasets: Mapping[str, Mapping[str, xr.DataArray]], config: StudyConfig
) -> pd.DataFrame:
    """Mean agreement of each property's maps with the layer's mean activation, pair by pair."""
    stacks: dict[Any, StoredMaps] = {
        (kind, name): StoredMaps(one[kind]) for name, one in datasets.items() for kind in _kinds()
    }
    first = next(iter(datasets.values()))
    stacks["activation"] = StoredMaps(first["activation"])
    keys = [key for key in stacks if key != "activation"]
    values = compare(stacks, [(key, "activation") for key in keys], config.metrics)
    found = {}
    for place, one in enumerate(metrics_named(config.metrics)):
        for number, key in enumerate(keys):
            own = values[:, place, number]
            known = own[np.isfinite(own)]
            found[(one.name, *key)] = float(known.mean()) if len(known) else np.nan
    rows = [
        {"map": kind, "metric": metric.name, "backbone_a": a, "backbone_b": b,
         "activation_a": found[metric.name, kind, a], "activation_b": found[metric.name, kind, b]}
        for kind in _kinds()
        for metric in metrics_named(config.metrics)
        for a, b in combinations(datasets, 2)
    ]  # fmt: skip
    return pd.DataFrame(rows)
