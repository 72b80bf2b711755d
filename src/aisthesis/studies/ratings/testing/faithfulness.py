"""Whether the stored maps are true to their networks.

`faithfulness.csv`, `faithfulness_differences.csv` and `cascade.csv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from aisthesis.agreement.chance import sampled
from aisthesis.config import StudyConfig
from aisthesis.execution.cores import cores
from aisthesis.execution.jobs import Chunk, Executor, Task, share_out
from aisthesis.execution.processes import or_processes
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
from aisthesis.studies.ratings.explaining.explain import Studied, explained_images
from aisthesis.studies.ratings.testing.tested import TestedImages, measure_backbone
from aisthesis.studies.shared.devices import choose_device

__all__ = [
    "FaithfulnessJob",
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


@dataclass(frozen=True)
class FaithfulnessJob:
    """Tests one backbone's maps and keeps its rows: a network is one task.

    Attributes
    ----------
    kept : KeptTables
        Where its rows are kept: more backbones do not change them.
    config : StudyConfig
    images : TestedImages
    """

    kept: KeptTables
    config: StudyConfig
    images: TestedImages

    @classmethod
    def of(
        cls, folder: StudyFolder, config: StudyConfig, label: str, images: TestedImages
    ) -> FaithfulnessJob:
        """The job of one backbone of a study."""
        parts = faithfulness_dependencies(folder, config, label) or {}
        names = ("rows", "differences", "cascade")
        return cls(KeptTables(folder, "faithfulness", label, parts, names), config, images)

    @property
    def task(self) -> Task:
        """All that the job does; its images are counted."""
        return Task(self, Chunk(0, self.images.names))

    @property
    def identity(self) -> str:
        """Equal where network and maps are."""
        kept = self.kept
        return digest_of("faithfulness", str(kept.folder.root), kept.label, dict(kept.dependencies))

    def load(self) -> None:
        """Load nothing: no other task needs the network."""

    def work(self, loaded: None, chunk: Chunk) -> None:
        """Test the maps and keep the rows."""
        self.measure()

    def measure(self, reporter: ProgressReporter | None = None) -> None:
        """Test the maps, tell how far that is, and keep the rows."""
        kept = self.kept
        found = measure_backbone(kept.folder.root, self.config, kept.label, self.images, reporter)
        kept.keep(
            {"rows": found.faithfulness, "differences": found.differences, "cascade": found.cascade}
        )


def measure_faithfulness(one: Studied, executor: Executor) -> None:
    """Test every stored map of a sample of the explained images on its own network.

    Changes of the prediction are in SDs of the human ratings. A centre prior and random maps stand
    beside every method as controls. In the cascade the network's weights are made random, from the
    output to the input, and the maps are compared with those of the intact network. Workers share
    the networks; without any, much work is shared out among processes here, with the same results
    but for rounding.
    """
    folder, config = one.folder, one.config
    chosen = explained_images(config, one.inputs)
    places = np.sort(sampled(len(chosen), images_asked(config), config.seed))
    images = TestedImages.of(one.inputs, chosen[places], places)
    every = [
        FaithfulnessJob.of(folder, config, label, images) for label in method_keys(folder, config)
    ]
    missing = [job for job in every if not job.kept.done]
    if missing:
        _measure(missing, executor, one.reporter)
    found = [job.kept.read() for job in every]
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


def _measure(
    jobs: Sequence[FaithfulnessJob], executor: Executor, reporter: ProgressReporter
) -> None:
    """Have networks tested, by whom it is worth."""
    config, n_images = jobs[0].config, len(jobs[0].images.names)
    n_processes = processes_for(config, len(jobs), n_images)
    labels = [job.kept.label for job in jobs]
    at_once = config.workers or len(jobs) if executor.pooled else n_processes
    folder = jobs[0].kept.folder
    reporter.say(_cost(folder, config, labels, n_images, min(at_once, len(jobs))))
    threads = max(1, torch.get_num_threads() // n_processes)
    with or_processes(executor, n_processes, threads) as workers:
        if workers.pooled:
            share_out([job.task for job in jobs], "faithfulness", workers, reporter)
            return
    for job in jobs:
        job.measure(reporter)


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


def processes_for(config: StudyConfig, n_backbones: int, n_images: int) -> int:
    """Processes that are worth their start: one where there is little to do, or a GPU does it."""
    options = config.faithfulness
    perturbed = n_backbones * n_images * len(options.baselines) * options.steps
    if choose_device(config.device).type != "cpu" or perturbed < WORTH_PROCESSES:
        return 1
    return max(1, min(MOST_PROCESSES, cores(), n_backbones))
