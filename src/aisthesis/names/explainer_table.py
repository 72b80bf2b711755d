"""All that is said of the package's explainers, in one table; nothing heavy is imported for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

__all__ = ["EXPLAINER_TABLE", "ExplainerKind"]

_RAISES = "red raises the predicted rating and blue lowers it."


@dataclass(frozen=True)
class ExplainerKind:
    """What is known of an explainer before it is made.

    Attributes
    ----------
    name, title, said : str
        In study files and tables; as a heading; and in the middle of a sentence.
    words : str
        What its values are.
    make : str
        `module:attribute` of the class or function that makes it; empty for those that exact
        ablation gives.
    options : mapping
        Its arguments, each with the key of `[explaining]` in the study file that gives it.
    libraries : tuple of str
        Modules of optional packages that it imports.
    grid, cost : str
        Of its maps, and in forward passes an image, for people.
    by : {"channel", "place", ""}
        What exact ablation removes for it; empty for all others.
    signed, control : bool
        Whether negative values are evidence for a lower rating; whether it knows nothing of the
        network.
    unit, meaning : str
        Of its values, and of red and blue in its pictures.
    beside : tuple of str
        Methods that it is compared with on the same images.
    """

    name: str
    title: str
    said: str
    words: str
    make: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    grid: str = "layer"
    cost: str = "about 1 to 4"
    by: Literal["channel", "place", ""] = ""
    signed: bool = True
    control: bool = False
    unit: str = "rating units"
    meaning: str = f"By this method {_RAISES}"
    beside: tuple[str, ...] = ()


_HOME = "aisthesis.explainers."
_CELLS = "56 × 56 cells"

_ALL = (
    ExplainerKind(
        name="ais",
        title="AIS",
        said="AIS",
        words="alignment-importance of the channels, spread over where they are active",
        by="channel",
        unit="rating units × activation",
        meaning="Red is where channels that bring the prediction closer to people’s rating "
        "prevail, blue where channels that take it away do.",
    ),
    ExplainerKind(
        name="evidence",
        title="Evidence",
        said="evidence",
        words="what the channels add to the prediction, spread over where they are active",
        by="channel",
        unit="rating units × activation",
        meaning="Red is where channels that raise the predicted rating prevail, blue where "
        "channels that lower it do.",
    ),
    ExplainerKind(
        name="ais_place",
        title="AIS by place",
        said="AIS by place",
        words="how much closer a place of the layer brings the prediction to people’s rating",
        by="place",
        meaning="Red is where the image brings the prediction closer to people’s rating, blue "
        "where it takes it away.",
        beside=("ais",),
    ),
    ExplainerKind(
        name="evidence_place",
        title="Evidence by place",
        said="evidence by place",
        words="what a place of the layer adds to the prediction",
        by="place",
        meaning="Red is where the image raises the predicted rating, blue where it lowers it.",
        beside=("evidence", "grad_cam"),
    ),
    ExplainerKind(
        name="grad_cam",
        title="Grad-CAM",
        said="Grad-CAM",
        words="channels of the layer weighted by the prediction's mean gradient, not rectified",
        make=f"{_HOME}grad_cam:GradCam",
        cost="3",
    ),
    ExplainerKind(
        name="integrated_gradients",
        title="Integrated Gradients",
        said="Integrated Gradients",
        words="the prediction's difference to that of a grey image, shared out among the pixels",
        make=f"{_HOME}gradients:IntegratedGradients",
        options={"steps": "integration_steps", "cells": "cells", "at_once": "batch_size"},
        libraries=("captum.attr",),
        grid=_CELLS,
        cost="96",
    ),
    ExplainerKind(
        name="gradient_x_input",
        title="Gradient × input",
        said="gradient × input",
        words="the prediction's gradient times the pixel's distance from the mean colour",
        make=f"{_HOME}gradients:GradientTimesInput",
        options={"cells": "cells"},
        libraries=("captum.attr",),
        grid=_CELLS,
        cost="3",
    ),
    ExplainerKind(
        name="lime",
        title="LIME",
        said="LIME",
        words="what each superpixel adds to the prediction in a linear model of greyed images",
        make=f"{_HOME}lime:Lime",
        options={
            "superpixels": "lime_superpixels",
            "samples": "lime_samples",
            "cells": "cells",
            "at_once": "batch_size",
        },
        libraries=("captum.attr", "skimage.segmentation"),
        grid=_CELLS,
        cost="200",
    ),
    ExplainerKind(
        name="occlusion",
        title="Occlusion",
        said="occlusion",
        words="how far the prediction drops under a grey square",
        make=f"{_HOME}masking:occlusion",
        options={"size_px": "occlusion_px", "stride_px": "stride_px"},
        grid="positions of the squares",
        cost="200 at most, where that can be",
    ),
    ExplainerKind(
        name="multiscale",
        title="Multiscale masking",
        said="multiscale masking",
        words="drops of the prediction under grey squares of several sizes, summed over the sizes",
        make=f"{_HOME}masking:multiscale",
        options={"sizes_px": "multiscale_px", "stride_px": "stride_px"},
        grid="positions of the squares",
        cost="200 at most, where that can be",
    ),
    ExplainerKind(
        name="random",
        title="Random map",
        said="random",
        words="independent random values: a control that knows neither image nor network",
        make=f"{_HOME}controls:RandomMap",
        cost="0",
        control=True,
        unit="no unit",
        meaning="Red and blue are drawn at random: a control.",
    ),
    ExplainerKind(
        name="centre",
        title="Centre prior",
        said="centre prior",
        words="high in the middle of every image: a control that knows only where things are",
        make=f"{_HOME}controls:CentrePrior",
        cost="0",
        signed=False,
        control=True,
        unit="no unit",
        meaning="Red is the middle of every picture: a control.",
    ),
)

#: Every explainer of the package by its name, in the order in which they are listed.
EXPLAINER_TABLE: Mapping[str, ExplainerKind] = MappingProxyType({one.name: one for one in _ALL})
