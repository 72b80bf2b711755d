"""The stages of a study of ratings, in their order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain

from aisthesis.backbones import Backbone
from aisthesis.execution.jobs import Executor
from aisthesis.execution.processes import threads_of
from aisthesis.execution.progress import ProgressReporter
from aisthesis.store.folder import StudyFolder
from aisthesis.store.store_index import index_state, index_store
from aisthesis.studies.ratings.comparing.agree import agree_backbones, agree_dependencies
from aisthesis.studies.ratings.comparing.columns import TABLES
from aisthesis.studies.ratings.comparing.ensemble_maps import (
    ensemble_maps,
    ensemble_maps_dependencies,
    explains_ensembles,
)
from aisthesis.studies.ratings.comparing.methods import compare_methods, methods_dependencies
from aisthesis.studies.ratings.explaining.embed_and_keep import tasks_that_keep
from aisthesis.studies.ratings.explaining.explain import Studied, images_of, maps_store
from aisthesis.studies.ratings.explaining.explainers import (
    asked_explainers,
    explain_by_others,
    explainer_store,
)
from aisthesis.studies.ratings.explaining.stage import explain_backbones
from aisthesis.studies.ratings.fitting.fit import Fit
from aisthesis.studies.ratings.inputs.together import share_embeddings
from aisthesis.studies.ratings.retaining.retain import (
    RETAIN_FOLDS,
    RETAIN_REPEATS,
    retain_backbones,
    retain_dependencies,
    retain_files,
)
from aisthesis.studies.ratings.showing.layer_outputs import LayerOutputs
from aisthesis.studies.ratings.showing.top_channels import (
    keep_channels,
    show_channels,
    top_channel_dependencies,
)
from aisthesis.studies.ratings.testing.faithfulness import (
    faithfulness_dependencies,
    measure_faithfulness,
)
from aisthesis.studies.ratings.testing.human_maps import (
    check_human_maps,
    compare_with_people,
    human_maps_dependencies,
)
from aisthesis.studies.ratings.testing.localise import localise_backbones, localise_dependencies
from aisthesis.studies.shared.ablation_plans import Plans
from aisthesis.studies.shared.stage import Stage, Standing, chunks_standing, table_stage

__all__ = ["rating_stages", "retain_stage", "retained_before"]


def rating_stages(studies: Sequence[Studied], reporter: ProgressReporter) -> Iterator[Stage]:
    """Give the stages that a study asks for; each is to be done before the next is asked for.

    Parameters
    ----------
    studies : sequence of Studied
        One for each property of the images; their maps come out of one pass of each trunk.
    reporter : ProgressReporter
        Who tells of what is done for all of them.
    """
    for one in studies:
        yield _fit_stage(one, [each.folder for each in studies])
    yield _explain_stage(studies, reporter)
    for one in studies:
        yield from _table_stages(one)


def _fit_stage(one: Studied, sharing: Sequence[StudyFolder]) -> Stage:
    keeping = partial(tasks_that_keep, one.config)
    fit = Fit(one.folder, one.config, one.inputs, dict(one.specs), one.reporter, keeping)

    def work(executor: Executor) -> None:
        check_human_maps(one.config, one.inputs)
        share_embeddings(sharing)
        with threads_of(executor):
            fit.run(executor)

    return replace(fit.stage, work=work)


def _explain_stage(studies: Sequence[Studied], reporter: ProgressReporter) -> Stage:
    def work(executor: Executor) -> None:
        started = time.perf_counter()
        with threads_of(executor):
            new = explain_backbones(studies, executor, reporter, _look)
        for one, made in zip(studies, new, strict=True):
            _explain_by_others(one, executor, started, made=made)

    def standing() -> Iterator[Standing]:
        return chain.from_iterable(_explained(one) for one in studies)

    return Stage("explain", "explain", standing, work, shared={"explain": "images"})


def _look(one: Studied, label: str, backbone: Backbone, plans: Plans) -> None:
    """Find the channels to look at while the network is loaded."""
    keep_channels(one, label, LayerOutputs(one, label, backbone, plans))


def _show(one: Studied, executor: Executor) -> None:
    with threads_of(executor):
        show_channels(one)


def _explained(one: Studied) -> Iterator[Standing]:
    """How the maps of each network stand, and their index."""
    n, mapped = len(images_of(one)), False
    for label, spec in one.specs.items():
        if one.folder.backbone_record(label).get("predicts_only") or spec.asked.layer == "none":
            continue
        mapped = True
        yield chunks_standing(label, maps_store(one.config, one.inputs, spec), n)
        for explainer in asked_explainers(one.config):
            store = explainer_store(one.config, one.inputs, spec, explainer)
            yield chunks_standing(f"{label} by {explainer.name}", store, n)
    if mapped:
        yield Standing.whole("index", index_state(one.folder.root, one.folder.maps.name))


def _explain_by_others(one: Studied, executor: Executor, started: float, *, made: bool) -> None:
    """Make the maps by other explainers and write down that maps are there."""
    folder = one.folder
    made |= explain_by_others(one.config, one.inputs, one.specs, executor, one.reporter)
    index_store(folder.root, folder.maps.name)
    folder.record(explained={"which": one.config.explain, "n": len(images_of(one))})
    if made or "explain" not in (folder.provenance().get("stages") or {}):
        folder.record_stage("explain", "", started)


def _table_stages(one: Studied) -> Iterator[Stage]:
    folder, config, inputs, reporter = one.folder, one.config, one.inputs, one.reporter
    yield table_stage(
        "agree",
        folder,
        reporter,
        dependencies=lambda: agree_dependencies(folder, config),
        files=[getattr(folder, name) for name in TABLES],
        work=lambda executor: agree_backbones(folder, config, executor, reporter),
        shared={"compare": "images"},
    )
    yield table_stage(
        "methods",
        folder,
        reporter,
        dependencies=lambda: methods_dependencies(folder, config),
        files=[folder.methods],
        work=lambda executor: compare_methods(folder, config, reporter),
    )
    yield table_stage(
        "channels",
        folder,
        reporter,
        dependencies=lambda: top_channel_dependencies(folder, config),
        files=[folder.top_channels],
        work=lambda executor: _show(one, executor),
    )
    if explains_ensembles(folder, config):
        yield table_stage(
            "ensemble maps",
            folder,
            reporter,
            dependencies=lambda: ensemble_maps_dependencies(folder, config),
            files=[folder.ensemble_maps, folder.ensemble],
            work=lambda executor: ensemble_maps(folder, config, inputs, reporter),
        )
    if config.masks is not None:
        yield table_stage(
            "localise",
            folder,
            reporter,
            dependencies=lambda: {
                **localise_dependencies(folder, config),
                "ratings": inputs.dependencies["ratings"],
            },
            files=[folder.localisation],
            work=lambda executor: localise_backbones(one, executor),
            shared={"localise": "images"},
        )
    if config.human_maps is not None:
        yield table_stage(
            "human maps",
            folder,
            reporter,
            dependencies=lambda: {
                **human_maps_dependencies(folder, config),
                "ratings": inputs.dependencies["ratings"],
            },
            files=[folder.human_maps],
            work=lambda executor: compare_with_people(folder, config, inputs, reporter),
        )
    tested = faithfulness_dependencies(folder, config)
    if tested is not None:
        yield table_stage(
            "faithfulness",
            folder,
            reporter,
            dependencies=lambda: tested,
            files=[folder.faithfulness, folder.faithfulness_differences, folder.cascade],
            work=lambda executor: measure_faithfulness(one, executor),
            shared={"faithfulness": "backbones"},
        )


def retain_stage(one: Studied, validation: tuple[int, int]) -> Stage:
    """Give the stage that keeps the best channels, with folds and repeats of its validation."""
    folds, repeats = validation
    return table_stage(
        "retain",
        one.folder,
        one.reporter,
        dependencies=lambda: retain_dependencies(one.config, one.inputs, one.specs, folds, repeats),
        files=list(retain_files(one.folder).values()),
        work=lambda executor: retain_backbones(
            one.folder, one.config, one.inputs, folds=folds, repeats=repeats, reporter=one.reporter
        ),
        command="retain",
        after=("fit",),
    )


def retained_before(folder: StudyFolder) -> tuple[int, int] | None:
    """Folds and repeats that `retain` was asked for; None where it was not."""
    held = folder.ledger.dependencies("retain")
    if not held:
        return None
    try:
        return int(held["folds"]), int(held["repeats"])
    except (KeyError, ValueError):  # not as we write it
        return RETAIN_FOLDS, RETAIN_REPEATS
