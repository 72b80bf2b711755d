"""The control that has learnt nothing: the same network with random weights, the heads kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisthesis.backbones import Backbone
from aisthesis.config import PlacesConfig
from aisthesis.heads import RatingEnsemble
from aisthesis.images import ImageFolder, batches
from aisthesis.names.explainers import BASE
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.ratings.explaining.explain import explain_both
from aisthesis.studies.shared.ablation_plans import plans_for
from aisthesis.studies.shared.catalogue import build
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.memory_format import settle
from aisthesis.studies.shared.network import NetworkSpec

__all__ = ["RandomisedNetworks"]

_SEED_OFFSET = 10_000  # keeps these networks apart from those that a study itself names random
#: Weights of all networks that are kept; larger ones are drawn anew for every chunk of images.
_BYTES_KEPT = 256 << 20


class RandomisedNetworks:
    """A backbone whose weights are drawn anew, several times over; it explains a few images.

    The study's heads are kept and nothing is fitted: a head that is fitted to a random network's
    embedding learns the ratings from random features, and its maps are those of something learnt.

    Parameters
    ----------
    spec : NetworkSpec
        The backbone, of a study whose heads are fitted.
    places : PlacesConfig
        How places are removed.
    n : int
        Networks that are drawn.

    References
    ----------
    Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018.
    """

    def __init__(self, spec: NetworkSpec, places: PlacesConfig, n: int) -> None:
        self._spec, self._n = spec, n
        self._device, self._folder = choose_device(spec.device), ImageFolder(spec.images)
        # The layer of the study's maps: which is deepest may depend on the weights.
        layer = StudyFolder(spec.root).backbone_record(spec.label)["layer"]
        self._asked = spec.asked.model_copy(update={"weights": "random", "layer": layer})
        self._kept: dict[int, dict[str, Tensor]] = {}
        self._backbone = settle(self._drawn(0), self._device)
        self._now = 0
        self._keep(0, {k: v.clone() for k, v in self._backbone.trunk.state_dict().items()})
        model = RatingEnsemble(self._backbone.trunk, spec.heads()).to(self._device)
        # Its code is that of the study's network, whose plans were tried on images.
        self._plans = plans_for(self._backbone, model, places, self._folder, verify=False)

    @torch.no_grad()
    def maps(
        self, names: Sequence[str], rating: NDArray[np.float64]
    ) -> dict[str, NDArray[np.float32]]:
        """Explain images with every network.

        Parameters
        ----------
        names : sequence of str
            The N images.
        rating : array, shape (N,)
            Their human ratings.

        Returns
        -------
        dict of ndarray
            Every kind of `BASE`, shape (networks, N, h, w), averaged over the heads as a study's
            maps are.
        """
        drawn: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in BASE}
        for number in range(self._n):
            self._use(number)
            parts: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in BASE}
            done = 0
            for batch in batches(
                self._folder, names, self._backbone.transform, self._spec.batch_size
            ):
                rated = torch.from_numpy(rating[done : done + len(batch.names)]).double()
                done += len(batch.names)
                pixels = batch.pixels.to(self._device)
                arrays = explain_both(self._backbone, self._plans, pixels, rated)
                for kind in BASE:
                    parts[kind].append(arrays[kind].mean(0))
            for kind in BASE:
                drawn[kind].append(np.concatenate(parts[kind]))
        return {kind: np.stack(maps) for kind, maps in drawn.items()}

    def _use(self, number: int) -> None:
        """Give the network the weights of a draw; plans read them when they are called."""
        if number == self._now:
            return
        if number not in self._kept:
            state = self._drawn(number).trunk.state_dict()
            self._keep(number, state)
        else:
            state = self._kept[number]
        self._backbone.trunk.load_state_dict(state)
        self._now = number

    def _keep(self, number: int, state: dict[str, Tensor]) -> None:
        each = sum(one.numel() * one.element_size() for one in state.values())
        if each * self._n <= _BYTES_KEPT:
            self._kept[number] = state

    def _drawn(self, number: int) -> Backbone:
        seed = self._spec.seed + _SEED_OFFSET + number
        return build(self._asked, weights_dir=None, seed=seed)
