"""The control that has learnt nothing: the same network with random weights, the heads kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.heads import RatingEnsemble
from aisthesis.images import batches
from aisthesis.names.explainers import BASE
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.ratings.explaining.explain import explain_both
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.ablation_plans import plans_for
from aisthesis.studies.shared.catalogue import build
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.network import fitted_heads

__all__ = ["randomised_maps"]

_SEED_OFFSET = 10_000  # keeps these networks apart from those that a study itself names random


@torch.no_grad()
def randomised_maps(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    asked: BackboneConfig,
    names: Sequence[str],
) -> dict[str, NDArray[np.float32]]:
    """Explain images with a backbone whose weights are drawn anew, several times over.

    The study's heads are kept and nothing is fitted: a head that is fitted to a random network's
    embedding learns the ratings from random features, and its maps are those of something learnt.

    Parameters
    ----------
    folder, config, inputs
        Of a study whose heads are fitted.
    asked : BackboneConfig
        The backbone; `config.randomised` networks of its architecture are drawn.
    names : sequence of str
        The N images.

    Returns
    -------
    dict of ndarray
        Every kind of `BASE`, shape (networks, N, h, w), averaged over the heads as a study's
        maps are.

    References
    ----------
    Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """
    device = choose_device(config.device)
    heads = fitted_heads(folder, asked.label, config.seed, config.seeds)
    rating = {name: inputs.rating[i] for i, name in enumerate(inputs.names)}
    drawn: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in BASE}
    # The layer of the study's maps: which is deepest may depend on the weights.
    layer = folder.provenance()["backbones"][asked.label]["layer"]
    for number in range(config.randomised):
        made = build(
            asked.model_copy(update={"weights": "random", "layer": layer}),
            weights_dir=None,
            seed=config.seed + _SEED_OFFSET + number,
        )
        if number == 0:
            backbone, model = made, RatingEnsemble(made.trunk, heads).to(device)
            # Its code is that of the study's network, whose plans were tried on images.
            plans = plans_for(backbone, model, config.places, inputs.folder, verify=False)
        else:  # the same network with other weights, which plans read when they are called
            backbone.trunk.load_state_dict(made.trunk.state_dict())
        parts: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in BASE}
        for batch in batches(inputs.folder, names, backbone.transform, config.batch_size):
            rated = torch.tensor([rating[name] for name in batch.names], dtype=torch.float64)
            pixels = batch.pixels.to(device)
            arrays = explain_both(backbone, plans, pixels, rated)
            for kind in BASE:
                parts[kind].append(arrays[kind].mean(0))
        for kind in BASE:
            drawn[kind].append(np.concatenate(parts[kind]))
    return {kind: np.stack(maps) for kind, maps in drawn.items() if maps}
