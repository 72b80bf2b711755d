"""Predictors that read photographs, so that members with different crops see the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from aisthesis.errors import RequestError
from aisthesis.heads.ensembles import Ensemble
from aisthesis.images import Transform

__all__ = ["MemberNetwork", "PhotographEnsemble"]


@dataclass(frozen=True, eq=False)
class MemberNetwork:
    """One trunk of an ensemble, with one or several heads.

    Attributes
    ----------
    names
        Of the members it stands for: one a head.
    transform
        From a photograph to what the network reads.
    network
        Normalised images (N, 3, H, W) to predictions (N,), or (N, K) of K heads, such as
        `RatingModel` and `RatingEnsemble`; in evaluation mode.
    """

    names: tuple[str, ...]
    transform: Transform
    network: nn.Module


class PhotographEnsemble:
    """An ensemble that predicts photographs: whatever is done to them reaches every member.

    Parameters
    ----------
    networks : sequence of MemberNetwork
        Their names together are the ensemble's members, in any order.
    ensemble : Ensemble
        How predictions are combined.
    device : device or str
        Where the networks are.

    Raises
    ------
    RequestError
        If the networks' members are not the ensemble's.
    """

    def __init__(
        self,
        networks: Sequence[MemberNetwork],
        ensemble: Ensemble,
        device: torch.device | str = "cpu",
    ) -> None:
        names = [name for one in networks for name in one.names]
        if sorted(names) != sorted(ensemble.members):
            raise RequestError(
                f"expected networks for the members {', '.join(ensemble.members)}, got "
                f"{', '.join(names) or 'none'}"
            )
        self.networks, self.ensemble, self.device = tuple(networks), ensemble, device
        self._columns = [names.index(name) for name in ensemble.members]

    @torch.no_grad()
    def members(self, photographs: Sequence[Image.Image]) -> NDArray[np.float64]:
        """Predict photographs by each member: (N, M), in rating units, as in `ensemble.members`."""
        parts = []
        for one in self.networks:
            pixels = torch.stack([one.transform(each) for each in photographs]).to(self.device)
            output = one.network(pixels).double().cpu().numpy().reshape(len(photographs), -1)
            if output.shape[1] != len(one.names):
                raise RequestError(
                    f"expected {len(one.names)} predictions an image for {', '.join(one.names)}, "
                    f"got {output.shape[1]}"
                )
            parts.append(output)
        return np.concatenate(parts, axis=1)[:, self._columns]

    def __call__(self, photographs: Sequence[Image.Image]) -> NDArray[np.float64]:
        """Predict photographs by the ensemble: (N,), in rating units."""
        if not photographs:
            return np.empty(0)
        return self.ensemble(self.members(photographs))
