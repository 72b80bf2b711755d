"""Where a study has masks of the evidence: do the maps find it?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
import zarr
from numpy.typing import NDArray

from aisthesis.config import PlacesConfig, StudyConfig
from aisthesis.execution.cores import allowed_cores
from aisthesis.execution.jobs import Chunk, Executor, Task, share_out
from aisthesis.execution.processes import or_processes
from aisthesis.faithfulness import LOCALISATION_SCORES, load_masks, require_masks
from aisthesis.faithfulness.localisation import (
    SIDES,
    localisation_rows,
    localisation_scores,
    scored_names,
)
from aisthesis.images import Transform
from aisthesis.names.explainers import BASE
from aisthesis.names.labels import slug
from aisthesis.provenance.code import code_dependencies
from aisthesis.stats.differences import corrected_over_networks
from aisthesis.store.chunk_store import ArraySpec, ChunkStore, images_a_chunk
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder, digest_of, digest_of_files
from aisthesis.store.kept_tables import KeptTables
from aisthesis.store.maps_store import IMAGES_A_CHUNK
from aisthesis.studies.ratings.comparing.agree import mapped_labels
from aisthesis.studies.ratings.comparing.methods import (
    maps_dependencies,
    open_methods,
    stored_methods,
)
from aisthesis.studies.ratings.comparing.stored import StoredMaps
from aisthesis.studies.ratings.explaining.explain import (
    Studied,
    explained_images,
    images_of,
    n_explained,
)
from aisthesis.studies.ratings.testing.randomised import RandomisedNetworks
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.network import NetworkSpec

__all__ = [
    "LocaliseJob",
    "localise_backbones",
    "localise_dependencies",
    "processes_allowed",
    "stored_maps",
]


def localise_dependencies(
    folder: StudyFolder, config: StudyConfig, only: str | None = None
) -> dict[str, str]:
    """What the stage's table depends on, by name; `only` names the one backbone of its rows."""
    return maps_dependencies(folder, config, only) | _asked_dependencies(config)


def _asked_dependencies(config: StudyConfig) -> dict[str, str]:
    """What the rows of every backbone depend on: masks, options and code."""
    options = digest_of(config.bootstrap, config.seed, config.randomised)
    masks = digest_of_files(config.masks) if config.masks is not None else "none"
    return code_dependencies("the localisation", __name__) | {"masks": masks, "options": options}


class _Loaded(NamedTuple):
    """What scoring chunks of one backbone needs."""

    maps: dict[str, StoredMaps]
    sizes_px: NDArray[np.float64]  # (N, 2) width and height of the photographs
    transform: Transform
    randomised: RandomisedNetworks | None


@dataclass(frozen=True)
class LocaliseJob:
    """Scores chunks of one backbone's maps, and their controls, against the masks."""

    spec: NetworkSpec
    places: PlacesConfig
    masks: Path
    methods: tuple[str, ...]
    randomised: int
    store: ChunkStore

    @property
    def identity(self) -> str:
        """Equal where maps and networks are."""
        return digest_of("localise", str(self.spec.root), self.store.group, self.store.key)

    @property
    def names(self) -> list[str]:
        """Names of all that is scored."""
        return scored_names([*self.methods, "activation"], BASE if self.randomised else ())

    def load(self) -> _Loaded:
        """Open the stored maps, and draw the networks with random weights."""
        folder, label = StudyFolder(self.spec.root), self.spec.label
        kinds = (*self.methods, "activation")
        with open_methods(folder, label, self.methods) as arrays:
            # What is opened is read piece by piece; nothing is held open in between.
            maps = {kind: StoredMaps(arrays[kind]) for kind in kinds}
            held = arrays[BASE[0]].coords
            sizes = np.stack([held[name].values for name in ("width_px", "height_px")], axis=1)
        transform = Transform(**folder.backbone_record(label)["transform"])
        drawn = self.randomised
        networks = RandomisedNetworks(self.spec, self.places, drawn) if drawn else None
        return _Loaded(maps, sizes, transform, networks)

    def work(self, loaded: _Loaded, chunk: Chunk) -> None:
        """Write the scores of one chunk, (image, side, score, map)."""
        start = chunk.number * self.store.chunk
        some = slice(start, start + len(chunk.names))
        sizes = dict(zip(chunk.names, map(tuple, loaded.sizes_px[some]), strict=True))
        raising, lowering = (
            load_masks(self.masks / side, chunk.names, loaded.transform, sizes)
            for side in ("raising", "lowering")
        )
        drawn = loaded.randomised
        _, values = localisation_scores(
            {kind: stored[some] for kind, stored in loaded.maps.items()},
            raising,
            lowering,
            randomised=None if drawn is None else drawn.maps(chunk.names, np.array(chunk.ratings)),
        )
        self.store.write(chunk.number, {"value": values})


def localise_backbones(one: Studied, executor: Executor) -> None:
    """Score every backbone's maps, and their controls, against the masks; `localisation.csv`.

    The masks are in `raising/` and `lowering/` of the study's `masks` folder, one an image. They
    are read a few at a time, and what each image scores is kept until the table is made.

    Raises
    ------
    RequestError
        If masks are missing, cannot be read or have another shape than their images.
    """
    folder, config, masks = one.folder, one.config, one.config.masks
    if masks is None:
        return
    ratings = {"ratings": one.inputs.dependencies["ratings"]}
    asked = _asked_dependencies(config) | ratings  # masks are read once
    kept = [
        KeptTables(
            folder, "localise", label, maps_dependencies(folder, config, label) | asked, ("rows",)
        )
        for label in mapped_labels(folder, config)
    ]
    missing = [each for each in kept if not each.done]
    if missing:
        for side in ("raising", "lowering"):
            require_masks(masks / side, images_of(one))
    jobs = [_job(one, each, masks) for each in missing]
    tasks = [task for job in jobs for task in _tasks(one, job)]
    with or_processes(executor, processes_allowed(config)) as workers:
        share_out(tasks, "maps against masks", workers, one.reporter)
    for each, job in zip(missing, jobs, strict=True):
        job.store.finish()
        values = zarr.open_group(job.store.path, mode="r", use_consolidated=False)["value"]
        rows = localisation_rows(
            each.label, job.names, values, n_resamples=config.bootstrap, seed=config.seed
        )
        each.keep({"rows": rows})
    if kept:
        table = pd.concat([each.read()["rows"] for each in kept], ignore_index=True)
        table = corrected_over_networks(table, "p_corrected", ("side", "score", "control"))
        write_csv(folder.localisation, table)


def _job(one: Studied, kept: KeptTables, masks: Path) -> LocaliseJob:
    """The job that scores one backbone's maps: more backbones do not change them."""
    store = ChunkStore(
        one.folder.root, f"cache/localise.zarr/{slug(kept.label)}", kept.dependencies,
        images_a_chunk(IMAGES_A_CHUNK, n_explained(one.config, one.inputs)),
    )  # fmt: skip
    return LocaliseJob(
        one.specs[kept.label],
        one.config.places,
        masks,
        tuple(_scored_methods(one.folder, one.config, kept.label)),
        one.config.randomised,
        store,
    )


def _tasks(one: Studied, job: LocaliseJob) -> list[Task]:
    """Chunks of images that are not scored yet."""
    images = explained_images(one.config, one.inputs)
    axes = (
        ("image", len(images)), ("side", len(SIDES)), ("score", len(LOCALISATION_SCORES)),
        ("map", len(job.names)),
    )  # fmt: skip
    numbers = job.store.missing(len(images))
    coordinates: dict[str, Any] = {
        "image": images_of(one),
        **{
            axis: xr.Variable(axis, np.array(names, dtype=object))
            for axis, names in (
                ("side", SIDES), ("score", list(LOCALISATION_SCORES)), ("map", job.names)
            )
        },
    }  # fmt: skip
    job.store.prepare({"value": ArraySpec(axes, "localisation", "float64")}, coordinates, {})
    chunks = one.inputs.chunks(images, job.store.chunk)
    return [Task(job, chunks[number]) for number in numbers]


def processes_allowed(config: StudyConfig) -> int:
    """Processes that may share the networks: one where none is run, or not on processors."""
    worth = config.randomised > 0 and choose_device(config.device).type == "cpu"
    return allowed_cores() if worth else 1


def _scored_methods(folder: StudyFolder, config: StudyConfig, label: str) -> list[str]:
    """Methods whose maps are scored: the centre prior is among the controls of every map."""
    return [name for name in stored_methods(folder, config, label) if name != "centre"]


@contextmanager
def stored_maps(
    folder: StudyFolder, config: StudyConfig, label: str
) -> Iterator[tuple[list[str], dict[str, StoredMaps]]]:
    """Names of the explained images; maps by every method that is scored, and the activation."""
    methods = _scored_methods(folder, config, label)
    with open_methods(folder, label, methods) as arrays:
        names = [str(name) for name in arrays["image"].values]
        yield names, {kind: StoredMaps(arrays[kind]) for kind in (*methods, "activation")}
