"""The stage that scores channels and places and makes the maps, of one property or of several."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from aisthesis.ablation.signs import sign_is_arbitrary
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
from aisthesis.studies.shared.ablation_plans import Plans, plan_in_words

__all__ = ["Finished", "explain_backbones"]

Finished = Callable[[Studied, str, Backbone, Plans], None]
"""Told of each network whose maps have just been made, while it and what was kept are there."""


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
        Told of each property and network, once its maps are there.

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
        backbone, plans = loaded_for(job)
        if plans is None:
            reporter.say(f"{job.spec.label} predicts only: it has no layer to explain")
            continue
        for one, (_, store) in zip(rated, job.each, strict=True):
            prepare_maps(one, job.spec.label, store, backbone)
        n = sum(len(chunk.names) for chunk in chunks)
        reporter.say(_announcement(job.spec.label, backbone, plans, n))
        for plan in (plans.channels, plans.places):
            reporter.detail(f"{job.spec.label}: {plan_in_words(plan)}")
        tasks += [Task(job, chunk) for chunk in chunks]
        explained.append((job, backbone, plans, rated))
    labels = [job.spec.label for job, _, _ in work]
    title = labels[0] if len(labels) == 1 else f"{len(labels)} backbones"
    share_out(tasks, f"{title}: maps", executor, reporter)
    for job, backbone, plans, rated in explained:
        for one, (_, store) in zip(rated, job.each, strict=True):
            store.finish()
            dead = _record(one, job.spec.label, store, plans)
            finished(one, job.spec.label, backbone, plans)
            kept_activations(one.folder.root, backbone).remove()
            tell_dead(reporter, job.spec.label, "explain", dead)


def _record(one: Studied, label: str, store: ChunkStore, plans: Plans) -> list[dict[str, Any]]:
    """Write how a backbone's maps came about into the study's record; give its dead heads."""
    folder, n_images = one.folder, len(images_of(one))
    seeds = [split.fit_seed for split in one.inputs.splits]
    notes = store.notes(n_images)
    record = folder.provenance()["backbones"].get(label, {})
    for name, plan in (("ablation", plans.channels), ("places", plans.places)):
        record[name] = {"plan": plan_in_words(plan), "forward_passes": plan.passes}
    record["places"] |= {"window": plans.places.window, "replace": plans.replace}
    record["sign_is_arbitrary"] = sign_is_arbitrary(plans.channels.model, plans.channels.layer)
    record["flat_maps"] = {
        kind: sum(note.get("flat", {}).get(kind, 0) for note in notes) for kind in BASE
    }
    record["explain_seconds"] = round(sum(note.get("seconds", 0.0) for note in notes), 2)
    counts = np.sum([note.get("dead") or [0] * len(seeds) for note in notes], axis=0)
    dead = with_dead(record, "explain", seeds, counts.tolist(), n_images)
    record["dead_heads"] = dead
    folder.record(backbones={label: record})
    return dead


def _announcement(label: str, backbone: Backbone, plans: Plans, n_images: int) -> str:
    """Say what is removed and, from one timed forward pass, how long it will take."""
    image = torch.zeros(1, 3, *backbone.input_size_px, device=backbone.device)
    with torch.no_grad():
        backbone.trunk(image)
        started = time.perf_counter()
        backbone.trunk(image).sum().item()
        passes = plans.channels.passes + plans.places.passes
        seconds = (time.perf_counter() - started) * passes * n_images
    rows, columns = plans.places.shape
    return (
        f"{label}: {plans.channels.channels} channels and {rows} × {columns} places of "
        f"{backbone.layer} in {passes:.3g} forward passes an image; {n_images} "
        f"image{'' if n_images == 1 else 's'}, expected {in_units(seconds)}"
    )
