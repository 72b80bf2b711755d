"""Images are embedded and what explaining them starts from is kept, with one pass of the trunk."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn

from aisthesis.ablation.cut import Cut, cut_at
from aisthesis.backbones import Backbone
from aisthesis.backbones.initialise import noise_images
from aisthesis.config import StudyConfig
from aisthesis.execution.jobs import Chunk, Task, loaded_for
from aisthesis.heads import RatingEnsemble
from aisthesis.store.folder import digest_of
from aisthesis.studies.ratings.explaining.explain import explained_images
from aisthesis.studies.ratings.explaining.kept_activations import fits, kept_activations, may_keep
from aisthesis.studies.ratings.fitting.embed import EmbedJob, embedding_tasks
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.network import NetworkSpec

__all__ = ["EmbedAndKeepJob", "cut_of", "tasks_that_keep"]


@dataclass(frozen=True)
class EmbedAndKeepJob:
    """Embeds chunks of images as `embed` does, and keeps the values at the layer beside."""

    embed: EmbedJob

    @property
    def identity(self) -> str:
        """Equal where the network is."""
        return digest_of("activations", self.embed.identity)

    def load(self) -> tuple[Backbone, Cut | None]:
        """Build the network and cut it at its layer; None where it cannot be cut."""
        backbone: Backbone = loaded_for(self.embed)
        return backbone, cut_of(backbone)

    @torch.no_grad()
    def work(self, loaded: tuple[Backbone, Cut | None], chunk: Chunk) -> None:
        """Embed a chunk and keep its activations."""
        backbone, cut = loaded
        if cut is None:  # on another machine than the one that planned
            self.embed.work(backbone, chunk)
            return
        trunk = _Recorder(cut)
        rows = self.embed.rows(trunk, backbone.transform, chunk)
        # First, so that a study which is killed in between embeds, and keeps, these images again.
        kept_activations(self.embed.spec.root, backbone).write(chunk.digests, trunk.all())
        self.embed.keep(chunk, rows)


@dataclass
class _Recorder:
    """A trunk that remembers what crosses the cut."""

    cut: Cut
    carried: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        output, carried = self.cut(pixels)
        self.carried.append({name: value.cpu() for name, value in carried.items()})
        return output[:, 0]

    def all(self) -> dict[str, torch.Tensor]:
        """Of all images, in their order."""
        return {name: torch.cat([one[name] for one in self.carried]) for name in self.carried[0]}


def cut_of(backbone: Backbone) -> Cut | None:
    """Cut a backbone at its layer, where that can be; the output is embeddings (N, 1, D).

    Up to the layer the graph is that of heads on the trunk, name by name.
    """
    if backbone.layer is None:
        return None
    model = RatingEnsemble(backbone.trunk, [nn.Identity()])
    noise = noise_images(backbone.transform, 2, seed=0).to(backbone.device)
    return cut_at(model, f"trunk.{backbone.trunk_layer}", noise)


def tasks_that_keep(
    config: StudyConfig, spec: NetworkSpec, backbone: Backbone, inputs: Inputs
) -> list[Task]:
    """Tasks for the embeddings that are missing; images to explain keep their activations.

    Where the study says so, or where that pays: see `may_keep` and `fits`.
    """
    explained = explained_images(config, inputs)
    tasks = embedding_tasks(spec, backbone, inputs, explained)
    names = {inputs.names[i] for i in explained}
    kept = [task for task in tasks if task.chunk.names[0] in names]
    n_images = sum(len(task.chunk.names) for task in kept)
    if not may_keep(config.keep_activations, n_images):
        return tasks
    job = EmbedAndKeepJob(kept[0].job)  # type: ignore[arg-type]
    cut: Cut | None = loaded_for(job)[1]
    if cut is None or not _room(config, cut, n_images):
        return tasks
    return [Task(job, task.chunk) if task in kept else task for task in tasks]


def _room(config: StudyConfig, cut: Cut, n_images: int) -> bool:
    always = config.keep_activations == "always"
    return always or fits(config.out, n_images * len(config.backbones), cut.bytes_an_image)
