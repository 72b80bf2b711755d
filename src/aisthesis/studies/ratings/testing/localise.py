"""Where a study has masks of the evidence: do the maps find it?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.config import StudyConfig
from aisthesis.execution.processes import allowed_cores, in_turn_or_processes
from aisthesis.execution.progress import ProgressReporter
from aisthesis.faithfulness import load_masks, localisation_table
from aisthesis.images import Transform
from aisthesis.provenance.code import code_dependencies
from aisthesis.stats.differences import corrected_over_networks
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder, digest_of, digest_of_files
from aisthesis.store.kept_tables import KeptTables
from aisthesis.studies.ratings.comparing.agree import mapped_labels
from aisthesis.studies.ratings.comparing.methods import (
    maps_dependencies,
    mean_maps,
    open_methods,
    stored_methods,
)
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.ratings.testing.randomised import randomised_maps
from aisthesis.studies.shared.devices import choose_device

__all__ = ["localise_backbones", "localise_dependencies", "stored_maps"]


def localise_dependencies(
    folder: StudyFolder, config: StudyConfig, only: str | None = None
) -> dict[str, str]:
    """What the stage's table depends on, by name; `only` names the one backbone of its rows."""
    return maps_dependencies(folder, config, only) | _asked_dependencies(config)


def _asked_dependencies(config: StudyConfig) -> dict[str, str]:
    """What the rows of every backbone depend on: masks, options and code."""
    options = digest_of(config.bootstrap, config.seed, config.randomised)
    masks = digest_of_files(config.masks) if config.masks is not None else "none"
    return code_dependencies("the localisation", __name__) | {"masks": masks, "options": options}


def localise_backbones(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, reporter: ProgressReporter
) -> None:
    """Score every backbone's maps, and their controls, against the masks; `localisation.csv`.

    The masks are in `raising/` and `lowering/` of the study's `masks` folder, one an image.

    Raises
    ------
    RequestError
        If masks are missing, cannot be read or have another shape than their images.
    """
    if config.masks is None:
        return
    labels = mapped_labels(folder, config)
    ratings = {"ratings": inputs.dependencies["ratings"]}
    asked = _asked_dependencies(config) | ratings  # masks are read once
    kept = [
        KeptTables(
            folder, "localise", one, maps_dependencies(folder, config, one) | asked, ("rows",)
        )
        for one in labels
    ]
    jobs = [(one, config, inputs, config.masks) for one in kept if not one.done]
    n_processes = allowed_cores() if _worth_processes(config) else 1
    with reporter.steps("maps against masks", len(jobs)) as advance:
        in_turn_or_processes(_localise, jobs, n_processes, advance)
    if kept:
        tables = [one.read()["rows"] for one in kept]
        table = pd.concat(tables, ignore_index=True)
        table = corrected_over_networks(table, "p_corrected", ("side", "score", "control"))
        write_csv(folder.localisation, table)


def _localise(kept: KeptTables, config: StudyConfig, inputs: Inputs, masks: Path) -> None:
    """Score one backbone's maps and keep its rows: more backbones do not change them."""
    kept.keep({"rows": _localised(kept.folder, config, inputs, masks, kept.label)})


def _worth_processes(config: StudyConfig) -> bool:
    """Whether networks are run, on processors that helper processes can share."""
    return config.randomised > 0 and choose_device(config.device).type == "cpu"


def _localised(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, masks: Path, label: str
) -> pd.DataFrame:
    """Score one backbone's maps."""
    asked = next(backbone for backbone in config.backbones if backbone.label == label)
    names, maps = stored_maps(folder, config, label)
    transform = Transform(**folder.provenance()["backbones"][label]["transform"])
    raising, lowering = (
        load_masks(masks / side, names, transform, inputs.sizes) for side in ("raising", "lowering")
    )
    return localisation_table(
        label,
        maps,
        raising,
        lowering,
        randomised=randomised_maps(folder, config, inputs, asked, names),
        n_resamples=config.bootstrap,
        seed=config.seed,
    )


def stored_maps(
    folder: StudyFolder, config: StudyConfig, label: str
) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
    """Names of the explained images; every method's maps averaged over seeds; the activation."""
    # The centre prior is among the controls of every map.
    methods = [name for name in stored_methods(folder, config, label) if name != "centre"]
    with open_methods(folder, label, methods) as arrays:
        names = [str(name) for name in arrays["image"].values]
        return names, {kind: mean_maps(arrays[kind]) for kind in (*methods, "activation")}
