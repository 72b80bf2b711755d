"""From maps to tables of how far the backbones agree."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from aisthesis.agreement import (
    cluster_backbones,
    consensus,
    summarise,
)
from aisthesis.agreement.differences import agreement_differences
from aisthesis.agreement.images import divided, pair_means
from aisthesis.agreement.metrics import metrics_named
from aisthesis.agreement.pairs import compare
from aisthesis.agreement.registration import compared_share
from aisthesis.config import StudyConfig
from aisthesis.execution.cluster import keep_memory
from aisthesis.execution.jobs import Chunk, Executor, Task, share_out
from aisthesis.execution.progress import ProgressReporter
from aisthesis.names.explainers import BASE
from aisthesis.parts import part_keys
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.chunk_store import ArraySpec, ChunkStore, images_a_chunk
from aisthesis.store.files import write_csv, write_csv_parts
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.maps_store import IMAGES_A_CHUNK, group_key
from aisthesis.studies.ratings.comparing.columns import TABLES, in_columns
from aisthesis.studies.ratings.comparing.compared import Compared
from aisthesis.studies.ratings.comparing.inference import N_PERMUTATIONS, infer
from aisthesis.studies.ratings.comparing.methods import (
    is_control,
    maps_dependencies,
    open_methods,
    stored_methods,
)
from aisthesis.studies.ratings.comparing.predicted import Predicted
from aisthesis.studies.ratings.comparing.stored import StoredMaps
from aisthesis.studies.shared.boxes import seen_boxes

__all__ = ["AgreeJob", "agree_backbones", "agree_dependencies", "mapped_labels"]

Opened = dict[str, dict[str, xr.DataArray]]  # by backbone: arrays by kind of map

#: Bytes of one kind of maps of one network up to which they are read as a whole.
_READ_AT_ONCE = 32 << 20


def mapped_labels(folder: StudyFolder, config: StudyConfig) -> list[str]:
    """Labels of the backbones that have maps, in the study's order."""
    return [b.label for b in config.backbones if group_key(folder.maps, b.label)]


def agree_dependencies(folder: StudyFolder, config: StudyConfig) -> dict[str, str]:
    """What the stage's tables depend on, by name."""
    parts = maps_dependencies(folder, config)
    options = (
        part_keys("metric", config.metrics),
        config.bootstrap,
        config.inference_images,
        config.seed,
    )
    return parts | _code() | {"options of the agreement": digest_of(options)}


def _code() -> dict[str, str]:
    return code_dependencies("the agreement", __name__)


@dataclass(frozen=True)
class AgreeJob:
    """Compares the maps of chunks of images."""

    root: Path
    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    metrics: tuple[str, ...]
    store: ChunkStore

    @property
    def identity(self) -> str:
        """Equal where the maps are."""
        return digest_of("agree", str(self.root), self.store.key)

    @property
    def every(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """What is compared: for each kind all pairs of backbones, then each with its activation."""
        pairs = list(combinations(self.labels, 2))
        wanted = []
        for kind in self.kinds:
            wanted += [((kind, a), (kind, b)) for a, b in pairs]
            wanted += [((kind, one), ("activation", one)) for one in self.labels]
        return wanted

    def load(self) -> dict[tuple[str, str], StoredMaps]:
        """Open the stored maps."""
        opened = {}
        for label in self.labels:
            with open_methods(StudyFolder(self.root), label, self.kinds) as arrays:
                # What is opened is read piece by piece; nothing is held open in between.
                for kind in (*self.kinds, "activation"):
                    opened[kind, label] = StoredMaps(arrays[kind])
        return opened

    def work(self, loaded: dict[tuple[str, str], StoredMaps], chunk: Chunk) -> None:
        """Write the values of one chunk, (image, metric, comparison)."""
        start = chunk.number * self.store.chunk
        some = slice(start, start + len(chunk.names))
        maps = {key: stored[some] for key, stored in loaded.items()}
        seen = {key: stored.boxes for key, stored in loaded.items()}
        boxes = {key: one[some] for key, one in seen.items() if one is not None}
        values = compare(
            maps, self.every, self.metrics, boxes=boxes if len(boxes) == len(maps) else None
        )
        self.store.write(chunk.number, {"value": values})


def agree_backbones(
    folder: StudyFolder, config: StudyConfig, executor: Executor, reporter: ProgressReporter
) -> None:
    """Compare every pair of backbones on every explained image; write the agreement tables.

    Maps are averaged over seeds in rating units at the layer's resolution before they are
    upsampled, z-scored and compared. Tables of pairs have no rows with fewer than two backbones.
    """
    keep_memory()  # metrics of pixels make and free tensors of a megabyte, thousands a second
    labels = mapped_labels(folder, config)
    if len(labels) < 2:
        reporter.say("fewer than two backbones have maps: there is no agreement to measure")
    tables: dict[str, pd.DataFrame] = {}
    if labels:
        kinds = compared_kinds(folder, config, labels)
        started = time.perf_counter()
        compared = _compare(folder, config, labels, kinds, executor, reporter)
        seconds = round(time.perf_counter() - started, 3)
        folder.record(
            stages={"compare": {"seconds": seconds}}, inference={"permutations": N_PERMUTATIONS}
        )
        predicted = Predicted.of(folder, labels, compared.names)
        with _opened(folder, labels, kinds) as datasets:
            shares = _compared_shares(datasets)
            inferred = infer(datasets, config, reporter, kinds[len(BASE) :], predicted.errors)
        tables = _summaries(compared, predicted, config)
        tables |= inferred.others
        tables["reliability"] = predicted.with_opposed(tables["reliability"])
        if len(labels) > 1:
            tables["agreement"] = tables["agreement"].merge(
                inferred.pairs, on=["map", "metric", "backbone_a", "backbone_b"], how="left"
            )
            tables["agreement"] = tables["agreement"].merge(
                shares, on=["backbone_a", "backbone_b"], how="left"
            )
            _write_by_image(folder, compared, predicted)
    by_image = ("agreement_images", "images") if len(labels) > 1 else ()
    for name in TABLES:
        if name not in by_image:
            write_csv(getattr(folder, name), in_columns(name, tables.get(name)))


def _compared_shares(datasets: Opened) -> pd.DataFrame:
    """Share of the photographs' area that both networks of a pair saw, by pair: a mean."""
    first = {label: one[BASE[0]] for label, one in datasets.items()}
    boxes = seen_boxes(first)
    rows = []
    for a, b in combinations(first, 2):
        share = np.nan
        if boxes is not None:
            sizes = (first[a].coords[name].values for name in ("width_px", "height_px"))
            share = float(compared_share([boxes[a], boxes[b]], *sizes).mean())
        rows.append({"backbone_a": a, "backbone_b": b, "compared_share": share})
    return pd.DataFrame(rows, columns=["backbone_a", "backbone_b", "compared_share"])


def compared_kinds(folder: StudyFolder, config: StudyConfig, labels: Sequence[str]) -> list[str]:
    """Kinds of maps that all backbones have and that know the network: AIS and evidence first."""
    first, *others = [stored_methods(folder, config, label) for label in labels]
    return [
        name
        for name in first
        if all(name in methods for methods in others) and not is_control(folder, labels[0], name)
    ]


@contextmanager
def _opened(folder: StudyFolder, labels: Sequence[str], kinds: Sequence[str]) -> Iterator[Opened]:
    with ExitStack() as stack:
        opened = {
            label: stack.enter_context(open_methods(folder, label, kinds)) for label in labels
        }
        # Statistics go through the maps many times, a few images each.
        yield {
            label: {
                kind: one.load() if one.nbytes <= _READ_AT_ONCE else one
                for kind, one in arrays.items()
            }
            for label, arrays in opened.items()
        }


def _compare(
    folder: StudyFolder,
    config: StudyConfig,
    labels: Sequence[str],
    kinds: Sequence[str],
    executor: Executor,
    reporter: ProgressReporter,
) -> Compared:
    """Compare all kinds of maps and the activations, chunk by chunk."""
    with open_methods(folder, labels[0], kinds) as arrays:
        names = [str(name) for name in arrays["image"].values]
    metrics = digest_of(part_keys("metric", config.metrics))
    parts = maps_dependencies(folder, config) | _code() | {"metrics": metrics}
    parts["kinds of map"] = digest_of(list(kinds))
    size = images_a_chunk(IMAGES_A_CHUNK, len(names))
    store = ChunkStore(folder.root, "cache/agreement.zarr", parts, size)
    job = AgreeJob(folder.root, tuple(labels), tuple(kinds), tuple(config.metrics), store)
    missing = store.missing(len(names))
    axes = (("image", len(names)), ("metric", len(config.metrics)), ("comparison", len(job.every)))
    store.prepare({"value": ArraySpec(axes, "agreement", "float64")}, {"image": names}, {})
    tasks = [
        Task(job, Chunk(number, tuple(names[number * store.chunk : (number + 1) * store.chunk])))
        for number in missing
    ]
    share_out(tasks, f"agreement: {len(job.every)} comparisons an image", executor, reporter)
    store.finish()
    return Compared(store, names, job.metrics, job.labels, job.kinds)


def _summaries(
    compared: Compared, predicted: Predicted, config: StudyConfig
) -> dict[str, pd.DataFrame]:
    """Summarise what was compared image by image, over images: a kind of map at a time."""
    draws: dict[str, Any] = {"seed": config.seed, "n_boot": config.bootstrap}
    found: dict[str, list[pd.DataFrame]] = {}
    sides = predicted.sides()
    for kind in compared.kinds:
        tables = {"baselines": summarise(compared.of_activations(kind), **draws)}
        if compared.pairs:
            held = compared.of_pairs([kind])
            tables |= {
                "agreement": summarise(held, sides=sides, **draws),
                "agreement_differences": agreement_differences(held, **draws),
                "clusters": cluster_backbones(held, **draws),
            }
        for name, table in tables.items():
            found.setdefault(name, []).append(table)
    return {
        name: pd.concat([one for one in tables if len(one)] or tables[:1], ignore_index=True)
        for name, tables in found.items()
    }


def _write_by_image(folder: StudyFolder, compared: Compared, predicted: Predicted) -> None:
    """Write the tables with rows for every image, which are never held as a whole."""
    images = predicted.by_image()
    divides = np.concatenate(
        [_divided(compared, kind, images["prediction_sd"]) for kind in compared.kinds], axis=1
    )

    def of_images() -> Iterator[pd.DataFrame]:
        for part in compared.parts():
            table = consensus(compared.of_pairs(compared.kinds, part))
            own = images.iloc[part].loc[lambda t: t.index.repeat(divides.shape[1])]
            for name in own:
                table[name] = own[name].to_numpy()
            table["same_rating_other_evidence"] = divides[part].ravel()
            yield in_columns("images", table)

    write_csv_parts(folder.agreement_images, compared.rows)
    write_csv_parts(folder.images, of_images)


def _divided(compared: Compared, kind: str, prediction_sd: pd.Series[float]) -> NDArray[np.float64]:
    """How far networks agree on each image's rating but not on its evidence: (N, metrics)."""
    matrix = compared.of_pairs([kind]).matrix
    each = matrix.reshape(len(matrix), -1, len(compared.pairs))
    columns = [
        divided(pair_means(each[:, k]), prediction_sd, one.name)
        for k, one in enumerate(metrics_named(compared.metrics))
    ]
    return np.stack(columns, axis=1)
