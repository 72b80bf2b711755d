"""The stage that scores channels and places and makes the maps, of one property or of several."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from aisthesis.backbones import Backbone
from aisthesis.execution.jobs import Chunk, Executor, Task, in_groups, loaded_for, share_out
from aisthesis.execution.progress import ProgressReporter, in_units
from aisthesis.names.explainers import BASE
from aisthesis.store.chunk_store import ChunkStore
from aisthesis.studies.ratings.explaining.explain import (
    MapsJob,
    Studied,
    explained_images,
    images_of,
    maps_store,
    prepare_maps,
)
from aisthesis.studies.ratings.explaining.kept_activations import (
    forget_activations,
    kept_activations,
)
from aisthesis.studies.ratings.fitting.dead_heads import tell_dead, with_dead
from aisthesis.studies.shared.ablation_plans import Plans

__all__ = ["Finished", "explain_backbones"]

Finished = Callable[[Studied, str, Backbone, Plans], None]
"""Told of each network that has just made maps here, while it and what was kept are there."""


def explain_backbones(
    rated: Sequence[Studied], executor: Executor, reporter: ProgressReporter, finished: Finished
) -> list[bool]:
    """Score every channel of every backbone's layer and write each property's `maps.zarr`.

    Chunks that are finished under the same key are left as they are. Properties of the same images
    whose maps are not all there share the pass through each trunk.

    Parameters
    ----------
    rated : sequence of Studied
        One a property; their explained images are the same.
    finished : callable
        Told of each property and network, once its maps are there, if this process has the network.

    Returns
    -------
    list of bool
        For each property, whether any chunk was not finished.
    """
    work: list[tuple[MapsJob, list[Chunk], list[Studied]]] = []
    for label in rated[0].specs:
        missing = {place: found for place, one in enumerate(rated)
                   if (found := _missing(one, label)) is not None}  # fmt: skip
        if missing:
            work.append(_together(label, [rated[k] for k in missing], list(missing.values())))
        for place in set(range(len(rated))) - set(missing):
            of = f" of {rated[place].config.title}" if len(rated) > 1 else ""
            reporter.say(f"{label}: maps{of} are already there")
    for group in in_groups(work, pooled=executor.pooled):
        _explain(group, executor, reporter, finished)
    for one in rated:
        forget_activations(one.folder.root)
    return [any(one in own for _, _, own in work) for one in rated]


def _missing(one: Studied, label: str) -> list[int] | None:
    """Numbers of the chunks to compute; None where nothing is to be done."""
    store, n = maps_store(one.config, one.inputs, one.specs[label]), len(images_of(one))
    numbers = store.missing(n)
    # A record that was lost with a damaged provenance.json is written again without the work.
    told = "ablation" in one.folder.backbone_record(label)
    without = told or one.specs[label].asked.layer == "none"
    return None if not numbers and store.complete and without else numbers


def _together(
    label: str, rated: list[Studied], missing: list[list[int]]
) -> tuple[MapsJob, list[Chunk], list[Studied]]:
    """One job for all properties whose maps are missing, and the chunks that any of them lacks."""
    first, *others = [
        (one.specs[label], maps_store(one.config, one.inputs, one.specs[label])) for one in rated
    ]
    chunks = [
        one.inputs.chunks(explained_images(one.config, one.inputs), first[1].chunk) for one in rated
    ]
    job = MapsJob(*first, rated[0].config.places, tuple(others))
    wanted = []
    for number in sorted({number for numbers in missing for number in numbers}):
        chunk = chunks[0][number]
        if others:
            ratings = zip(*(own[number].ratings for own in chunks), strict=True)
            chunk = replace(chunk, ratings=tuple(ratings))
        wanted.append(chunk)
    return job, wanted, rated


def _explain(
    work: list[tuple[MapsJob, list[Chunk], list[Studied]]],
    executor: Executor,
    reporter: ProgressReporter,
    finished: Finished,
) -> None:
    """Do the chunks that are missing of several backbones at once."""
    tasks, explained = [], []
    for job, chunks, rated in work:
        label = job.spec.label
        if rated[0].folder.backbone_record(label)["layer"] is None:
            reporter.say(f"{label} predicts only: it has no layer to explain")
            continue
        if not executor.pooled:  # else those who do the work find out how
            _announce(job, sum(len(chunk.names) for chunk in chunks), reporter)
        for one, (_, store) in zip(rated, job.each, strict=True):
            prepare_maps(one, label, store)
        tasks += [Task(job, chunk) for chunk in chunks]
        explained.append((job, rated))
    labels = [job.spec.label for job, _, _ in work]
    title = labels[0] if len(labels) == 1 else f"{len(labels)} backbones"
    share_out(tasks, f"{title}: maps", executor, reporter)
    for job, rated in explained:
        label = job.spec.label
        for one, (_, store) in zip(rated, job.each, strict=True):
            store.finish()
            record = _record(one, job, store)
            tell_dead(reporter, label, "explain", record["dead_heads"])
            if not executor.pooled:
                backbone, plans, _ = loaded_for(job)
                finished(one, label, backbone, plans)
                kept_activations(one.folder.root, backbone).remove()
        if executor.pooled:
            _tell(label, record, reporter)


def _record(one: Studied, job: MapsJob, store: ChunkStore) -> dict[str, Any]:
    """Write how a backbone's maps came about into the study's record, and give that."""
    folder, label, n_images = one.folder, job.spec.label, len(images_of(one))
    seeds = [split.fit_seed for split in one.inputs.splits]
    notes = store.notes(n_images)
    record = folder.provenance()["backbones"].get(label, {})
    # A version that noted nothing has removed as this one would.
    record |= (
        next(filter(None, (note.get("removal") for note in notes)), None) or loaded_for(job)[2]
    )
    record["flat_maps"] = {
        kind: sum(note.get("flat", {}).get(kind, 0) for note in notes) for kind in BASE
    }
    record["explain_seconds"] = round(sum(note.get("seconds", 0.0) for note in notes), 2)
    counts = np.sum([note.get("dead") or [0] * len(seeds) for note in notes], axis=0)
    record["dead_heads"] = with_dead(record, "explain", seeds, counts.tolist(), n_images)
    folder.record(backbones={label: record})
    return record


def _announce(job: MapsJob, n_images: int, reporter: ProgressReporter) -> None:
    """Say what is removed and, from one timed forward pass, how long it will take."""
    backbone, plans, removal = loaded_for(job)
    image = torch.zeros(1, 3, *backbone.input_size_px, device=backbone.device)
    with torch.no_grad():
        backbone.trunk(image)
        started = time.perf_counter()
        backbone.trunk(image).sum().item()
        passes = plans.channels.passes + plans.places.passes
        seconds = (time.perf_counter() - started) * passes * n_images
    known = {"layer": backbone.layer, "map_shape": backbone.map_shape, **removal}
    images = f"{n_images} image{'' if n_images == 1 else 's'}"
    _tell(job.spec.label, known, reporter, f"; {images}, expected {in_units(seconds)}")


def _tell(
    label: str, record: Mapping[str, Any], reporter: ProgressReporter, more: str = ""
) -> None:
    """Say what is removed of a backbone, how, and in how many forward passes."""
    channels, rows, columns = record["map_shape"]
    passes = record["ablation"]["forward_passes"] + record["places"]["forward_passes"]
    reporter.say(
        f"{label}: {channels} channels and {rows} × {columns} places of {record['layer']} in "
        f"{passes:.3g} forward passes an image{more}"
    )
    for name in ("ablation", "places"):
        reporter.detail(f"{label}: {record[name]['plan']}")
