"""Whether the stored maps are true to their networks.

`faithfulness.csv`, `faithfulness_differences.csv` and `cascade.csv`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aisthesis.agreement.chance import sampled
from aisthesis.config import StudyConfig
from aisthesis.execution.processes import cores, in_processes
from aisthesis.execution.progress import ProgressReporter, in_units
from aisthesis.faithfulness import CASCADE_COLUMNS, FAITHFULNESS_COLUMNS, METHOD_DIFFERENCE_COLUMNS
from aisthesis.names.explainers import BASE
from aisthesis.provenance.code import code_dependencies
from aisthesis.stats.differences import corrected_over_networks
from aisthesis.store.files import write_csv
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.kept_tables import KeptTables
from aisthesis.studies.ratings.comparing.methods import (
    maps_dependencies,
    method_keys,
    stored_methods,
)
from aisthesis.studies.ratings.explaining.explain import explained_images
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.ratings.testing.tested import measure_backbone
from aisthesis.studies.shared.devices import choose_device

__all__ = [
    "faithfulness_dependencies",
    "images_asked",
    "measure_faithfulness",
    "processes_for",
]

#: Images that are asked where the study file does not say and compares explainers.
DEFAULT_IMAGES = 32
#: Each holds a network and its maps in memory.
MOST_PROCESSES = 2
#: Networks x images x baselines x steps from which several processes are started.
WORTH_PROCESSES = 100


def images_asked(config: StudyConfig) -> int:
    """Most images whose maps are tested: none unless the study asks for other explainers."""
    if config.faithfulness.images is not None:
        return config.faithfulness.images
    return DEFAULT_IMAGES if set(config.explainers) - set(BASE) else 0


def faithfulness_dependencies(
    folder: StudyFolder, config: StudyConfig, only: str | None = None
) -> dict[str, str] | None:
    """What the stage's tables depend on, by name; None where it is not asked for.

    `only` names the one backbone whose rows they are.
    """
    if not images_asked(config) or not method_keys(folder, config):
        return None
    options = config.faithfulness.model_dump(mode="json")
    asked = digest_of(options, images_asked(config), config.bootstrap, config.seed)
    code = code_dependencies("the faithfulness", __name__)
    return maps_dependencies(folder, config, only) | code | {"options of faithfulness": asked}


def measure_faithfulness(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, reporter: ProgressReporter
) -> None:
    """Test every stored map of a sample of the explained images on its own network.

    Changes of the prediction are in SDs of the human ratings. A centre prior and random maps stand
    beside every method as controls. In the cascade the network's weights are made random, from the
    output to the input, and the maps are compared with those of the intact network. Much work is
    shared out among processes, a backbone at a time, with the same results but for rounding.
    """
    chosen = explained_images(config, inputs)
    places = np.sort(sampled(len(chosen), images_asked(config), config.seed))
    kept = {label: _kept(folder, config, label) for label in method_keys(folder, config)}
    jobs = [
        (one, config, inputs, label, chosen[places], places)
        for label, one in kept.items()
        if not one.done
    ]
    n_processes = processes_for(config, len(jobs), len(places))
    if jobs:
        reporter.say(_cost(folder, config, [job[3] for job in jobs], len(places), n_processes))
    if n_processes > 1:
        threads = max(1, torch.get_num_threads() // n_processes)
        with reporter.steps("faithfulness", len(jobs)) as advance:
            in_processes(_measure, jobs, n_processes, threads=threads, advance=advance)
    else:
        for job in jobs:
            _measure(*job, reporter=reporter)
    found = [one.read() for one in kept.values()]
    for name, file, columns in (
        ("rows", folder.faithfulness, FAITHFULNESS_COLUMNS),
        ("differences", folder.faithfulness_differences, METHOD_DIFFERENCE_COLUMNS),
        ("cascade", folder.cascade, ("method", *CASCADE_COLUMNS)),
    ):
        table = pd.concat([each[name] for each in found], ignore_index=True)
        table = table.reindex(columns=["backbone", *columns])
        if name == "rows":
            together = ("measure", "baseline", "control")
            table = corrected_over_networks(table, "difference_p_corrected", together)
        write_csv(file, table)


def _cost(
    folder: StudyFolder, config: StudyConfig, labels: list[str], n_images: int, at_once: int
) -> str:
    """Say what the stage will take, from what the maps took, and how it is made shorter."""
    images, seconds, unknown = 0, 0.0, False
    explained = (folder.provenance().get("explained") or {}).get("n") or 0
    for label in labels:
        methods = len(stored_methods(folder, config, label)) + 4  # activation and controls
        own = perturbed_images(config, n_images, methods)
        images += own
        record = folder.backbone_record(label)
        passes = sum((record.get(k) or {}).get("forward_passes", 0) for k in ("ablation", "places"))
        if explained and passes and record.get("explain_seconds"):
            seconds += own * record["explain_seconds"] / explained / passes
        else:
            unknown = True
    n = f"{len(labels)} network{'s' if len(labels) > 1 else ''}"
    took = "" if unknown else f", about {in_units(seconds / at_once)} and what the cascade takes"
    return (
        f"faithfulness of {n} on {n_images} images, {at_once} at a time: at most {images:,} "
        f"perturbed images{took}; fewer `images`, `steps` or `baselines` under [faithfulness] "
        "make it shorter"
    )


def perturbed_images(config: StudyConfig, n_images: int, n_maps: int) -> int:
    """Most images that are perturbed to test so many maps of one network."""
    options = config.faithfulness
    return n_images * len(options.baselines) * (n_maps * 4 * options.steps + options.squares)


def _kept(folder: StudyFolder, config: StudyConfig, label: str) -> KeptTables:
    """Where a backbone's own rows are kept: more backbones do not change them."""
    parts = faithfulness_dependencies(folder, config, label) or {}
    return KeptTables(folder, "faithfulness", label, parts, ("rows", "differences", "cascade"))


def _measure(
    kept: KeptTables,
    config: StudyConfig,
    inputs: Inputs,
    label: str,
    index: NDArray[np.intp],
    places: NDArray[np.intp],
    reporter: ProgressReporter | None = None,
) -> None:
    """Test a backbone's maps and keep its rows."""
    found = measure_backbone(kept.folder.root, config, inputs, label, index, places, reporter)
    kept.keep(
        {"rows": found.faithfulness, "differences": found.differences, "cascade": found.cascade}
    )


def processes_for(config: StudyConfig, n_backbones: int, n_images: int) -> int:
    """Processes that are worth their start: one where there is little to do, or a GPU does it."""
    options = config.faithfulness
    perturbed = n_backbones * n_images * len(options.baselines) * options.steps
    if choose_device(config.device).type != "cpu" or perturbed < WORTH_PROCESSES:
        return 1
    return max(1, min(MOST_PROCESSES, cores(), n_backbones))
