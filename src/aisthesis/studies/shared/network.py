"""What every chunk of a study needs of one backbone, in whatever process it is worked on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, CommonConfig, StudyConfig
from aisthesis.errors import RequestError
from aisthesis.execution.jobs import Chunk
from aisthesis.heads import load_head
from aisthesis.images import ImageFolder, batches
from aisthesis.names.labels import slug
from aisthesis.provenance.versions import library_version
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.ledger import Dependencies
from aisthesis.studies.shared.catalogue import asked_transform, build, weights_identity
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.memory_format import settle
from aisthesis.studies.shared.unchanged import refuse_changed

__all__ = ["NetworkSpec", "fitted_backbone", "fitted_heads", "joint_dependencies", "pixels_of"]

_OF_ONE_NETWORK = ("network", "weights", "transform", "layer")


@dataclass(frozen=True)
class NetworkSpec:
    """A study's backbone by name: small, and the same wherever it is sent.

    Attributes
    ----------
    root, images : Path
        Folders of the study and of its images.
    asked : BackboneConfig
    weights : str
        What `weights_identity` said of the file.
    transform : str
        Fingerprint of what photographs go through, the view included.
    """

    root: Path
    images: Path
    asked: BackboneConfig
    weights: str
    transform: str
    weights_dir: Path | None
    seed: int
    seeds: int
    device: str
    batch_size: int

    @classmethod
    def of(cls, config: CommonConfig, asked: BackboneConfig) -> NetworkSpec:
        """Describe one backbone of a study; one of similarity judgments fits no heads."""
        return cls(
            config.out,
            config.images,
            asked,
            weights_identity(asked, weights_dir=config.weights_dir, seed=config.seed),
            asked_transform(asked).fingerprint,
            config.weights_dir,
            config.seed,
            config.seeds if isinstance(config, StudyConfig) else 0,
            config.device,
            config.batch_size,
        )

    @property
    def label(self) -> str:
        """The backbone's label."""
        return self.asked.label

    @property
    def dependencies(self) -> dict[str, str]:
        """What the network itself depends on."""
        network = digest_of(self.asked.name, self.asked.input_px)
        dependencies = {"network": network, "weights": self.weights, "transform": self.transform}
        if self.asked.name.startswith("timm:"):
            dependencies["timm"] = library_version("timm")
        return dependencies

    @property
    def identity(self) -> str:
        """Equal where `build` gives the same network."""
        fields = (str(self.root), self.asked.model_dump(mode="json"), self.weights, self.device)
        return digest_of(fields, str(self.weights_dir), self.seed)

    def build(self) -> Backbone:
        """Build the network on its device; its weights must be those of the study."""
        made = build(
            self.asked, weights_dir=self.weights_dir, seed=self.seed, identity=self.weights
        )
        return settle(made, choose_device(self.device))

    def heads(self) -> list[torch.nn.Module]:
        """Load the heads fitted on it, seed by seed."""
        return fitted_heads(StudyFolder(self.root), self.label, self.seed, self.seeds)

    @property
    def group(self) -> str:
        """The backbone's group of maps in the study's folder."""
        return f"maps.zarr/{slug(self.label)}"


def joint_dependencies(dependencies: Mapping[str, Dependencies]) -> dict[str, str]:
    """What tables of several networks depend on; by label."""
    joint: dict[str, str] = {}
    for label, own in dependencies.items():
        for name, value in own.items():
            joint[f"{name} of {label}" if name in _OF_ONE_NETWORK else name] = value
    return joint | {"order of the backbones": digest_of(list(dependencies))}


def fitted_heads(folder: StudyFolder, label: str, seed: int, seeds: int) -> list[torch.nn.Module]:
    """Load the heads that a study has fitted on a backbone, seed by seed."""
    return [load_head(folder.head_file(label, each))[0] for each in range(seed, seed + seeds)]


def fitted_backbone(folder: StudyFolder, config: StudyConfig, asked: BackboneConfig) -> Backbone:
    """Build a backbone as the study's heads were fitted on it, on the study's device.

    Raises
    ------
    RequestError
        If no heads were fitted on it, or its weights are others by now.
    """
    made = build(asked, weights_dir=config.weights_dir, seed=config.seed)
    fitted = folder.backbone_record(asked.label)
    held, found = fitted.get("weights", {}).get("sha256"), made.weights.sha256
    if held is None:
        raise RequestError(
            f"the study holds no fitted heads of {asked.label}; run `aisthesis fit` first"
        )
    if held != found:
        raise RequestError(
            f"{asked.label}: the study was fitted with weights {held[:12]}, but those on this disk "
            f"are {found[:12]}; give the weights of the study, or fit it again"
        )
    return settle(made, choose_device(config.device))


def pixels_of(
    spec: NetworkSpec, transform: Any, chunk: Chunk
) -> Iterator[tuple[torch.Tensor, NDArray[np.float64]]]:
    """Give the images of a chunk batch by batch: pixels on the device, and ratings, (N,) or (N, K).

    Raises
    ------
    AisthesisError
        If an image is not the one that the study has checked.
    """
    folder = ImageFolder(spec.images)
    refuse_changed(folder, chunk.names, dict(zip(chunk.names, chunk.digests, strict=True)))
    device, done = choose_device(spec.device), 0
    for batch in batches(folder, chunk.names, transform, spec.batch_size):
        ratings = np.array(chunk.ratings[done : done + len(batch.names)], dtype=np.float64)
        done += len(batch.names)
        yield batch.pixels.to(device), ratings
