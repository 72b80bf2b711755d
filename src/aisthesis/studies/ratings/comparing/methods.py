"""Stored maps of every method, and how far the methods agree on one backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import combinations

import numpy as np
import pandas as pd
import xarray as xr

from aisthesis.agreement import summarise
from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.pairs import compare
from aisthesis.agreement.summary import ByImage
from aisthesis.config import StudyConfig
from aisthesis.execution.progress import ProgressReporter
from aisthesis.names.explainers import BASE, CONTROLS, EXPLAINERS, called_in_tables
from aisthesis.parts import part_keys
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.maps_store import group_key, open_maps
from aisthesis.studies.ratings.comparing.columns import in_columns
from aisthesis.studies.ratings.comparing.stored import StoredMaps
from aisthesis.studies.ratings.explaining.explainers import methods_root

__all__ = [
    "compare_methods",
    "is_control",
    "maps_dependencies",
    "method_keys",
    "methods_dependencies",
    "open_methods",
    "stored_methods",
]


def stored_methods(folder: StudyFolder, config: StudyConfig, label: str) -> list[str]:
    """Methods that a backbone has maps of and the study asks for, in the study's order."""
    root = methods_root(folder, label)
    others = [name for name in called_in_tables(config.explainers) if name not in BASE]
    return [*BASE, *(name for name in others if group_key(root, name) is not None)]


def method_keys(folder: StudyFolder, config: StudyConfig) -> dict[str, dict[str, str | None]]:
    """Keys of all stored maps, by backbone and method, for the digests of later stages."""
    found: dict[str, dict[str, str | None]] = {}
    for backbone in config.backbones:
        own = group_key(folder.maps, backbone.label)
        if own is None:
            continue
        root = methods_root(folder, backbone.label)
        names = [n for n in stored_methods(folder, config, backbone.label) if n not in BASE]
        keys = {name: group_key(root, name) for name in names}
        found[backbone.label] = {"": own, **keys}
    return found


def is_control(folder: StudyFolder, label: str, method: str) -> bool:
    """Whether stored maps know nothing of the network, by what is stored of them."""
    if method in EXPLAINERS:
        return method in CONTROLS
    with open_maps(methods_root(folder, label), method) as dataset:
        return bool(dataset.attrs.get("control"))


@contextmanager
def open_methods(
    folder: StudyFolder, label: str, methods: Sequence[str]
) -> Iterator[dict[str, xr.DataArray]]:
    """Open a backbone's maps lazily: an array a method, `activation`, and `image`, the names.

    Kinds of `BASE` are (seed, image, y, x), all others (image, y, x).
    """
    with ExitStack() as stack:
        own = stack.enter_context(open_maps(folder.maps, label))
        arrays = {name: own[name] for name in (*BASE, "activation", "image")}
        root = methods_root(folder, label)
        for name in methods:
            if name not in BASE:
                arrays[name] = stack.enter_context(open_maps(root, name))[name]
        yield arrays


def maps_dependencies(
    folder: StudyFolder, config: StudyConfig, only: str | None = None
) -> dict[str, str]:
    """What work on stored maps depends on: the key of every backbone's maps by each method.

    Their order is a part too: pairs of backbones are stored by their places in it. `only` names
    the one backbone that the work is on.
    """
    found = method_keys(folder, config)
    parts = {"order of the backbones": digest_of(list(found))} if only is None else {}
    for label, keys in found.items():
        if only not in (None, label):
            continue
        for method, key in keys.items():
            parts[f"maps of {label}{' by ' if method else ''}{method}"] = str(key)
    return parts


def methods_dependencies(folder: StudyFolder, config: StudyConfig) -> dict[str, str]:
    """What `methods.csv` depends on, by name."""
    options = digest_of(part_keys("metric", config.metrics), config.bootstrap, config.seed)
    code = code_dependencies("the comparison of methods", __name__)
    return maps_dependencies(folder, config) | code | {"options": options}


def compare_methods(folder: StudyFolder, config: StudyConfig, reporter: ProgressReporter) -> None:
    """Compare every two methods on each backbone, image by image; write `methods.csv`.

    Maps are put on one grid and z-scored as for the agreement of backbones.
    """
    labels = list(method_keys(folder, config))
    tables = []
    with reporter.steps("agreement of methods", len(labels)) as advance:
        for label in labels:
            methods = stored_methods(folder, config, label)
            if len(methods) > 1:
                tables.append(_of_backbone(folder, config, label, methods))
            advance(1)
    table = pd.concat(tables, ignore_index=True) if tables else None
    write_csv(folder.methods, in_columns("methods", table))


def _of_backbone(
    folder: StudyFolder, config: StudyConfig, label: str, methods: list[str]
) -> pd.DataFrame:
    pairs = list(combinations(methods, 2))
    with open_methods(folder, label, methods) as arrays:
        maps = {name: StoredMaps(arrays[name]) for name in methods}
        values = compare(maps, pairs, config.metrics)
    rows = [(one.name, *pair) for one in metrics_named(config.metrics) for pair in pairs]
    groups = pd.DataFrame(rows, columns=["metric", "backbone_a", "backbone_b"])
    matrix = values.reshape(len(values), -1)
    present = np.broadcast_to(np.True_, matrix.shape)
    held = ByImage(groups, matrix, present, np.arange(len(values)))
    table = summarise(held, seed=config.seed, n_boot=config.bootstrap).rename(
        columns={"backbone_a": "method_a", "backbone_b": "method_b"}
    )
    table.insert(0, "backbone", label)
    return table
