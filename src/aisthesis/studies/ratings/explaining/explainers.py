"""Maps by the other explainers a study asks for: each in a group of its own, computed once."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import StudyConfig
from aisthesis.errors import RequestError
from aisthesis.execution.jobs import Chunk, Executor, Task, in_groups, loaded_for, share_out
from aisthesis.execution.progress import ProgressReporter, in_units
from aisthesis.explainers.base import ExplainedNetwork, Explainer
from aisthesis.explainers.registry import explainers_named, libraries_behind
from aisthesis.heads import MeanRating
from aisthesis.memory import in_halves
from aisthesis.names.labels import slug
from aisthesis.provenance.code import code_dependencies
from aisthesis.provenance.versions import library_version
from aisthesis.store.chunk_store import ArraySpec, ChunkStore, images_a_chunk
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.map_axes import map_axes
from aisthesis.store.maps_store import IMAGES_A_CHUNK
from aisthesis.studies.ratings.explaining.explain import (
    explain_dependencies,
    explained_images,
    maps_store,
    n_explained,
)
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.boxes import crop_boxes
from aisthesis.studies.shared.network import NetworkSpec, pixels_of

__all__ = [
    "asked_explainers",
    "explain_by_others",
    "explainer_store",
    "image_seeds",
    "maps_by",
    "methods_root",
    "subject_of",
]


def asked_explainers(config: StudyConfig) -> list[Explainer]:
    """Explainers of a study beside AIS and evidence, with its options."""
    options = config.explaining.model_dump()
    return explainers_named(config.explainers, batch_size=config.batch_size, **options)


def methods_root(folder: StudyFolder, label: str) -> Path:
    """Where the groups of a backbone's other explainers are."""
    return folder.maps / slug(label)


def subject_of(backbone: Backbone, heads: Sequence[torch.nn.Module]) -> ExplainedNetwork:
    """The mean prediction of several heads on a backbone, as explainers take it.

    Raises
    ------
    RequestError
        If the backbone has no layer.
    """
    if backbone.map_shape is None:
        raise RequestError(f"{backbone.name} predicts only; name a layer of it to have maps")
    _, rows, columns = backbone.map_shape
    return ExplainedNetwork(
        MeanRating(backbone.trunk, heads),
        f"trunk.{backbone.trunk_layer}",
        backbone.to_map,
        backbone.input_size_px,
        (rows, columns),
    )


def explainer_dependencies(
    config: StudyConfig, inputs: Inputs, spec: NetworkSpec, one: Explainer
) -> dict[str, str]:
    """What an explainer's maps depend on, by name; its options are in its `repr`."""
    options = [part for part in repr(one).split(", ") if not part.startswith("at_once=")]
    return {
        **explain_dependencies(config, inputs, spec),
        f"options of {one.name}": digest_of(options),
        **code_dependencies("the explainers", __name__),
        **own_code(one),
        **{library: library_version(library) for library in libraries_behind(one.name)},
    }


def own_code(one: Explainer) -> dict[str, str]:
    """The code of one of the package's own explainers, which is found by its name alone."""
    module = type(one).__module__
    return code_dependencies(one.name, module) if module.startswith("aisthesis.") else {}


def explainer_store(
    config: StudyConfig, inputs: Inputs, spec: NetworkSpec, one: Explainer
) -> ChunkStore:
    """Where an explainer's maps of a backbone are."""
    parts = explainer_dependencies(config, inputs, spec, one)
    chunk = images_a_chunk(IMAGES_A_CHUNK, n_explained(config, inputs))
    return ChunkStore(config.out, f"{spec.group}/{slug(one.name)}", parts, chunk)


@dataclass(frozen=True)
class ExplainerJob:
    """Makes one explainer's maps of one backbone."""

    spec: NetworkSpec
    store: ChunkStore
    explainer: Explainer
    heads_key: str

    @property
    def identity(self) -> str:
        """Equal where network and heads are: explainers share them."""
        return digest_of("explainers", self.spec.identity, self.heads_key)

    def load(self) -> tuple[Backbone, ExplainedNetwork]:
        """Build the network with its heads."""
        backbone = self.spec.build()
        subject = subject_of(backbone, self.spec.heads())
        subject.model.to(next(backbone.trunk.parameters()).device)
        return backbone, subject

    def work(self, loaded: tuple[Backbone, ExplainedNetwork], chunk: Chunk) -> None:
        """Write the maps of one chunk."""
        started, done = time.perf_counter(), 0
        backbone, subject = loaded
        seeds = image_seeds(self.spec.seed, backbone.name, chunk.names)
        maps = []
        for pixels, _ in pixels_of(self.spec, backbone.transform, chunk):
            some = seeds[done : done + len(pixels)]
            maps.append(maps_by(self.explainer, subject, pixels, some))
            done += len(pixels)
        values = np.concatenate(maps)
        seconds = round(time.perf_counter() - started, 4)
        self.store.write(chunk.number, {self.explainer.name: values}, seconds=seconds)


def explain_by_others(
    config: StudyConfig,
    inputs: Inputs,
    specs: Mapping[str, NetworkSpec],
    executor: Executor,
    reporter: ProgressReporter,
) -> bool:
    """Make the maps of every asked explainer and backbone that are not there yet.

    They explain the prediction averaged over seeds. Backbones without AIS maps have none. Says
    whether any was not there.
    """
    explainers = asked_explainers(config)
    chosen = explained_images(config, inputs)
    chunks = inputs.chunks(chosen, images_a_chunk(IMAGES_A_CHUNK, len(chosen)))
    work: dict[str, list[tuple[ExplainerJob, list[Chunk]]]] = {}
    for label, spec in specs.items():
        if not maps_store(config, inputs, spec).complete:
            continue
        key = digest_of(explain_dependencies(config, inputs, spec))
        told = StudyFolder(config.out).backbone_record(label).get("explainers", {})
        for one in explainers:
            store = explainer_store(config, inputs, spec, one)
            numbers = store.missing(len(chosen))
            if numbers or not store.complete or one.name not in told:
                job = ExplainerJob(spec, store, one, key)
                work.setdefault(label, []).append((job, [chunks[n] for n in numbers]))
    for labels in in_groups(list(work), pooled=executor.pooled):
        group = [pair for label in labels for pair in work[label]]
        _explain(config, inputs, group, len(chosen), executor, reporter)
    return bool(work)


def _explain(
    config: StudyConfig,
    inputs: Inputs,
    jobs: list[tuple[ExplainerJob, list[Chunk]]],
    n_images: int,
    executor: Executor,
    reporter: ProgressReporter,
) -> None:
    """Do the chunks that are missing, explainer by explainer or all at once."""
    one_pass: dict[str, float] = {}  # by network: explainers share it
    entries = []
    for job, chunks in jobs:
        if job.identity not in one_pass:
            one_pass[job.identity] = _seconds_of_a_pass(loaded_for(job)[1])
        n_left = sum(len(chunk.names) for chunk in chunks)
        entries.append(_prepare(config, inputs, job, n_left * one_pass[job.identity], reporter))
    for group in in_groups(jobs, pooled=executor.pooled):
        tasks = [Task(job, chunk) for job, chunks in group for chunk in chunks]
        first = group[0][0]
        alone = f"{first.spec.label}: {first.explainer.title}"
        title = alone if len(group) == 1 else "other explainers"
        share_out(tasks, title, executor, reporter)
    for (job, _), entry in zip(jobs, entries, strict=True):
        job.store.finish()
        _record(StudyFolder(config.out), job, n_images, entry)


def _prepare(
    config: StudyConfig,
    inputs: Inputs,
    job: ExplainerJob,
    passes_s: float,
    reporter: ProgressReporter,
) -> dict[str, Any]:
    """Say what an explainer will take, make its empty arrays, and give what is recorded of it.

    `passes_s` is what one forward pass of every image that is left takes.
    """
    one = job.explainer
    backbone, subject = loaded_for(job)
    seconds = one.passes(subject) * passes_s
    if seconds > 2:
        reporter.say(_announcement(job.spec.label, one, subject, seconds))
    names = [inputs.names[i] for i in explained_images(config, inputs)]
    rows, columns = one.grid(subject)
    spec = ArraySpec((("image", len(names)), ("y", rows), ("x", columns)), one.name)
    coordinates: dict[str, Any] = {"image": names}
    coordinates |= crop_boxes(inputs.sizes, backbone.transform, names)
    coordinates |= map_axes(coordinates, rows, columns, backbone.input_size_px)
    attributes = {
        "backbone": job.spec.label,
        "method": one.name,
        "title": one.title,
        "words": one.words,
        "signed": int(one.signed),
        "control": int(one.control),
    }
    job.store.prepare({one.name: spec}, coordinates, attributes)
    return {"grid": [rows, columns], "passes": round(one.passes(subject), 1)}


def _record(folder: StudyFolder, job: ExplainerJob, n_images: int, entry: dict[str, Any]) -> None:
    name, label = job.explainer.name, job.spec.label
    seconds = sum(note.get("seconds", 0.0) for note in job.store.notes(n_images))
    held = folder.provenance()["backbones"].get(label, {})
    entry = {**entry, "seconds": round(seconds, 2)}
    explainers = {**held.get("explainers", {}), name: entry}
    folder.record(backbones={label: held | {"explainers": explainers}})


def _announcement(label: str, one: Explainer, subject: ExplainedNetwork, seconds: float) -> str:
    plan = subject.plans.get(one.name)
    way = f" {plan.describe()}" if plan is not None else ""
    return f"{label}: {one.title},{way} expected {in_units(seconds)}"


def _seconds_of_a_pass(subject: ExplainedNetwork) -> float:
    device = next(subject.model.parameters()).device
    image = torch.zeros(1, 3, *subject.size_px, device=device)
    with torch.no_grad():
        subject.model(image)
        started = time.perf_counter()
        subject.model(image).sum().item()
    return time.perf_counter() - started


def maps_by(
    explainer: Explainer, subject: ExplainedNetwork, pixels: torch.Tensor, seeds: Sequence[int]
) -> NDArray[np.float32]:
    """Maps (N, rows, columns) of a batch by an explainer, with one seed an image.

    Raises
    ------
    OutOfMemoryError
        If not even one image fits; a batch is halved until its parts do.
    """

    def some(part: slice) -> NDArray[np.float32]:
        own = list(seeds[part])
        found = explainer(subject, pixels[part], seeds=own, advance=lambda share: None)
        return found.float().cpu().numpy()

    return np.concatenate(in_halves(len(pixels), some, explainer.title))


def image_seeds(seed: int, backbone: str, names: Sequence[str]) -> list[int]:
    """One seed an image, whatever the images beside it: its own for every backbone."""
    texts = [f"{seed}/{backbone}/{name}" for name in names]
    return [int(hashlib.sha256(text.encode()).hexdigest()[:12], 16) for text in texts]
