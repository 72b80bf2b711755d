"""What a study of similarity judgments is measured on for its plan, and asks of its networks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from aisthesis.backbones import Backbone
from aisthesis.config import AlignmentConfig, BackboneConfig
from aisthesis.images import ImageFolder
from aisthesis.importance.similarity import retention_sizes
from aisthesis.studies.shared.expected_cost import FEWEST, Sample, Uses
from aisthesis.studies.shared.network import NetworkSpec
from aisthesis.studies.shared.network_costs import NetworkCosts, network_costs
from aisthesis.studies.similarity.align import SIZES_OF_DENSE
from aisthesis.studies.similarity.inputs import judgments_of, write_judgments

__all__ = ["judged_sample"]

_FEWEST_A_FOLD = 4  # as `fold_numbers` asks


def judged_sample(config: AlignmentConfig, study_of: Callable[[AlignmentConfig], Any]) -> Sample:
    """Judged images to measure a study on, and how the study of some of them is made.

    Of some images, those count that were judged beside another one of them.
    """
    folder = ImageFolder(config.images)
    judged = judgments_of(config, folder)

    def study(
        some: list[str], place: Path, backbones: tuple[BackboneConfig, ...], n_explained: int
    ) -> Any:
        similarities = judged.of(some)
        beside = np.isfinite(similarities.mean).sum(1) > 1
        kept = [name for name, is_judged in zip(some, beside, strict=True) if is_judged]
        write_judgments(place / "judgments.npz", judged.of(kept))
        changed = {
            "judgments": (place / "judgments.npz",), "out": place / "study", "engine": "serial",
            "columns": type(config.columns)(), "image_list": None, "variable": None,
            "kind": "dissimilarity", "backbones": backbones,
        }  # fmt: skip
        return study_of(config.model_copy(update=changed))

    return Sample(
        "judged",
        folder,
        list(judged.names),
        config.backbones,
        max(FEWEST, _FEWEST_A_FOLD * config.folds),
        (1.0, 1.0),
        study,
        partial(_network, config, folder),
        lambda network, n_explained: _uses(config, network),
    )


def _network(
    config: AlignmentConfig,
    folder: ImageFolder,
    asked: BackboneConfig,
    names: Sequence[str],
    share_s: float,
) -> NetworkCosts:
    def model_on(backbone: Backbone) -> tuple[nn.Module, Sequence[nn.Module]]:
        return nn.Sequential(OrderedDict(trunk=backbone.trunk)).eval(), ()

    return network_costs(
        asked.label, NetworkSpec.of(config, asked).build, model_on, folder, names,
        places=config.places, batch_size=config.batch_size, share_s=share_s, whole=True,
    )  # fmt: skip


def _uses(config: AlignmentConfig, network: NetworkCosts) -> dict[str, Uses]:
    """What every stage asks of a network, by the name of its time."""
    each = {"forward": 1.0, "channels": 1.0}
    if network.mixes and config.retained != "columns":
        # Every number of retained channels of every fold is a run of the network's end.
        sizes = retention_sizes(network.channels, min(config.sizes, SIZES_OF_DENSE))
        each["set"] = (1 + config.folds * config.repeats) * len(sizes) + 1.0
    return {
        "scores": Uses({"build": 1, "trial": 0.8}, each),  # of channels alone
        "maps": Uses({"build": 1, "trial": 1.2}, {"forward": 2, "places": 1}),
    }
