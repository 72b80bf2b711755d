"""The stages of a study of similarity judgments, in their order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from aisthesis.config import AlignmentConfig
from aisthesis.execution.jobs import Chunk, Executor, Task, share_out
from aisthesis.execution.progress import ProgressReporter
from aisthesis.store.alignment_folder import AlignmentFolder
from aisthesis.store.ledger import State
from aisthesis.store.store_index import index_state, index_store
from aisthesis.studies.shared.network import NetworkSpec, joint_dependencies
from aisthesis.studies.shared.stage import Stage, Standing, chunks_standing, table_stage
from aisthesis.studies.similarity.align import ChannelsJob, align_dependencies, channels_entry
from aisthesis.studies.similarity.inputs import AlignmentInputs
from aisthesis.studies.similarity.kept import read_aligned
from aisthesis.studies.similarity.maps import MAPS_RECORD, alignment_store, map_alignment
from aisthesis.studies.similarity.tables import write_alignment_tables

__all__ = ["similarity_stages"]


def similarity_stages(
    folder: AlignmentFolder,
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    specs: Mapping[str, NetworkSpec],
    reporter: ProgressReporter,
) -> Iterator[Stage]:
    """Give the stages of a study; each is to be done before the next is asked for."""
    dependencies = {
        label: align_dependencies(config, inputs, spec) for label, spec in specs.items()
    }
    jobs = [ChannelsJob(spec, config, inputs, dependencies[label]) for label, spec in specs.items()]
    yield _scores_stage(folder, jobs, reporter)
    yield _maps_stage(folder, config, inputs, specs, reporter)

    def tables(executor: Executor) -> None:
        results = [read_aligned(folder.aligned(label), label) for label in specs]
        for line in write_alignment_tables(folder, config, inputs, results):
            reporter.say(line)

    yield table_stage(
        "align",
        folder,
        reporter,
        dependencies=lambda: joint_dependencies(dependencies),
        files=folder.tables,
        work=tables,
        command="align",
        after=("scores", "maps"),
        of="tables",
    )


def _scores_stage(
    folder: AlignmentFolder, jobs: list[ChannelsJob], reporter: ProgressReporter
) -> Stage:
    """Score, rank, retain and validate the channels of each backbone."""

    def state(job: ChannelsJob) -> State:
        return folder.ledger.state(channels_entry(job.spec.label), job.dependencies)

    def standing() -> Iterator[Standing]:
        for job in jobs:
            yield Standing.whole(
                job.spec.label, _told(folder, job.spec.label, state(job), "weights", "seen")
            )

    def work(executor: Executor) -> None:
        folder.cache.mkdir(exist_ok=True)
        missing = [job for job in jobs if not state(job).done]
        started = time.perf_counter()
        if executor.pooled and len(missing) > 1:
            inputs = missing[0].inputs
            everything = Chunk(0, tuple(inputs.names))
            tasks = [Task(job, everything) for job in missing]
            share_out(tasks, f"{len(missing)} backbones: scores", executor, reporter)
        else:
            for job in missing:
                job.score(reporter)
        for job in jobs:
            _record_scores(folder, job.spec.label)
        for job in missing:
            warning = folder.backbone_record(job.spec.label)["weights"].get("warning")
            if warning:
                reporter.warn(f"{job.spec.label}: {warning}")
        if missing:
            folder.record_stage("scores", "", started)
        else:
            reporter.say("scores: already done")

    return Stage("scores", "align", standing, work, shared={"scores": "backbones"})


def _record_scores(folder: AlignmentFolder, label: str) -> None:
    """Write into the record what the ledger holds of a backbone's scores."""
    held, made = folder.backbone_record(label), folder.ledger.notes(channels_entry(label))["record"]
    if any(held.get(name) != value for name, value in made.items()):
        folder.record(backbones={label: {**held, **made}})


def _maps_stage(
    folder: AlignmentFolder,
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    specs: Mapping[str, NetworkSpec],
    reporter: ProgressReporter,
) -> Stage:
    def standing() -> Iterator[Standing]:
        for label, spec in specs.items():
            store = alignment_store(config, inputs, spec)
            one = chunks_standing(label, store, len(inputs.names))
            yield replace(one, state=_told(folder, label, one.state, *MAPS_RECORD))
        yield Standing.whole("index", index_state(folder.root, folder.maps.name))

    def work(executor: Executor) -> None:
        started = time.perf_counter()
        made = map_alignment(folder, config, inputs, specs, executor, reporter)
        index_store(folder.root, folder.maps.name)
        if made:
            folder.record_stage("maps", "", started)

    return Stage("maps", "align", standing, work, ("scores",), {"maps": "images"})


def _told(folder: AlignmentFolder, label: str, state: State, *names: str) -> State:
    """A state, or that `provenance.json` lacks what a finished backbone's report needs."""
    if state.done and not set(names) <= set(folder.backbone_record(label)):
        return State("damaged", f"provenance.json says too little of {label}")
    return state
