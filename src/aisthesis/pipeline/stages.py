"""The stages of a study after the fit, each done once for what it depends on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of
from aisthesis.engine.jobs import Executor, Serial
from aisthesis.engine.ledger import Parts
from aisthesis.memory import plain_memory_errors
from aisthesis.pipeline.agree import agree_backbones, agree_parts
from aisthesis.pipeline.columns import TABLES
from aisthesis.pipeline.ensemble_maps import (
    ensemble_maps,
    ensemble_maps_parts,
    explains_ensembles,
)
from aisthesis.pipeline.faithfulness import faithfulness_parts, measure_faithfulness
from aisthesis.pipeline.human_maps import compare_with_people, human_maps_parts
from aisthesis.pipeline.inputs import Inputs
from aisthesis.pipeline.localise import localise_backbones, localise_parts
from aisthesis.pipeline.methods import compare_methods, methods_parts
from aisthesis.pipeline.network import NetworkSpec
from aisthesis.pipeline.retain import (
    RETAIN_FOLDS,
    RETAIN_REPEATS,
    retain_backbones,
    retain_files,
    retain_parts,
)
from aisthesis.pipeline.top_channels import show_channels, top_channel_parts

__all__ = ["TableStage", "do_stage", "held_stages", "retain_stage", "table_stages"]


@dataclass(frozen=True)
class TableStage:
    """A stage that makes tables out of stored maps.

    Attributes
    ----------
    name : str
        Its piece in the ledger.
    parts : mapping
        What its tables depend on.
    files : tuple of Path
        What it writes, folders with all that is in them.
    work : callable
        Does it.
    after : tuple of str
        Stages that must be done before.
    """

    name: str
    parts: Parts
    files: tuple[Path, ...]
    work: Callable[[], None]
    after: tuple[str, ...] = ("fit", "explain")


def table_stages(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    executor: Executor,
    narrator: Narrator,
) -> Iterator[TableStage]:
    """Give the stages that a study asks for, in their order."""
    yield TableStage(
        "agree",
        agree_parts(folder, config),
        tuple(getattr(folder, name) for name in TABLES),
        lambda: agree_backbones(folder, config, executor, narrator),
    )
    yield TableStage(
        "methods",
        methods_parts(folder, config),
        (folder.methods,),
        lambda: compare_methods(folder, config, narrator),
    )
    yield TableStage(
        "channels",
        top_channel_parts(folder, config),
        (folder.top_channels,),
        lambda: show_channels(folder, config, inputs, narrator),
    )
    if explains_ensembles(folder, config):
        yield TableStage(
            "ensemble maps",
            ensemble_maps_parts(folder, config),
            (folder.ensemble_maps, folder.ensemble),
            lambda: ensemble_maps(folder, config, inputs, narrator),
        )
    if config.masks is not None:
        yield TableStage(
            "localise",
            localise_parts(folder, config) | {"ratings": inputs.parts["ratings"]},
            (folder.localisation,),
            lambda: localise_backbones(folder, config, inputs, narrator),
        )
    if config.human_maps is not None:
        yield TableStage(
            "human maps",
            human_maps_parts(folder, config) | {"ratings": inputs.parts["ratings"]},
            (folder.human_maps,),
            lambda: compare_with_people(folder, config, inputs, narrator),
        )
    tested = faithfulness_parts(folder, config)
    if tested is not None:
        yield TableStage(
            "faithfulness",
            tested,
            (folder.faithfulness, folder.cascade),
            lambda: measure_faithfulness(folder, config, inputs, narrator),
        )


def retain_stage(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    specs: Mapping[str, NetworkSpec],
    validation: tuple[int, int],
    narrator: Narrator,
) -> TableStage:
    """Give the stage that keeps the best channels, with folds and repeats of its validation."""
    folds, repeats = validation
    return TableStage(
        "retain",
        retain_parts(config, inputs, specs, folds, repeats),
        tuple(retain_files(folder).values()),
        lambda: retain_backbones(
            folder, config, inputs, folds=folds, repeats=repeats, narrator=narrator
        ),
        after=("fit",),
    )


def held_stages(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    specs: Mapping[str, NetworkSpec],
    narrator: Narrator,
) -> Iterator[TableStage]:
    """Give the stages that a study asks for, and `retain` where it was asked for by command."""
    yield from table_stages(folder, config, inputs, Serial(), narrator)
    held = folder.ledger.parts("retain")
    if held:
        try:
            validation = int(held["folds"]), int(held["repeats"])
        except (KeyError, ValueError):  # not as we write it
            validation = RETAIN_FOLDS, RETAIN_REPEATS
        yield retain_stage(folder, config, inputs, specs, validation, narrator)


def do_stage(folder: StudyFolder, stage: TableStage, narrator: Narrator) -> None:
    """Do a stage unless it is done for what it depends on and its tables are intact."""
    if folder.ledger.state(stage.name, stage.parts).done:
        narrator.say(f"{stage.name}: already done")
        return
    started = time.perf_counter()
    with plain_memory_errors(stage.name):
        stage.work()
    folder.ledger.enter(stage.name, stage.parts, _files(stage.files))
    folder.record_stage(stage.name, digest_of(dict(stage.parts)), started)


def _files(paths: tuple[Path, ...]) -> list[Path]:
    """The files that are there, those in folders too."""
    found = [[path] if path.is_file() else sorted(path.rglob("*")) for path in paths]
    return [path for each in found for path in each if path.is_file()]
