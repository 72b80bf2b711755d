"""What of a study is done, stale, damaged or to do, and why."""

from __future__ import annotations

from collections.abc import Iterator

from aisthesis.config import StudyConfig
from aisthesis.engine import Narrator, StudyFolder
from aisthesis.engine.chunk_store import ChunkStore
from aisthesis.engine.ledger import State
from aisthesis.engine.store_index import index_state
from aisthesis.pipeline.explain import explained_images, maps_store
from aisthesis.pipeline.explainers import asked_explainers, explainer_store
from aisthesis.pipeline.fit import Fit
from aisthesis.pipeline.inputs import Inputs
from aisthesis.pipeline.network import NetworkSpec
from aisthesis.pipeline.stages import held_stages

__all__ = ["STATUS_COLUMNS", "Row", "study_status"]

STATUS_COLUMNS = ("stage", "of", "state", "done", "total", "why")

Row = tuple[str, str, str, int, int, str]


def study_status(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, narrator: Narrator
) -> list[Row]:
    """Compare what is in a study's folder with what it would be made from now.

    The digest of every file that the study has made is computed again.
    """
    specs = {asked.label: NetworkSpec.of(config, asked) for asked in config.backbones}
    rows = [*_fit_rows(folder, config, inputs, specs, narrator)]
    rows += _map_rows(folder, config, inputs, specs)
    if any(row[0] == "explain" for row in rows):
        rows.append(_row("explain", "index", index_state(folder.root, folder.maps.name)))
    open_rows = [row for row in rows if row[2] != "done"]
    for stage in held_stages(folder, config, inputs, specs, narrator):
        state = folder.ledger.state(stage.name, stage.parts)
        unfinished = next((row for row in open_rows if row[0] in stage.after), None)
        if state.done and unfinished is not None:
            state = State("stale", f"{unfinished[0]} of {unfinished[1]} is {unfinished[2]}")
        rows.append(_row(stage.name, "all backbones", state))
    return rows


def _fit_rows(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    specs: dict[str, NetworkSpec],
    narrator: Narrator,
) -> Iterator[Row]:
    fit = Fit(folder, config, inputs, specs, narrator)
    states = fit.state()
    tables = states.pop("")
    for label, state in states.items():
        done = config.seeds if state.done else len(fit.heads_done(label))
        yield ("fit", label, state.kind, done, config.seeds, state.why)
    yield _row("fit", "tables", tables)


def _map_rows(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, specs: dict[str, NetworkSpec]
) -> Iterator[Row]:
    n = len(explained_images(config, inputs))
    for label, spec in specs.items():
        if folder.backbone_record(label).get("predicts_only") or spec.asked.layer == "none":
            continue
        yield _chunk_row("explain", label, maps_store(config, inputs, spec), n)
        for one in asked_explainers(config):
            store = explainer_store(config, inputs, spec, one)
            yield _chunk_row("explain", f"{label} by {one.name}", store, n)


def _chunk_row(stage: str, of: str, store: ChunkStore, n_images: int) -> Row:
    """Count the finished chunks of a group."""
    group = store.ledger.state(store.group, store.parts)
    total = len(store.numbers(n_images))
    if not group.done:
        return (stage, of, group.kind, 0, total, group.why)
    missing = store.missing(n_images)
    if not missing:
        return (stage, of, "done", total, total, "")
    first = store.state_of(missing[0])
    why = first.why if first.kind == "damaged" else f"{len(missing)} of {total} chunks are not done"
    return (stage, of, first.kind, total - len(missing), total, why)


def _row(stage: str, of: str, state: State) -> Row:
    return (stage, of, state.kind, int(state.done), 1, state.why)
