"""The explainers by name, with the options of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import pandas as pd

from aisthesis.explainers.base import Explainer, optional
from aisthesis.explainers.own import own_explainer
from aisthesis.names.explainer_table import EXPLAINER_TABLE, ExplainerKind
from aisthesis.names.explainers import BASE, checked_names

__all__ = [
    "TITLES",
    "explainer_table",
    "explainers_named",
    "libraries_behind",
    "require_libraries",
]

TITLES = {one.name: one.title for one in EXPLAINER_TABLE.values()}


def explainers_named(
    names: Sequence[str],
    *,
    cells: int = 56,
    integration_steps: int = 32,
    lime_samples: int = 200,
    lime_superpixels: int = 50,
    occlusion_px: int = 32,
    multiscale_px: Sequence[int] = (3, 17, 65),
    stride_px: float | None = None,
    batch_size: int = 8,
) -> list[Explainer]:
    """Make the explainers that are asked for beside AIS and evidence.

    Parameters
    ----------
    names
        Out of `EXPLAINERS`, or of the user's own; those of `BASE` are left out, as exact ablation
        makes them.
    cells
        Rows and columns that the maps of pixel methods are averaged over.
    integration_steps, lime_samples, lime_superpixels, occlusion_px, multiscale_px, stride_px
        Options of the single explainers.
    batch_size
        Images run together.

    Raises
    ------
    RequestError
        For an unknown name; the nearest right one is said.
    """
    given = {
        "cells": cells,
        "integration_steps": integration_steps,
        "lime_samples": lime_samples,
        "lime_superpixels": lime_superpixels,
        "occlusion_px": occlusion_px,
        "multiscale_px": tuple(multiscale_px),
        "stride_px": stride_px,
        "batch_size": batch_size,
    }
    wanted = [name for name in checked_names(names) if name not in BASE]
    return [
        _made(EXPLAINER_TABLE[name], given) if name in EXPLAINER_TABLE else own_explainer(name)
        for name in wanted
    ]


def _made(kind: ExplainerKind, given: Mapping[str, Any]) -> Explainer:
    """Make one of the package's explainers with its options."""
    module, _, attribute = kind.make.partition(":")
    make = getattr(import_module(module), attribute)
    made: Explainer = make(**{name: given[key] for name, key in kind.options.items()})
    return made


def explainer_table() -> pd.DataFrame:
    """Give what is known of each explainer: one row each.

    Columns ``name, title, words, grid, cost, signed, control, options, libraries``.
    """
    columns = ["name", "title", "words", "grid", "cost", "signed", "control", "libraries"]
    rows = [
        {column: getattr(one, column) for column in columns}
        | {"options": tuple(one.options.values())}
        for one in EXPLAINER_TABLE.values()
    ]
    return pd.DataFrame(rows)


def libraries_behind(name: str) -> list[str]:
    """Optional libraries that make an explainer's maps, as they are installed."""
    modules = EXPLAINER_TABLE[name].libraries if name in EXPLAINER_TABLE else ()
    tops = {module.partition(".")[0] for module in modules}
    return sorted({"skimage": "scikit-image"}.get(top, top) for top in tops)


def require_libraries(names: Sequence[str]) -> None:
    """Refuse explainers whose library is not installed, before anything is computed.

    Raises
    ------
    RequestError
        If it is not; the message says what to install.
    """
    for name in names:
        for module in EXPLAINER_TABLE[name].libraries if name in EXPLAINER_TABLE else ():
            optional(module, name)
