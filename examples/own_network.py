"""Explain a network of your own: any module, any layer, a few lines.

    python examples/own_network.py [FOLDER]

Renders a small study into FOLDER (a temporary one by default), fits a head on a little
convolutional network that has learnt nothing, and asks where its evidence is. With your own
trained network, images and ratings the lines are the same.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

import aisthesis as ais
from aisthesis.miniature import render_study


def main(folder: Path) -> None:
    """Render, fit, explain."""
    planted = render_study(folder / "planted", 24, seed=0, size_px=96)

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 7, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3),
        nn.BatchNorm2d(32),
        nn.ReLU(),
    )
    transform = ais.Transform(96, 96, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
    backbone = ais.Backbone(network, layer="3", transform=transform, embed="pool")

    head = ais.fit(backbone, planted.images, planted.ratings, seed=0)
    maps = ais.explain(backbone, head, planted.images, planted.ratings, method="evidence")
    print(
        maps.sizes,
        "maps, strongest evidence in",
        str(maps.image.values[int(maps.max(("y", "x")).argmax("image"))]),
    )

    model = ais.RatingModel(backbone.trunk, head)
    image = torch.zeros(1, 3, 96, 96)
    print(ais.ablation_plan(model, f"trunk.{backbone.trunk_layer}", image))
    print("prediction without each channel:", ais.ablate(model, "trunk.module.3", image).shape)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
