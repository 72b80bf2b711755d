"""How the channels and the places of a backbone's layer are removed from heads on its trunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from aisthesis.ablation.places.plan import PlacePlan, place_plan
from aisthesis.ablation.plan import AblationPlan, ablation_plan
from aisthesis.backbones import Backbone
from aisthesis.backbones.initialise import noise_images
from aisthesis.config import PlacesConfig
from aisthesis.images import ImageFolder, batches

__all__ = ["Plans", "place_plan_for", "plan_for", "plan_in_words", "plans_for", "sample_pixels"]


@dataclass(frozen=True)
class Plans:
    """How the channels and the places of one layer are removed.

    Attributes
    ----------
    channels : AblationPlan
    places : PlacePlan
    replace : {"zero", "mean"}
        What stands in for the places that are removed; channels always become zero.
    """

    channels: AblationPlan
    places: PlacePlan
    replace: str = "zero"


def plans_for(
    backbone: Backbone,
    model: nn.Module,
    places: PlacesConfig,
    folder: ImageFolder | None = None,
    *,
    verify: bool = True,
) -> Plans:
    """Find how channels and places of the backbone's layer are removed, with one pass for both.

    `verify=False` where a network of the same architecture has been tried already.
    """
    channels = plan_for(backbone, model, folder, verify=verify)
    beside = place_plan_for(backbone, model, places.window, folder, verify=verify, beside=channels)
    return Plans(channels, beside, places.replace)


def plan_for(
    backbone: Backbone,
    model: nn.Module,
    folder: ImageFolder | None = None,
    *,
    verify: bool = True,
) -> AblationPlan:
    """Find how the channels of the backbone's layer are removed from heads on its trunk.

    The plan is tried on two images of `folder`, and on noise where it has none.
    """
    return ablation_plan(
        model,
        f"trunk.{backbone.trunk_layer}",
        sample_pixels(backbone, folder),
        channel_axis=backbone.layout.channel_axis if backbone.layout else None,
        verify=verify,
    )


def sample_pixels(backbone: Backbone, folder: ImageFolder | None) -> torch.Tensor:
    """Images to try a plan on: the first two of a folder that can be read, then two of noise."""
    pixels = [noise_images(backbone.transform, 2, seed=0)]
    if folder is not None:
        read = batches(folder, folder.names[:2], backbone.transform, 2, on_fault="skip")
        pixels = [*(batch.pixels for batch in read), *pixels]
    return torch.cat(pixels).to(backbone.device)


def place_plan_for(
    backbone: Backbone,
    model: nn.Module,
    window: Literal[1, 3, 5, "auto"] = "auto",
    folder: ImageFolder | None = None,
    *,
    verify: bool = True,
    beside: AblationPlan | None = None,
) -> PlacePlan:
    """Find how the places of the backbone's layer are removed from heads on its trunk.

    The plan is tried on the same images as that of the channels.
    """
    layout = backbone.layout
    return place_plan(
        model,
        f"trunk.{backbone.trunk_layer}",
        sample_pixels(backbone, folder),
        window=window,
        channel_axis=layout.channel_axis if layout else None,
        grid=(layout.height_map, layout.width_map) if layout else None,
        verify=verify,
        beside=beside,
    )


def plan_in_words(plan: AblationPlan | PlacePlan) -> str:
    """Describe a plan in the backbone's own layer names."""
    return plan.describe().replace("trunk.module.", "")
