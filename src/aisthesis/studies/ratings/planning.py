"""What a study of ratings is measured on for its plan, and what its stages ask of a network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.faithfulness import faithfulness_values
from aisthesis.faithfulness.channel_removal import channel_sets_tested
from aisthesis.heads import FitOptions, RatingEnsemble, fit_mlp
from aisthesis.images import ImageFolder
from aisthesis.importance.retention import sizes_to_try
from aisthesis.judgments.ratings.matching import match
from aisthesis.judgments.ratings.split_file import read_split
from aisthesis.studies.ratings.comparing.agree import mapped_labels
from aisthesis.studies.ratings.explaining.explain import explained_images
from aisthesis.studies.ratings.explaining.explainers import (
    asked_explainers,
    image_seeds,
    maps_by,
    subject_of,
)
from aisthesis.studies.ratings.explaining.kept_activations import may_keep
from aisthesis.studies.ratings.inputs.reading import ratings_of
from aisthesis.studies.ratings.retaining.retain import RETAIN_FOLDS, RETAIN_REPEATS
from aisthesis.studies.ratings.showing.top_channels import CHANNELS, IMAGES
from aisthesis.studies.ratings.testing.faithfulness import (
    DEFAULT_IMAGES,
    images_asked,
    processes_for,
)
from aisthesis.studies.ratings.testing.localise import processes_allowed
from aisthesis.studies.ratings.testing.tested import (
    TestedImages,
    TestedNetwork,
    made_again,
    remade_images,
)
from aisthesis.studies.shared.expected_cost import FEWEST, Beside, Sample, Uses
from aisthesis.studies.shared.network import NetworkSpec
from aisthesis.studies.shared.network_costs import (
    DECLARED,
    Cost,
    NetworkCosts,
    Stopwatch,
    network_costs,
)

__all__ = ["rated_sample"]

_OTHER = "maps by "  # before an explainer's name, in a network's pieces
_AGAIN = "maps made again"  # one of each explainer that is cheap enough
#: Where faithfulness is not asked for, it is measured if so much time is left.
_SECONDS_OF_FAITHFULNESS = 10.0


def rated_sample(config: StudyConfig, study_of: Callable[[StudyConfig], Any]) -> Sample:
    """Rated images to measure a study on, and how the study of some of them is made."""
    folder = ImageFolder(config.images)
    ratings = ratings_of(config, folder)
    held = set(ratings.mean["image"])
    names = [name for name in match(ratings, folder, unrated="ignore") if name in held]
    source = ratings.mean if ratings.single is None else ratings.single
    # Masks and maps of people need be there only for the images that the study explains.
    explain = config.explain if config.masks or config.human_maps else "all"

    def study(
        some: list[str], place: Path, backbones: tuple[BackboneConfig, ...], n_explained: int
    ) -> Any:
        table = place / "ratings.csv"
        source[source["image"].isin(some)].to_csv(table, index=False)
        kept = may_keep(config.keep_activations, n_explained)
        changed = {
            "ratings": table, "out": place / "study", "unrated": "ignore", "engine": "serial",
            "columns": type(config.columns)(), "image_list": None, "split": None,
            "backbones": backbones, "explain": explain,
            "keep_activations": "always" if kept else "never",
            "faithfulness": config.faithfulness.model_copy(update={"images": 0}),
        }  # fmt: skip
        return study_of(config.model_copy(update=changed))

    return Sample(
        "rated",
        folder,
        names,
        config.backbones,
        FEWEST,
        (_explained_share(config, folder), 1.0 if explain == "all" else config.test),
        study,
        partial(_network, config, folder),
        partial(_uses, config),
        partial(_beside, config),
    )


def _explained_share(config: StudyConfig, folder: ImageFolder) -> float:
    if config.explain == "all":
        return 1.0
    if config.split is None:
        return config.test
    listed = read_split(config.split, folder)
    return len(listed.test) / len(listed.names)


def _network(
    config: StudyConfig,
    folder: ImageFolder,
    asked: BackboneConfig,
    names: Sequence[str],
    share_s: float,
) -> NetworkCosts:
    def model_on(backbone: Backbone) -> tuple[nn.Module, Sequence[nn.Module]]:
        heads = _heads(config, backbone)
        return RatingEnsemble(backbone.trunk, heads).to(backbone.device), heads

    return network_costs(
        asked.label, NetworkSpec.of(config, asked).build, model_on, folder, names,
        places=config.places, batch_size=config.batch_size, share_s=share_s,
        also=partial(_explainers, config),
    )  # fmt: skip


def _heads(config: StudyConfig, backbone: Backbone) -> list[nn.Module]:
    """As many heads as the study has, hardly fitted, to nothing."""
    rng = np.random.default_rng(0)
    z = torch.from_numpy(rng.normal(size=(16, backbone.embedding_dim)).astype(np.float32))
    y = torch.from_numpy(rng.normal(size=16))
    options = FitOptions(**(config.fit.model_dump() | {"epochs": 1}))
    with torch.enable_grad():
        return [
            fit_mlp(z, y, np.arange(12), np.arange(12, 16), options, seed=seed).head
            for seed in range(config.seeds)
        ]


def _explainers(
    config: StudyConfig,
    backbone: Backbone,
    heads: Sequence[nn.Module],
    pixels: Tensor,
    forward: Cost,
    watch: Stopwatch,
) -> tuple[dict[str, Cost], list[str]]:
    """What each other explainer takes for an image, and all that are made again at once."""
    subject = subject_of(backbone, heads)
    subject.model.to(backbone.device)
    found = {}
    explainers = asked_explainers(config)
    seeds = image_seeds(config.seed, backbone.name, ["one"])
    for one in explainers:
        expected = one.passes(subject) * forward.seconds
        if expected < watch.left / (2 * len(explainers)):
            with torch.enable_grad():
                found[one.name] = watch.several(
                    lambda one=one: maps_by(one, subject, pixels[:1], seeds)  # type: ignore[misc]
                )
        else:
            found[one.name] = Cost(expected, DECLARED)
    again = [found[one.name] for one in made_again(explainers, subject)]
    total = sum(one.seconds for one in again)
    error = sum(one.seconds * one.error for one in again) / total if total else 0.0
    notes = [
        f"{name} was not run and counts as the forward passes that it declares"
        for name, cost in found.items()
        if cost.error == DECLARED
    ]
    costs = {_OTHER + name: cost for name, cost in found.items()}
    return costs | {_AGAIN: Cost(total, error)}, notes


def _uses(config: StudyConfig, network: NetworkCosts, n_explained: int) -> dict[str, Uses]:
    """What every stage asks of a network, by the name of its time."""
    embed = Uses({"build": 1}, {"forward": 1})
    if not network.channels:
        return {"embed": embed}
    others = dict.fromkeys((name for name in network.pieces if name.startswith(_OTHER)), 1.0)
    removal = {"channels": 1.0, "places": 1.0}
    # A network that kept its activations while it embedded does not run again.
    kept = may_keep(config.keep_activations, n_explained)
    first = {} if kept else {"forward": 1.0}
    shown = 0 if kept else min(CHANNELS * IMAGES, n_explained)
    tested = _tested(config, n_explained)
    again = remade_images(config, tested)
    n_heads = config.seeds + RETAIN_FOLDS * RETAIN_REPEATS
    n = len(config.backbones)
    drawn = float(config.randomised)
    return {
        "embed": embed,
        "explain": Uses(
            {"build": 1 + bool(others), "trial": 1, "forward": shown}, removal | first | others
        ),
        "localise": Uses(
            {"build": drawn}, {"forward": drawn, "channels": drawn, "places": drawn},
            _faster(processes_allowed(config)),
        ),
        "faithfulness": Uses(
            {"build": 1, "trial": 1, _AGAIN: again, "forward": 4 * again}
            | dict.fromkeys(removal, 2 * again),  # of each, AIS and evidence
            {"forward": 2, "set": channel_sets_tested(network.channels, 2)},
            _faster(processes_for(config, n, tested)),
        ),
        "retain": Uses(
            {"build": 1, "trial": 0.8},  # of channels alone
            {"forward": 2, "channels": 1, "set": n_heads * len(sizes_to_try(network.channels))},
        ),
    }  # fmt: skip


def _tested(config: StudyConfig, n_explained: int) -> int:
    """Images whose maps are tested, or would be."""
    return min(images_asked(config) or DEFAULT_IMAGES, n_explained)


def _faster(processes: int) -> float:
    """How much faster so many processes are, that share the threads of this one."""
    threads = torch.get_num_threads()
    return processes * max(1, threads // processes) / threads


def _beside(
    config: StudyConfig, made: Any, n_images: int, n_explained: int, left_s: float
) -> list[Beside]:
    """Measure faithfulness on the first network that has maps; retention is like other stages."""
    labels = mapped_labels(made.folder, made.config)
    if not labels:
        return []
    # Every head of a fold is fitted as those of the study are, and every image is read twice.
    folds = RETAIN_FOLDS * RETAIN_REPEATS
    retain = Beside(
        "retain", 0.0, n_images, False, like={"heads": folds / config.seeds, "embed": 2.0}
    )
    asked = images_asked(config) > 0
    if not asked and left_s < _SECONDS_OF_FAITHFULNESS:
        return [retain]
    tested = _tested(config, n_explained)
    seconds, forwards = _faithfulness(made, config, labels[0])
    seconds /= _faster(processes_for(config, len(config.backbones), tested))
    return [Beside("faithfulness", seconds, tested, asked, forwards), retain]


def _faithfulness(made: Any, config: StudyConfig, label: str) -> tuple[float, float]:
    """Seconds that perturbing an image takes on a stand-in, and how many images that gives.

    All steps are done with the cheapest baseline; the others are timed on few of them.
    """
    options = config.faithfulness
    index = explained_images(made.config, made.inputs)[:1]
    asked = next(one for one in made.config.backbones if one.label == label)
    images = TestedImages.of(made.inputs, index, np.zeros(1, dtype=np.intp))
    tested = TestedNetwork(made.folder, made.config, asked, images)
    passed = 0

    def model(images: Tensor) -> Tensor:
        nonlocal passed
        passed += len(images)
        return images.mean((1, 2, 3))

    def perturb(maps: dict[str, Any], baseline: str, steps: int, squares: int) -> tuple[float, int]:
        before, started = passed, time.perf_counter()
        faithfulness_values(
            model, tested.pixels, maps, baselines=(baseline,), n_steps=steps, n_squares=squares,
            cell_px=options.cell_px, batch_size=4 * config.batch_size,
            n_random=min(3, steps - 1),
        )  # fmt: skip
        return time.perf_counter() - started, passed - before

    took, each = perturb(dict(tested.maps), "mean", options.steps, options.squares)
    seconds = took if "mean" in options.baselines else 0.0
    first = dict(list(tested.maps.items())[:1])
    for baseline in options.baselines:
        if baseline != "mean":
            took, few = perturb(first, baseline, 2, options.squares // 10)
            seconds += took * each / few
    return seconds, float(each * len(options.baselines))
