"""Whether the stored maps are true to their networks: `faithfulness.csv` and `cascade.csv`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.agreement.chance import sampled
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.engine import Narrator, StudyFolder, digest_of, write_csv
from aisthesis.engine.maps_store import open_maps
from aisthesis.explainer_names import BASE
from aisthesis.faithfulness import (
    CASCADE_COLUMNS,
    FAITHFULNESS_COLUMNS,
    cascade_similarity,
    channel_curves,
    channel_table,
    faithfulness_table,
)
from aisthesis.heads import load_head
from aisthesis.images import batches
from aisthesis.importance import ablation_plan, evidence_scores
from aisthesis.maps import weighted_map
from aisthesis.maps.explainers import Subject
from aisthesis.pipeline.catalogue import build
from aisthesis.pipeline.devices import choose_device
from aisthesis.pipeline.explain import explained_images, in_units
from aisthesis.pipeline.explainers import asked_explainers, image_seeds, subject_of
from aisthesis.pipeline.inputs import Inputs
from aisthesis.pipeline.methods import method_keys, open_methods, stored_methods
from aisthesis.pipeline.stored import StoredMaps

__all__ = ["faithfulness_key", "images_asked", "measure_faithfulness"]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 1
#: Images that are asked where the study file does not say and compares explainers.
DEFAULT_IMAGES = 32
_CASCADE_STAGES = 5
_CASCADE_PASSES = 100.0  # explainers that cost more an image are left out of the cascade
_UNSIGNED = ("centre", "centre_prior", "activation")


def images_asked(config: StudyConfig) -> int:
    """Most images whose maps are tested: none unless the study asks for other explainers."""
    if config.faithfulness.images is not None:
        return config.faithfulness.images
    return DEFAULT_IMAGES if set(config.explainers) - set(BASE) else 0


def faithfulness_key(folder: StudyFolder, config: StudyConfig) -> str | None:
    """Digest of all that the stage's result depends on; None where it is not asked for."""
    keys = method_keys(folder, config)
    if not images_asked(config) or not keys:
        return None
    options = config.faithfulness.model_dump(mode="json")
    return digest_of(_CODE, keys, options, images_asked(config), config.bootstrap, config.seed)


def measure_faithfulness(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, narrator: Narrator
) -> None:
    """Test every stored map of a sample of the explained images on its own network.

    Changes of the prediction are in SDs of the human ratings. A centre prior and random maps stand
    beside every method as controls. In the cascade the network's weights are made random, from the
    output to the input, and the maps are compared with those of the intact network.
    """
    chosen = explained_images(config, inputs)
    places = np.sort(sampled(len(chosen), images_asked(config), config.seed))
    by_label = {backbone.label: backbone for backbone in config.backbones}
    tables, cascades = [], []
    for label in method_keys(folder, config):
        asked = by_label[label]
        tested = _Tested(folder, config, inputs, asked, chosen[places], places)
        tables.append(tested.measures(narrator).assign(backbone=label))
        cascades += [table.assign(backbone=label) for table in tested.cascade(narrator)]
    columns = ["backbone", *FAITHFULNESS_COLUMNS]
    write_csv(folder.faithfulness, pd.concat(tables, ignore_index=True).reindex(columns=columns))
    columns = ["backbone", "method", *CASCADE_COLUMNS]
    table = pd.concat(cascades, ignore_index=True) if cascades else pd.DataFrame()
    write_csv(folder.cascade, table.reindex(columns=columns))


class _Tested:
    """One backbone with its stored maps of the images that are asked."""

    def __init__(
        self,
        folder: StudyFolder,
        config: StudyConfig,
        inputs: Inputs,
        asked: BackboneConfig,
        index: NDArray[np.intp],
        places: NDArray[np.intp],
    ) -> None:
        self.config, self.label = config, asked.label
        self.names = [inputs.names[i] for i in index]
        self.rating = inputs.rating[index]
        self.unit = float(np.std(inputs.rating[inputs.rated])) or 1.0
        self.device = choose_device(config.device)
        self.backbone = build(asked, weights_dir=config.weights_dir, seed=config.seed)
        heads = [load_head(folder.head_file(asked.label, s.fit_seed))[0] for s in inputs.splits]
        self.subject: Subject = subject_of(self.backbone, heads)
        self.model = self.subject.model.to(self.device)
        self.pixels = torch.cat(
            [
                batch.pixels.to(self.device)
                for batch in batches(
                    inputs.folder, self.names, self.backbone.transform, config.batch_size
                )
            ]
        )
        methods = stored_methods(folder, config, asked.label)
        with open_methods(folder, asked.label, methods) as arrays:
            self.maps = {
                name: StoredMaps(arrays[name])[places] for name in (*methods, "activation")
            }
        if "centre_prior" in self.maps:
            self.maps["centre"] = self.maps.pop("centre_prior")
        with open_maps(folder.maps, asked.label) as dataset:
            importance, delta = (
                dataset[name].values[:, places].astype(np.float64).mean(0)
                for name in ("importance", "delta_prediction")
            )
        self.scores = {"ais": importance, "evidence": -delta}

    def measures(self, narrator: Narrator) -> pd.DataFrame:
        """Perturbation of the image, and removal of channels."""
        options = self.config.faithfulness
        draws: dict[str, Any] = {"n_boot": self.config.bootstrap, "seed": self.config.seed}
        n_maps = len(self.maps) + 3
        passes = len(self.names) * len(options.baselines) * (
            n_maps * 4 * options.steps + options.squares
        )  # fmt: skip
        narrator.say(
            f"{self.label}: faithfulness, at most {passes} perturbed images, expected "
            f"{in_units(passes * self._seconds_of_an_image())}"
        )
        kinds = len(options.baselines) * (2 if options.squares else 1)
        with narrator.steps(f"{self.label}: faithfulness", len(self.names) * kinds) as advance:
            on_pixels = faithfulness_table(
                self.model,
                self.pixels,
                self.maps,
                unit=self.unit,
                baselines=options.baselines,
                unsigned=_UNSIGNED,
                n_steps=options.steps,
                cell_px=options.cell_px,
                n_squares=options.squares,
                batch_size=4 * self.config.batch_size,
                advance=advance,
                **draws,
            )
        with narrator.steps(f"{self.label}: channels removed", len(self.names)) as advance:
            curves = channel_curves(
                self._plan(), self.pixels, self.scores, seed=self.config.seed, advance=advance
            )
        of_channels = channel_table(curves, self.unit, rating=self.rating, **draws)
        return pd.concat([on_pixels, of_channels], ignore_index=True)

    def cascade(self, narrator: Narrator) -> list[pd.DataFrame]:
        """Compare maps with those of the network made ever more random."""
        n = min(self.config.faithfulness.cascade_images, len(self.names))
        if n < 2:
            return []
        explainers = self._explainers(n)
        tables = []
        steps = len(explainers) * (_CASCADE_STAGES + 1)
        with narrator.steps(f"{self.label}: weights made random", steps) as advance:
            for name, explain in explainers.items():
                table = cascade_similarity(
                    self.model,
                    explain,
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

    def _explainers(self, n: int) -> dict[str, Callable[[Tensor], Tensor]]:
        """Every method that is cheap enough, as a function of images alone."""
        seeds = image_seeds(self.config.seed, self.backbone.name, self.names[:n])

        def by(one: Any) -> Callable[[Tensor], Tensor]:
            return lambda images: one(self.subject, images, seeds=seeds, advance=lambda share: None)

        others = {
            one.name: by(one)
            for one in asked_explainers(self.config)
            if one.name in self.maps and one.passes(self.subject) <= _CASCADE_PASSES
        }
        return {"evidence": self._evidence, **others}

    def _evidence(self, images: Tensor) -> Tensor:
        ablation = self._plan()(images)
        activation = self.backbone.to_map(ablation.activation).double()
        scores = evidence_scores(ablation.delta.reshape(*ablation.delta.shape[:2]))
        return weighted_map(scores.double(), activation)

    def _plan(self) -> Any:
        layout = self.backbone.layout
        return ablation_plan(
            self.model,
            self.subject.layer,
            self.pixels[:1],
            channel_axis=layout.channel_axis if layout else None,
        )

    def _seconds_of_an_image(self) -> float:
        few = self.pixels[:8]
        with torch.no_grad():
            self.model(few)
            started = time.perf_counter()
            self.model(few).sum().item()
        return (time.perf_counter() - started) / len(few)
