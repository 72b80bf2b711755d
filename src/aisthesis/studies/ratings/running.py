"""How far a run is that is at work: from what it has finished, without reading an image."""

from __future__ import annotations

from collections.abc import Iterator

import zarr

from aisthesis.config import StudyConfig
from aisthesis.names.labels import slug
from aisthesis.store.chunk_store import chunks_of
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.ratings.comparing.columns import TABLES
from aisthesis.studies.shared.rows import Row

__all__ = ["running_rows"]


def running_rows(folder: StudyFolder, config: StudyConfig, who: str) -> list[Row]:
    """Count heads and chunks of maps that are in the ledger of a study being run.

    Nothing is checked against its images, ratings or weights: that is what the run does. `who`
    says who is at work.
    """
    rows: list[Row] = [("run", "study", "running", 0, 1, who)]
    for backbone in config.backbones:
        label = backbone.label
        entries = list(folder.ledger.names(f"fit/{slug(label)}"))
        rows.append(_row("fit", label, min(len(entries), config.seeds), config.seeds))
        if not folder.backbone_record(label).get("predicts_only") and backbone.layer != "none":
            rows += _map_rows(folder, label)
    made = folder.ledger.dependencies("agree") and all(getattr(folder, n).is_file() for n in TABLES)
    rows.append(_row("agree", "all backbones", int(bool(made)), 1))
    return rows


def _map_rows(folder: StudyFolder, label: str) -> Iterator[Row]:
    group = f"{folder.maps.name}/{slug(label)}"
    total = chunks_of(folder.root / group)
    if total is None:
        yield _row("explain", label, 0, 1)
        return
    yield _row("explain", label, _done(folder, group), total)
    held = zarr.open_group(folder.root / group, mode="r", use_consolidated=False)
    for name, _ in sorted(held.groups()):
        inner = f"{group}/{name}"
        within = chunks_of(folder.root / inner) or 1
        yield _row("explain", f"{label} by {name}", _done(folder, inner), within)


def _done(folder: StudyFolder, group: str) -> int:
    names = (entry.rpartition("/")[2] for entry in folder.ledger.names(group))
    return sum(name.isdecimal() for name in names)


def _row(stage: str, of: str, done: int, total: int) -> Row:
    done = min(done, total)
    return (stage, of, "done" if done == total else "to do", done, total, "")
