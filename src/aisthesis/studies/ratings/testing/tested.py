"""One backbone whose stored maps are tested on its own network."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.ablation.plan import ablation_plan
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.execution.progress import ProgressReporter, Silent, in_units
from aisthesis.explainers.base import ExplainedNetwork, Explainer
from aisthesis.faithfulness import (
    cascade_similarity,
    channel_curves,
    channel_table,
    faithfulness_values,
    method_differences,
    sensitivity_table,
    summarised,
)
from aisthesis.images import ImageFolder, batches
from aisthesis.importance.scores import evidence_scores, importance_scores, place_scores
from aisthesis.maps.weighting import weighted_map
from aisthesis.names.explainers import BY_CHANNEL, BY_PLACE, UNSIGNED
from aisthesis.store.folder import StudyFolder
from aisthesis.store.maps_store import open_maps
from aisthesis.studies.ratings.comparing.methods import open_methods, stored_methods
from aisthesis.studies.ratings.comparing.stored import StoredMaps
from aisthesis.studies.ratings.explaining.explainers import (
    asked_explainers,
    image_seeds,
    subject_of,
)
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.ablation_plans import place_plan_for
from aisthesis.studies.shared.network import fitted_backbone, fitted_heads

__all__ = [
    "Measured",
    "TestedImages",
    "TestedNetwork",
    "made_again",
    "measure_backbone",
    "remade_images",
]

_CASCADE_STAGES = 5
#: Forward passes an image that all explainers together may cost which are made for random networks
#: and for images nearby; the cheapest come first.
_MOST_PASSES = 110.0
_NEARBY = 4  # images nearby for each image

#: Makes the maps of images that are, or are nearby, those of the given numbers.
Remade = Callable[[Tensor, Sequence[int]], Tensor]


@dataclass(frozen=True)
class TestedImages:
    """The images whose maps are tested: small, and the same wherever they are sent.

    Attributes
    ----------
    names, ratings : tuple
        Of each; NaN where people did not rate it.
    places : tuple of int
        Of each among the explained images, ascending.
    unit : float
        SD of the human ratings of all images of the study.
    """

    names: tuple[str, ...]
    ratings: tuple[float, ...]
    places: tuple[int, ...]
    unit: float

    @classmethod
    def of(cls, inputs: Inputs, index: NDArray[np.intp], places: NDArray[np.intp]) -> TestedImages:
        """Take images given by their places among all images, and among the explained ones."""
        unit = float(np.std(inputs.rating[inputs.rated])) or 1.0
        names = tuple(inputs.names[i] for i in index)
        return cls(names, tuple(inputs.rating[index].tolist()), tuple(places.tolist()), unit)


class Measured(NamedTuple):
    """One backbone's rows of `faithfulness.csv`, `faithfulness_differences.csv`, `cascade.csv`."""

    faithfulness: pd.DataFrame
    differences: pd.DataFrame
    cascade: pd.DataFrame


def measure_backbone(
    root: Path,
    config: StudyConfig,
    label: str,
    images: TestedImages,
    reporter: ProgressReporter | None = None,
) -> Measured:
    """Test a backbone's maps of some images.

    Parameters
    ----------
    root : Path
        The study folder.
    config : StudyConfig
        Of the study.
    label : str
        The backbone.
    images : TestedImages
        The images.
    reporter : ProgressReporter, optional
        Told how far the work is.
    """
    teller = reporter or Silent()
    asked = next(backbone for backbone in config.backbones if backbone.label == label)
    tested = TestedNetwork(StudyFolder(root), config, asked, images)
    table, differences = tested.measures(teller)
    measured = [table, tested.sensitivity(teller)]
    table = pd.concat([each for each in measured if len(each)], ignore_index=True)
    cascades = tested.cascade(teller)
    cascade = pd.concat(cascades, ignore_index=True) if cascades else pd.DataFrame()
    return Measured(*(each.assign(backbone=label) for each in (table, differences, cascade)))


def made_again(explainers: Sequence[Explainer], subject: ExplainedNetwork) -> list[Explainer]:
    """Explainers that are cheap enough for random networks and images nearby, cheapest first."""
    chosen, spent = [], 0.0
    others = [one for one in explainers if not one.control]
    for one in sorted(others, key=lambda each: each.passes(subject)):
        spent += one.passes(subject)
        if spent <= _MOST_PASSES:
            chosen.append(one)
    return chosen


def remade_images(config: StudyConfig, n_tested: int) -> int:
    """Of how many images each of these, and each kind of AIS and evidence, makes maps again."""
    nearby = 0 if find_spec("captum") is None else 2 + _NEARBY  # both ask for the image itself
    return _images_of_many_maps(config, n_tested) * (nearby + 2 + _CASCADE_STAGES)


def _images_of_many_maps(config: StudyConfig, n_tested: int) -> int:
    """Images whose maps are made many times; none where a mean of them would say nothing."""
    n = min(config.faithfulness.cascade_images, n_tested)
    return n if n > 1 else 0


class TestedNetwork:
    """One backbone with its stored maps of the images that are asked."""

    def __init__(
        self,
        folder: StudyFolder,
        config: StudyConfig,
        asked: BackboneConfig,
        images: TestedImages,
    ) -> None:
        self.config, self.label = config, asked.label
        self.names, self.unit = list(images.names), images.unit
        self.rating = np.array(images.ratings)
        places = np.array(images.places, dtype=np.intp)
        self.backbone = fitted_backbone(folder, config, asked)
        self.device = self.backbone.device
        heads = fitted_heads(folder, asked.label, config.seed, config.seeds)
        self.subject: ExplainedNetwork = subject_of(self.backbone, heads)
        self.model = self.subject.model.to(self.device)
        self.pixels = torch.cat(
            [
                batch.pixels.to(self.device)
                for batch in batches(
                    ImageFolder(config.images),
                    self.names,
                    self.backbone.transform,
                    config.batch_size,
                )
            ]
        )
        methods = stored_methods(folder, config, asked.label)
        with open_methods(folder, asked.label, methods) as arrays:
            self.maps = {
                name: StoredMaps(arrays[name])[places] for name in (*methods, "activation")
            }
        with open_maps(folder.maps, asked.label) as dataset:
            importance, delta = (
                dataset[name].isel(image=places).values.astype(np.float64).mean(0)
                for name in ("importance", "delta_prediction")
            )
        self.scores = {"ais": importance, "evidence": -delta}

    def measures(self, reporter: ProgressReporter) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Perturbation of the image, and removal of channels; and methods beside one another."""
        options = self.config.faithfulness
        draws: dict[str, Any] = {"n_boot": self.config.bootstrap, "seed": self.config.seed}
        n_maps = len(self.maps) + 3
        passes = len(self.names) * len(options.baselines) * (
            n_maps * 4 * options.steps + options.squares
        )  # fmt: skip
        reporter.say(
            f"{self.label}: faithfulness, at most {passes} perturbed images, expected "
            f"{in_units(passes * self._seconds_of_an_image())}"
        )
        kinds = len(options.baselines) * (2 if options.squares else 1)
        with reporter.steps(f"{self.label}: faithfulness", len(self.names) * kinds) as advance:
            on_pixels = faithfulness_values(
                self.model,
                self.pixels,
                self.maps,
                unit=self.unit,
                baselines=options.baselines,
                unsigned=[*UNSIGNED, *self._unsigned()],
                n_steps=options.steps,
                cell_px=options.cell_px,
                n_squares=options.squares,
                batch_size=4 * self.config.batch_size,
                advance=advance,
                seed=self.config.seed,
            )
        with reporter.steps(f"{self.label}: channels removed", len(self.names)) as advance:
            curves = channel_curves(
                self._plan, self.pixels, self.scores, seed=self.config.seed, advance=advance
            )
        of_channels = channel_table(curves, self.unit, rating=self.rating, **draws)
        table = pd.concat([summarised(on_pixels, **draws), of_channels], ignore_index=True)
        return table, method_differences(on_pixels, **draws)

    def _unsigned(self) -> list[str]:
        """Explainers that say of themselves that their maps have no sign."""
        return [one.name for one in asked_explainers(self.config) if not one.signed]

    def cascade(self, reporter: ProgressReporter) -> list[pd.DataFrame]:
        """Compare maps with those of the network made ever more random."""
        n = self._few()
        if not n:
            return []
        explainers = self._remade()
        tables = []
        steps = len(explainers) * (_CASCADE_STAGES + 1)
        with reporter.steps(f"{self.label}: weights made random", steps) as advance:
            for name, explain in explainers.items():
                table = cascade_similarity(
                    self.model,
                    lambda images, explain=explain: explain(images, range(n)),  # type: ignore[misc]
                    self.pixels[:n],
                    metrics=("cosine", "spearman"),
                    n_stages=_CASCADE_STAGES,
                    size_px=112,
                    seed=self.config.seed,
                    n_boot=self.config.bootstrap,
                    advance=advance,
                )
                tables.append(table.assign(method=name))
        return tables

    def sensitivity(self, reporter: ProgressReporter) -> pd.DataFrame:
        """See how far maps move when their images hardly change."""
        n = self._few()
        if not n or find_spec("captum") is None:
            return pd.DataFrame()
        explainers = {
            name: lambda images, i, explain=explain: explain(images, [i] * len(images))
            for name, explain in self._remade().items()
        }
        with reporter.steps(f"{self.label}: images nearby", n * (len(explainers) + 1)) as advance:
            return sensitivity_table(
                explainers,
                self.pixels[:n],
                map_px=self.subject.map_px,
                n_samples=_NEARBY,
                n_boot=self.config.bootstrap,
                seed=self.config.seed,
                advance=advance,
            )

    def _few(self) -> int:
        return _images_of_many_maps(self.config, len(self.names))

    def _remade(self) -> dict[str, Remade]:
        """Every method that is cheap enough, as a function of images alone."""
        seeds = image_seeds(self.config.seed, self.backbone.name, self.names)
        own: dict[str, Remade] = {
            kind: lambda images, which, kind=kind: self._of_channels(images, which, kind)  # type: ignore[misc]
            for kind in BY_CHANNEL
        }
        own |= {
            kind: lambda images, which, kind=kind: self._of_places(images, which, kind)  # type: ignore[misc]
            for kind in BY_PLACE
        }
        stored = [one for one in asked_explainers(self.config) if one.name in self.maps]
        for one in made_again(stored, self.subject):
            own[one.name] = lambda images, which, one=one: one(  # type: ignore[misc]
                self.subject,
                images,
                seeds=[seeds[i] for i in which],
                advance=lambda share: None,
            )
        return own

    def _of_channels(self, images: Tensor, which: Sequence[int], kind: str) -> Tensor:
        ablation = self._plan(images)
        activation = self.backbone.to_map(ablation.activation).double()
        delta = ablation.delta.reshape(*ablation.delta.shape[:2])
        if kind == "evidence":
            return weighted_map(evidence_scores(delta).double(), activation)
        rating = torch.as_tensor(self.rating[list(which)]).to(delta.device, torch.float64)
        scores = importance_scores(ablation.output.reshape(-1), delta, rating)
        return weighted_map(scores.double(), activation)

    def _of_places(self, images: Tensor, which: Sequence[int], kind: str) -> Tensor:
        ablation = self._places(images, replace=self.config.places.replace)
        delta = ablation.delta.reshape(ablation.delta.shape[:3])  # of one prediction
        if kind == "evidence_place":
            return evidence_scores(delta)
        rating = torch.as_tensor(self.rating[list(which)]).to(delta.device, torch.float64)
        return place_scores(ablation.output.reshape(-1), delta, rating)

    # Plans read weights when they are called, so they serve a network that is made random too.
    @cached_property
    def _places(self) -> Any:
        return place_plan_for(self.backbone, self.model, self.config.places.window)

    @cached_property
    def _plan(self) -> Any:
        layout = self.backbone.layout
        return ablation_plan(
            self.model,
            self.subject.layer,
            self.pixels,
            channel_axis=layout.channel_axis if layout else None,
        )

    def _seconds_of_an_image(self) -> float:
        few = self.pixels[:8]
        with torch.no_grad():
            self.model(few)
            started = time.perf_counter()
            self.model(few).sum().item()
        return (time.perf_counter() - started) / len(few)
