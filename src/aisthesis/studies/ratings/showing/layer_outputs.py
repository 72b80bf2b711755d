"""How active the channels of a network's layer are on a study's images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.ablation.channels import find_layer
from aisthesis.ablation.signs import relu_follows
from aisthesis.backbones import Backbone
from aisthesis.images import batches
from aisthesis.studies.ratings.explaining.explain import Studied, explained_images, maps_store
from aisthesis.studies.ratings.explaining.starts import kept_outputs
from aisthesis.studies.shared.ablation_plans import Plans
from aisthesis.studies.shared.network import fitted_backbone

__all__ = ["LayerOutputs"]


class LayerOutputs:
    """What a network's layer gives for explained images of a study, as far as it is active.

    Taken from what embedding has kept, and for the other images from the network.

    Parameters
    ----------
    one : Studied
    label : str
        The network.
    backbone, plans : optional
        The network with its plans, if they are at hand; without plans nothing that was kept is
        looked for.
    """

    def __init__(
        self, one: Studied, label: str, backbone: Backbone | None = None, plans: Plans | None = None
    ) -> None:
        self._one, self._spec, self._plans = one, one.specs[label], plans
        if backbone is None:
            asked = next(each for each in one.config.backbones if each.label == label)
            backbone = fitted_backbone(one.folder, one.config, asked)
        self._backbone = backbone
        self._layer = str(backbone.trunk_layer)
        traced = None if plans is None else plans.channels.traced
        self._rectified = relu_follows(backbone.trunk, self._layer, traced)

    def crop_box(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of what the network sees of a photograph of that size, px."""
        return self._backbone.transform.crop_box(*size)

    def of(self, names: Sequence[str]) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Give each image's name with the activity (C, h, w) of its channels, not negative.

        Magnitudes of the layer's output; where a ReLU alone reads it, what the ReLU lets through.
        """
        rest = dict.fromkeys(names)
        for name, output in self._kept(set(names)):
            rest.pop(name)
            yield name, self._activity(output[None])[0]
        if rest:
            yield from self._computed(list(rest))

    def _kept(self, names: set[str]) -> Iterator[tuple[str, torch.Tensor]]:
        one, spec = self._one, self._spec
        if self._plans is None:
            return
        size = maps_store(one.config, one.inputs, spec).chunk
        for chunk in one.inputs.chunks(explained_images(one.config, one.inputs), size):
            if names.isdisjoint(chunk.names):
                continue
            outputs = kept_outputs(spec, self._backbone, self._plans, chunk)
            for name, output in zip(chunk.names, () if outputs is None else outputs, strict=False):
                if name in names:
                    yield name, output

    @torch.no_grad()
    def _computed(self, names: list[str]) -> Iterator[tuple[str, NDArray[np.float64]]]:
        backbone, outputs = self._backbone, list[torch.Tensor]()
        hook = find_layer(backbone.trunk, self._layer).register_forward_hook(
            lambda _module, _given, output: outputs.append(output.clone())
        )
        try:
            for batch in batches(
                self._one.inputs.folder, names, backbone.transform, self._one.config.batch_size
            ):
                outputs.clear()
                backbone.trunk(batch.pixels.to(backbone.device))
                yield from zip(batch.names, self._activity(outputs[0]), strict=True)
        finally:
            hook.remove()

    def _activity(self, output: torch.Tensor) -> NDArray[np.float64]:
        values = self._backbone.to_map(output)
        activity = values.clamp(min=0) if self._rectified else values.abs()
        return activity.double().cpu().numpy()
