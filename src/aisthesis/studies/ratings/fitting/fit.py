"""From images and ratings to fitted heads, predictions and their scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.execution.jobs import (
    Chunk,
    Executor,
    Serial,
    Task,
    forget,
    in_groups,
    loaded_for,
    share_out,
)
from aisthesis.execution.processes import Processes
from aisthesis.execution.progress import ProgressReporter
from aisthesis.heads import HEAD_START, evaluate
from aisthesis.names.labels import slug
from aisthesis.parts import part_keys
from aisthesis.provenance.code import code_dependencies
from aisthesis.provenance.versions import made_with
from aisthesis.store.files import plain_errors, write_csv, write_csv_parts
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.ledger import State
from aisthesis.studies.ratings.fitting.dead_heads import tell_dead, with_dead
from aisthesis.studies.ratings.fitting.embed import EmbedJob, embedding_tasks
from aisthesis.studies.ratings.fitting.ensemble import Member, ensemble_predictions
from aisthesis.studies.ratings.fitting.heads import (
    HeadsJob,
    fit_inputs,
    fitted_file,
    write_fit_inputs,
)
from aisthesis.studies.ratings.fitting.prediction_differences import prediction_differences
from aisthesis.studies.ratings.fitting.prediction_rows import prediction_rows
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.ratings.inputs.record import warnings_of
from aisthesis.studies.shared.boxes import seen_shares
from aisthesis.studies.shared.memory_format import memory_format
from aisthesis.studies.shared.network import NetworkSpec, joint_dependencies
from aisthesis.studies.shared.stage import Shared, Stage, Standing

__all__ = ["Fit", "fit_dependencies"]

#: Heads times images from which workers share them: fewer take less than a worker's start.
WORTH_WORKERS = 50_000


def fit_dependencies(config: StudyConfig, inputs: Inputs, spec: NetworkSpec) -> dict[str, str]:
    """What a backbone's heads depend on, by name."""
    splits: tuple[Any, ...] = (config.seed, config.test, config.validation)
    if inputs.held_out is not None:
        splits += (inputs.held_out,)
    head = str(config.fit.head)
    return {
        **inputs.dependencies,
        **spec.dependencies,
        "seeds": str(config.seeds),
        "splits": digest_of(splits),
        "options of the fit": digest_of(config.fit.model_dump(mode="json", exclude={"head"})),
        **({"head": digest_of(part_keys("head", [head]))} if head else {}),
        **code_dependencies("the fit", __name__),
    }


@dataclass(frozen=True)
class Fit:
    """The stage that fits all heads and writes `heads/`, `predictions.csv` and `scores.csv`.

    `embedding` gives the tasks that make the embeddings of a network that are missing.
    """

    folder: StudyFolder
    config: StudyConfig
    inputs: Inputs
    specs: dict[str, NetworkSpec]  # by label, in the study's order
    reporter: ProgressReporter
    embedding: Callable[[NetworkSpec, Backbone, Inputs], list[Task]] = embedding_tasks
    _seconds: dict[str, float] = field(default_factory=lambda: {"embed": 0.0, "heads": 0.0})

    def state(self) -> dict[str, State]:
        """State of each backbone's heads by label, and of the tables under an empty label."""
        ledger = self.folder.ledger
        states = {
            label: ledger.state(_entry(label), self._dependencies(label)) for label in self.specs
        }
        for label, state in states.items():
            if state.done and "weights" not in self.folder.backbone_record(label):
                states[label] = State("damaged", f"{self.folder.provenance_file.name} lacks it")
        tables = ledger.state("fit", self._dependencies_of_tables())
        if tables.done and self._has_ensemble and "ensemble" not in self.folder.provenance():
            tables = State("damaged", f"{self.folder.provenance_file.name} lacks the ensemble")
        return {**states, "": tables}

    def heads_done(self, label: str) -> list[int]:
        """Seeds whose heads of a backbone are fitted for what they depend on, and intact."""
        dependencies = self._dependencies_of_a_head(label)
        entries = {s: f"{_entry(label)}/seed{s}" for s in (p.fit_seed for p in self.inputs.splits)}
        return [
            s for s, entry in entries.items() if self.folder.ledger.state(entry, dependencies).done
        ]

    @property
    def stage(self) -> Stage:
        """The stage, for a study's list."""
        shared: dict[str, Shared] = {"embed": "images", "heads": "backbones"}
        return Stage("fit", "fit", self.standing, self.run, shared=shared)

    def standing(self) -> Iterator[Standing]:
        """How the heads of each backbone stand, and the tables."""
        states = self.state()
        tables = states.pop("")
        seeds = self.config.seeds
        for label, state in states.items():
            done = seeds if state.done else len(self.heads_done(label))
            yield Standing(label, state, done, seeds)
        yield Standing.whole("tables", tables)

    @property
    def _has_ensemble(self) -> bool:
        return self.config.ensemble and len(self.specs) > 1

    def run(self, executor: Executor) -> None:
        """Do what is not done."""
        states = self.state()
        if all(state.done for state in states.values()):
            self.reporter.say("fit: already done")
            return
        with plain_errors(self.folder.heads):
            self.folder.heads.mkdir(exist_ok=True)
            self.folder.cache.mkdir(exist_ok=True)
        write_fit_inputs(self.folder, self.inputs)
        missing = [label for label in self.specs if not states[label].done]
        for group in in_groups(missing, pooled=executor.pooled):
            self._fit_group(group, executor)
        if self._has_ensemble:  # it needs the embeddings of all, and the cache may be damaged
            others = [label for label in self.specs if label not in missing]
            self._embed(others, [task for label in others for task in self._tasks(label)], executor)
        started = time.perf_counter()
        self._write_tables()
        fit_inputs(self.folder).unlink(missing_ok=True)
        self._seconds["heads"] += time.perf_counter() - started
        made = {
            stage: {"seconds": round(value, 3), "versions": made_with()}
            for stage, value in self._seconds.items()
        }
        warnings = warnings_of(self.folder, self.config, self.inputs)
        self.folder.record(stages=made, warnings=warnings)

    def _fit_group(self, labels: list[str], executor: Executor) -> None:
        """Embed with several backbones at once, then fit the heads of each."""
        started = time.perf_counter()
        tasks: list[Task] = []
        prepared = {}
        for label in labels:  # once: few networks stay loaded
            backbone = self._backbone(label)
            if backbone.weights.warning:
                self.reporter.warn(f"{label}: {backbone.weights.warning}")
            prepared[label] = self._prepared(label, backbone)
            tasks += self._tasks(label)
        self._embed(labels, tasks, executor)
        embedded = time.perf_counter()
        self._fit_heads({label: job for label, (job, _) in prepared.items()}, executor)
        for label, (job, record) in prepared.items():
            self._finish(label, job, record, started)
        self._seconds["embed"] += embedded - started
        self._seconds["heads"] += time.perf_counter() - embedded

    def _embed(self, labels: list[str], tasks: list[Task], executor: Executor) -> None:
        """Make the embeddings of several backbones that are not there yet, or are damaged."""
        title = labels[0] if len(labels) == 1 else f"{len(labels)} backbones"
        share_out(tasks, f"{title}: embeddings", executor, self.reporter)

    def _backbone(self, label: str) -> Backbone:
        spec = self.specs[label]
        made: Backbone = loaded_for(EmbedJob(spec, Path()))
        return made

    def _tasks(self, label: str) -> list[Task]:
        """What is to be embedded with a backbone."""
        return self.embedding(self.specs[label], self._backbone(label), self.inputs)

    def _heads_job(self, label: str, backbone: Backbone) -> HeadsJob:
        return HeadsJob.of(self.config, label, backbone, self._dependencies_of_a_head(label))

    def _prepared(self, label: str, backbone: Backbone) -> tuple[HeadsJob, dict[str, Any]]:
        """The job that fits a backbone's heads, and the record of the backbone itself."""
        record = _record(backbone, self.specs[label].asked)
        record["seen"] = seen_shares(self.inputs.sizes, backbone.transform, self.inputs.names)
        return self._heads_job(label, backbone), record

    def _fit_heads(self, jobs: dict[str, HeadsJob], executor: Executor) -> None:
        """Fit the heads that are not there yet; many are shared out, by network and seed."""
        tasks = [
            Task(job, Chunk(number, (f"seed {self.config.seed + number}",)))
            for job in jobs.values()
            for number in range(self.config.seeds)
            if not self.folder.ledger.state(job.entry(number), job.dependencies).done
        ]
        started = isinstance(executor, Processes) and executor.started
        worth = started or len(tasks) * len(self.inputs.names) >= WORTH_WORKERS
        title = next(iter(jobs)) if len(jobs) == 1 else f"{len(jobs)} backbones"
        share_out(tasks, f"{title}: heads", executor if worth else Serial(), self.reporter)

    def _finish(self, label: str, job: HeadsJob, record: dict[str, Any], started: float) -> None:
        """Record how a backbone's heads came about, and enter them into the ledger."""
        forget(job)
        numbers = range(self.config.seeds)
        notes = [self.folder.ledger.notes(job.entry(number)) for number in numbers]
        record["fit_seconds"] = round(time.perf_counter() - started, 2)
        seeds = [part.fit_seed for part in self.inputs.splits]
        counts = [int(note["silent"]) for note in notes]
        record["dead_heads"] = with_dead({}, "fit", seeds, counts, len(self.inputs.names))
        tell_dead(self.reporter, label, "fit", record["dead_heads"])
        record["best_epochs"] = [int(note["best_epoch"]) for note in notes]
        begun = (
            {} if self.config.fit.head else HEAD_START
        )  # a head of the user's own begins as it does
        self.folder.record(backbones={label: record}, head_start=begun)
        files = [file for number in numbers for file in job.files(number)]
        self.folder.ledger.enter(_entry(label), self._dependencies(label), files)

    def _write_tables(self) -> None:
        """Write the tables from what was kept of every backbone."""
        scores = []
        every: dict[str, dict[str, NDArray[np.float64]]] = {}
        for label in self.specs:
            every[label] = fitted = self._fitted(label)
            scores.append(_score_rows(self.config, self.inputs, label, fitted))
        if self._has_ensemble:
            members = {label: self._member(label, each["mlp"]) for label, each in every.items()}
            for label, values in ensemble_predictions(
                self.folder, self.config, self.inputs, members, self.reporter
            ):
                every[label] = {"mlp": values}
                scores.append(_score_rows(self.config, self.inputs, label, every[label]))
        for file, head in (
            (self.folder.predictions, "mlp"), (self.folder.ridge_predictions, "ridge")
        ):  # fmt: skip
            of_head = {label: each[head] for label, each in every.items() if head in each}
            write_csv_parts(file, partial(prediction_rows, self.inputs, of_head))
        write_csv(self.folder.scores, pd.concat(scores, ignore_index=True))
        write_csv(self.folder.prediction_differences, _differences(self.config, self.inputs, every))
        files = [
            self.folder.predictions, self.folder.ridge_predictions, self.folder.scores,
            self.folder.prediction_differences,
        ]  # fmt: skip
        self.folder.ledger.enter("fit", self._dependencies_of_tables(), files)

    def _fitted(self, label: str) -> dict[str, NDArray[np.float64]]:
        """Predictions (seeds, images) of a backbone's two kinds of heads."""
        kept: dict[str, list[NDArray[np.float64]]] = {"mlp": [], "ridge": []}
        for part in self.inputs.splits:
            file = fitted_file(self.folder, label, part.fit_seed)
            with np.load(file, allow_pickle=False) as held:
                for kind, values in kept.items():
                    values.append(held[kind])
        return {kind: np.stack(values) for kind, values in kept.items()}

    def _member(self, label: str, values: NDArray[np.float64]) -> Member:
        return Member(loaded_for(self._heads_job(label, self._backbone(label)))[0], values)

    def _dependencies(self, label: str) -> dict[str, str]:
        return fit_dependencies(self.config, self.inputs, self.specs[label])

    def _dependencies_of_a_head(self, label: str) -> dict[str, str]:
        """A head does not depend on how many others there are."""
        return {name: part for name, part in self._dependencies(label).items() if name != "seeds"}

    def _dependencies_of_tables(self) -> dict[str, str]:
        return joint_dependencies({label: self._dependencies(label) for label in self.specs}) | {
            "bootstrap": str(self.config.bootstrap),
            "ensemble": str(self.config.ensemble),
        }


def _entry(label: str) -> str:
    return f"fit/{slug(label)}"


def _score_rows(
    config: StudyConfig, inputs: Inputs, label: str, fitted: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    rows = []
    for head, values in fitted.items():
        for number, split in enumerate(inputs.splits):
            for part in ("train", "validation", "test"):
                index = inputs.indices(getattr(split, part))
                # Intervals describe unseen images: on the images of the fit they would mislead.
                n_boot = config.bootstrap if part == "test" else 0
                rows.append(
                    {"backbone": label, "head": head, "seed": str(split.fit_seed), "split": part}
                    | evaluate(
                        inputs.rating[index],
                        values[number][index],
                        n_boot=n_boot,
                        seed=config.seed,
                    )
                )
        test = inputs.indices(inputs.splits[0].test)
        scores = evaluate(
            inputs.rating[test], values.mean(0)[test], n_boot=config.bootstrap, seed=config.seed
        )
        rows.append({"backbone": label, "head": head, "seed": "mean", "split": "test"} | scores)
    return pd.DataFrame(rows)


def _differences(
    config: StudyConfig, inputs: Inputs, fitted: dict[str, dict[str, NDArray[np.float64]]]
) -> pd.DataFrame:
    """Compare the predictions of the test images, averaged over seeds."""
    test = inputs.indices(inputs.splits[0].test)
    averaged = {
        label: {head: values.mean(0)[test] for head, values in heads.items()}
        for label, heads in fitted.items()
    }
    return prediction_differences(
        inputs.rating[test], averaged, n_boot=config.bootstrap, seed=config.seed
    )


def _record(backbone: Backbone, asked: BackboneConfig) -> dict[str, Any]:
    return {
        "network": backbone.network,
        "name": asked.name,
        "layer": backbone.layer,
        "map_shape": list(backbone.map_shape) if backbone.map_shape else None,
        "embedding": backbone.embedding_dim,
        "input_px": backbone.input_px,
        "parameters": backbone.n_parameters,
        "view": backbone.transform.view,
        "transform": backbone.transform.as_dict(),
        "weights": backbone.weights.as_dict(),
        "fingerprint": backbone.fingerprint,
        "memory_format": memory_format(backbone),
        "predicts_only": backbone.layer is None,
    }
