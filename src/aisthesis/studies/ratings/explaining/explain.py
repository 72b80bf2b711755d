"""From fitted heads to channel scores and maps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.ablation.ablation import Ablation
from aisthesis.ablation.places.ablation import PlaceAblation
from aisthesis.ablation.places.both import remove_both
from aisthesis.ablation.places.plan import PlacePlan
from aisthesis.ablation.plan import AblationPlan
from aisthesis.backbones import Backbone
from aisthesis.config import PlacesConfig, StudyConfig
from aisthesis.execution.jobs import Chunk
from aisthesis.execution.progress import ProgressReporter
from aisthesis.heads import RatingEnsemble
from aisthesis.images import ImageFolder, Transform
from aisthesis.importance.scores import evidence_scores, importance_scores, place_scores
from aisthesis.maps.standardise import z_score
from aisthesis.maps.weighting import activation_map, weighted_map
from aisthesis.memory import in_halves
from aisthesis.names.explainers import BASE
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.chunk_store import ArraySpec, ChunkStore, images_a_chunk
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.map_axes import map_axes
from aisthesis.store.maps_store import DIMENSIONS, IMAGES_A_CHUNK, LONG_NAMES
from aisthesis.studies.ratings.explaining.removal import removal_of
from aisthesis.studies.ratings.explaining.starts import Carried, starts_of, upstream_of
from aisthesis.studies.ratings.fitting.dead_heads import unmoved
from aisthesis.studies.ratings.fitting.fit import fit_dependencies
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.ablation_plans import Plans, plans_for
from aisthesis.studies.shared.boxes import crop_boxes
from aisthesis.studies.shared.network import NetworkSpec

__all__ = [
    "MapsJob",
    "Studied",
    "explain_batch",
    "explain_both",
    "explain_dependencies",
    "explain_places",
    "explained_images",
    "images_of",
    "maps_store",
    "n_explained",
    "prepare_maps",
]

Arrays = dict[str, NDArray[Any]]


def explained_images(config: StudyConfig, inputs: Inputs) -> NDArray[np.intp]:
    """Indices of the images that get maps."""
    if config.explain == "all":
        return np.arange(len(inputs.names))
    named = inputs.held_out  # some may have no rating
    return inputs.indices(inputs.splits[0].test if named is None else named)


def n_explained(config: StudyConfig, inputs: Inputs) -> int:
    """How many images get maps."""
    named = inputs.splits[0].test if inputs.held_out is None else inputs.held_out
    return len(inputs.names if config.explain == "all" else named)


def explain_dependencies(config: StudyConfig, inputs: Inputs, spec: NetworkSpec) -> dict[str, str]:
    """What a backbone's maps depend on, by name."""
    return {
        **fit_dependencies(config, inputs, spec),
        "layer": spec.asked.layer or "its own",
        "explained images": config.explain,
        "places": digest_of(config.places.window, config.places.replace),
        **code_dependencies("the maps", __name__),
    }


def maps_store(config: StudyConfig, inputs: Inputs, spec: NetworkSpec) -> ChunkStore:
    """Where a backbone's scores and maps are."""
    parts = explain_dependencies(config, inputs, spec)
    return ChunkStore(
        config.out, spec.group, parts, images_a_chunk(IMAGES_A_CHUNK, n_explained(config, inputs))
    )


@dataclass(frozen=True)
class Studied:
    """The study of one property of the images: what its stages read, write and tell."""

    folder: StudyFolder
    config: StudyConfig
    inputs: Inputs
    specs: Mapping[str, NetworkSpec]  # networks with heads fitted to the ratings, by label
    reporter: ProgressReporter


@dataclass(frozen=True)
class MapsJob:
    """Scores the channels and places of one backbone's layer and makes its maps.

    Attributes
    ----------
    spec, store
        Of the only property, or of the first.
    places
        How places are removed.
    others
        Network and store of every other property of the same images: their heads share the pass
        through the trunk. A chunk's ratings are then one an image and property.
    """

    spec: NetworkSpec
    store: ChunkStore
    places: PlacesConfig
    others: tuple[tuple[NetworkSpec, ChunkStore], ...] = ()

    @property
    def each(self) -> list[tuple[NetworkSpec, ChunkStore]]:
        """Network and store of every property."""
        return [(self.spec, self.store), *self.others]

    @property
    def identity(self) -> str:
        """Equal where network and heads are."""
        return digest_of("maps", [(spec.identity, store.key) for spec, store in self.each])

    def load(self) -> tuple[Backbone, Plans, dict[str, Any]]:
        """Build the network with its heads and find how channels and places are removed.

        The last is what the study's record says of that.
        """
        backbone = self.spec.build()
        device = next(backbone.trunk.parameters()).device
        model = RatingEnsemble(backbone.trunk, [h for s, _ in self.each for h in s.heads()])
        folder = ImageFolder(self.spec.images)
        plans = plans_for(backbone, model.to(device), self.places, folder)
        return backbone, plans, removal_of(plans)

    @torch.no_grad()
    def work(self, loaded: tuple[Backbone, Plans, dict[str, Any]], chunk: Chunk) -> None:
        """Write one chunk's scores and maps."""
        started = time.perf_counter()
        backbone, plans, removal = loaded
        parts = [
            explain_both(backbone, plans, pixels, self._of_heads(rating), carried)
            for pixels, rating, carried in starts_of(self.spec, backbone, plans, chunk)
        ]
        joined = _joined(parts)
        seconds = round((time.perf_counter() - started) / len(self.each), 4)
        for place, (spec, store) in enumerate(self.each):
            arrays = _of_seeds(joined, slice(place * spec.seeds, (place + 1) * spec.seeds))
            flat = {kind: _n_flat(arrays[kind]) for kind in BASE}
            dead = unmoved(arrays["delta_prediction"])
            told = {"flat": flat, "dead": dead, "seconds": seconds, "removal": removal}
            store.write(chunk.number, arrays, **told)

    def _of_heads(self, rating: NDArray[np.float64]) -> torch.Tensor:
        """Ratings (N,) of one property, or (N, heads) of several."""
        ratings = torch.from_numpy(rating)
        return ratings.repeat_interleave(self.spec.seeds, 1) if self.others else ratings


def images_of(one: Studied) -> list[str]:
    """Names of the images that get maps."""
    return [one.inputs.names[i] for i in explained_images(one.config, one.inputs)]


def prepare_maps(one: Studied, label: str, store: ChunkStore) -> None:
    """Make the empty arrays of a backbone's group, whose shape was recorded with its heads."""
    names, inputs = images_of(one), one.inputs
    record = one.folder.backbone_record(label)
    transform = Transform(**record["transform"])
    channels, rows, columns = record["map_shape"]
    lengths = {
        "seed": one.config.seeds, "image": len(names), "channel": channels, "y": rows, "x": columns
    }  # fmt: skip
    arrays = {
        name: ArraySpec(tuple((axis, lengths[axis]) for axis in axes), LONG_NAMES[name])
        for name, axes in DIMENSIONS.items()
    }
    coordinates: dict[str, Any] = {"seed": [s.fit_seed for s in inputs.splits], "image": names}
    coordinates |= crop_boxes(inputs.sizes, transform, names)
    coordinates |= map_axes(coordinates, rows, columns, transform.size_px)
    attributes = {"backbone": label, "layer": record["layer"], "network": record["network"]}
    store.prepare(arrays, coordinates, attributes)


def _n_flat(maps: NDArray[Any]) -> int:
    """How many maps (seed, image, y, x), averaged over seeds, are the same everywhere."""
    mean_maps = torch.from_numpy(maps).mean(0)
    defined = torch.isfinite(mean_maps).flatten(1).all(1)
    return int(z_score(mean_maps[defined])[1].sum()) if defined.any() else 0


def explain_batch(
    backbone: Backbone, plan: AblationPlan, pixels: torch.Tensor, rating: torch.Tensor
) -> Arrays:
    """Scores (seed, image, channel) and channel-weighted maps (seed, image, y, x) of one batch.

    Raises
    ------
    OutOfMemoryError
        If not even one image fits; a batch is halved until its parts do.
    """
    return _joined(
        in_halves(
            len(pixels),
            lambda some: _by_channel(backbone, plan, pixels[some], rating[some]),
            "removing channels",
        )
    )


def explain_both(
    backbone: Backbone,
    plans: Plans,
    pixels: torch.Tensor,
    rating: torch.Tensor,
    carried: Carried | None = None,
) -> Arrays:
    """What `explain_batch` and `explain_places` give, with one forward pass.

    With the values at the layer `carried` over from an earlier pass, only from there on.
    """

    def both(some: slice) -> Arrays:
        images, before = pixels[some], None
        if carried is not None:
            own = {name: values[some] for name, values in carried.items()}
            before = upstream_of(plans, images, own)
        by_channel, by_place = remove_both(
            plans.channels, plans.places, images, replace=plans.replace, upstream=before
        )
        arrays = _channel_arrays(backbone, by_channel, rating[some])
        return arrays | _place_arrays(by_place, rating[some])

    return _joined(in_halves(len(pixels), both, "removing channels and places"))


def _by_channel(
    backbone: Backbone, plan: AblationPlan, pixels: torch.Tensor, rating: torch.Tensor
) -> Arrays:
    return _channel_arrays(backbone, plan(pixels), rating)


def _channel_arrays(backbone: Backbone, ablation: Ablation, rating: torch.Tensor) -> Arrays:
    delta = ablation.delta  # (image, channel, seed)
    importance = importance_scores(ablation.output, delta, rating.to(delta)).movedim(2, 0)
    evidence = evidence_scores(delta).movedim(2, 0)
    activation = backbone.to_map(ablation.activation).double()
    arrays = {
        "ais": weighted_map(importance, activation),
        "evidence": weighted_map(evidence, activation),
        "importance": importance,
        "delta_prediction": delta.movedim(2, 0),
        "activation": activation_map(activation),
    }
    return {name: tensor.float().cpu().numpy() for name, tensor in arrays.items()}


def explain_places(
    plan: PlacePlan, pixels: torch.Tensor, rating: torch.Tensor, replace: str = "zero"
) -> Arrays:
    """Maps by place (seed, image, y, x) of one batch, in rating units; otherwise as by channel."""
    return _joined(
        in_halves(
            len(pixels),
            lambda some: _by_place(plan, pixels[some], rating[some], replace),
            "removing places",
        )
    )


def _by_place(plan: PlacePlan, pixels: torch.Tensor, rating: torch.Tensor, replace: str) -> Arrays:
    return _place_arrays(plan(pixels, replace=replace), rating)


def _place_arrays(ablation: PlaceAblation, rating: torch.Tensor) -> Arrays:
    delta = ablation.delta  # (image, y, x, seed)
    importance = place_scores(ablation.output, delta, rating.to(delta))
    arrays = {
        "ais_place": importance.movedim(3, 0),
        "evidence_place": evidence_scores(delta).movedim(3, 0),
    }
    return {name: tensor.float().cpu().numpy() for name, tensor in arrays.items()}


def _of_seeds(arrays: Arrays, seeds: slice) -> Arrays:
    """The heads of one property; what has no axis of seeds is every property's."""
    return {
        name: values[seeds] if DIMENSIONS[name][0] == "seed" else values
        for name, values in arrays.items()
    }


def _joined(parts: list[Arrays]) -> Arrays:
    """Put what consecutive images have given together, along their axis."""
    return {
        name: np.concatenate([part[name] for part in parts], DIMENSIONS[name].index("image"))
        for name in parts[0]
    }
