"""The index of a zarr store: the metadata of all its groups in one place, and who lies where.

With it xarray opens the store, and every group of it, at once and without a warning. It is a copy,
so it is made last, when all groups are whole; the library itself reads the groups' own metadata.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import zarr

from aisthesis.provenance.code import code_dependencies
from aisthesis.store.files import plain_errors, write_text
from aisthesis.store.folder import digest_of
from aisthesis.store.ledger import Ledger, State

__all__ = [
    "consolidate",
    "group_attributes",
    "index_state",
    "index_store",
    "make_plain_root",
]


def group_attributes(path: Path) -> dict[str, Any] | None:
    """Attributes of a zarr group; None where there is no group, or its `zarr.json` is damaged."""
    held = _read(path)
    attributes = None if held is None else held.get("attributes", {})
    return attributes if isinstance(attributes, dict) else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        held = json.loads((path / "zarr.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(held, dict) and held.get("node_type") == "group"
    return held if whole and held.get("zarr_format") == 3 else None


def make_plain_root(path: Path) -> None:
    """Make a store's root whole and without an index: groups in it are about to change."""
    held = _read(path)
    if held is None or held.get("consolidated_metadata") is not None:
        with plain_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        plain = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        write_text(path / "zarr.json", json.dumps(plain, indent=2))


def consolidate(path: Path) -> None:
    """Copy the metadata of all that is in a group into the group's own `zarr.json`."""
    with plain_errors(path), warnings.catch_warnings():
        # zarr says that its third format does not know of it yet; xarray warns where it is not.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path, zarr_format=3)


def index_state(root: Path, store: str) -> State:
    """Whether a store's index is there, right and intact."""
    return Ledger(root).state(store, _dependencies(root / store))


def index_store(root: Path, store: str) -> bool:
    """Index a store unless that is done; say whether there was anything to do.

    Its root's attribute `groups` then gives the group of every backbone by label.

    Parameters
    ----------
    root : Path
        The study's folder.
    store : str
        The store's name in it; where it holds no group, nothing is done.
    """
    ledger, path = Ledger(root), root / store
    groups = sorted(_groups(path), reverse=True)  # what is inside before what it is inside of
    if not groups or index_state(root, store).done:
        return False
    entries = [f"{store}/{group}" for group in groups]
    intact = [entry for entry in entries if ledger.state(entry, ledger.dependencies(entry)).done]
    for group in groups:
        consolidate(path / group)
    make_plain_root(path)
    labels = {
        str((group_attributes(path / group) or {}).get("backbone", group)): group
        for group in reversed(groups)
        if "/" not in group
    }
    with plain_errors(path):
        zarr.open_group(path, mode="r+", use_consolidated=False).attrs["groups"] = labels
    consolidate(path)
    for entry in intact:  # their descriptions have other bytes now
        ledger.enter(entry, ledger.dependencies(entry), ledger.files(entry), **ledger.notes(entry))
    files = [path / "zarr.json", *(path / group / "zarr.json" for group in groups)]
    ledger.enter(store, _dependencies(path), files)
    return True


def _dependencies(path: Path) -> Mapping[str, str]:
    keys = {group: (group_attributes(path / group) or {}).get("key") for group in _groups(path)}
    return {"groups": digest_of(sorted(keys.items()))} | code_dependencies("the index", __name__)


def _groups(path: Path, above: str = "") -> Iterator[str]:
    """Paths of all whole groups in a store, those inside others too."""
    for folder in sorted(path.iterdir()) if path.is_dir() else []:
        if not folder.name.startswith(".") and group_attributes(folder) is not None:
            yield f"{above}{folder.name}"
            yield from _groups(folder, f"{above}{folder.name}/")
