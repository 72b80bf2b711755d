"""What of a study of similarity judgments is done, stale, damaged or to do, and why."""

from __future__ import annotations

from aisthesis.alignment_config import AlignmentConfig
from aisthesis.config import slug
from aisthesis.engine.alignment_folder import AlignmentFolder
from aisthesis.engine.ledger import State
from aisthesis.engine.store_index import index_state
from aisthesis.pipeline.align import align_parts
from aisthesis.pipeline.align_inputs import AlignmentInputs

__all__ = ["alignment_status", "maps_piece", "record_state"]


def maps_piece(label: str) -> str:
    """What the ledger calls a backbone's maps."""
    return f"maps.zarr/{slug(label)}"


def record_state(folder: AlignmentFolder, label: str) -> State:
    """Whether `provenance.json` says what a finished backbone's report needs."""
    held = folder.backbone_record(label)
    if {"weights", "seen", "places"} <= set(held):
        return State("done")
    return State("damaged", f"provenance.json says too little of {label}")


def alignment_status(
    folder: AlignmentFolder, config: AlignmentConfig, inputs: AlignmentInputs
) -> list[tuple[str, str, str, int, int, str]]:
    """Compare what is in a study's folder with what it would be made from now, as rows.

    The digest of every file that the study has made is computed again.
    """
    parts, ledger = align_parts(config, inputs), folder.ledger
    found = []
    for asked in config.backbones:
        state = ledger.state(maps_piece(asked.label), parts)
        if state.done:
            state = record_state(folder, asked.label)
        found.append(("maps", asked.label, state))
    found.append(("maps", "index", index_state(folder.root, folder.maps.name)))
    tables = ledger.state("align", parts)
    unfinished = next((row for row in found if not row[2].done), None)
    if tables.done and unfinished is not None:
        tables = State("stale", f"{unfinished[0]} of {unfinished[1]} is {unfinished[2].kind}")
    found.append(("align", "tables", tables))
    return [(stage, of, s.kind, int(s.done), 1, s.why) for stage, of, s in found]
