"""Real results on real photographs: run five studies of four pretrained networks, write a page.

    python tools/gallery.py run ../shared STUDIES [--only NAME ...]
    python tools/gallery.py write STUDIES [--docs docs]

`run` needs the data and weights of ../shared and takes from seconds (similarity) to an hour
(ratings) each; a study that is done is not done again. `write` makes docs/gallery.md and its
pictures from those study folders that are finished, and says which are not.

The data may be used for research but are not ours to pass on (data/README.md there): the page shows
maps and figures alone, no photograph.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from gallery_page import write_page

#: Label: name, layer, file of weights.
NETWORKS = {
    "SqueezeNet": ("torchvision:squeezenet1_0", "features.12", "squeezenet1_0"),
    "Lite0": ("timm:tf_efficientnet_lite0", "conv_head", "tf_efficientnet_lite0"),
    "Lite1": ("timm:tf_efficientnet_lite1", "conv_head", "tf_efficientnet_lite1"),
    "Lite2": ("timm:tf_efficientnet_lite2", "conv_head", "tf_efficientnet_lite2"),
}


@dataclass(frozen=True)
class Part:
    """One study: where its images and its judgments lie in ../shared."""

    images: str
    judged: str
    similarity: bool = False


PARTS = {
    "objects92": Part("objects92/images", "objects92/dissimilarity", similarity=True),
    "rocks-similarity": Part("rocks/images", "rocks/similarity30.csv", similarity=True),
    "rocks-lightness": Part("rocks/images", "rocks/lightness.csv"),
    "rocks-roughness": Part("rocks/images", "rocks/roughness.csv"),
    "realness": Part("raise/images", "raise/ratings.csv"),
}


def keys_of(part: Part, shared: Path, out: Path) -> dict[str, Any]:
    """The study file of one part, as a dictionary."""
    keys: dict[str, Any] = {
        "images": str(shared / "data" / part.images),
        "judgments" if part.similarity else "ratings": str(shared / "data" / part.judged),
        "out": str(out),
        "backbones": [
            {
                "name": name,
                "label": label,
                "layer": layer,
                "weights": str(shared / "weights" / f"{file}.safetensors"),
            }
            for label, (name, layer, file) in NETWORKS.items()
        ],
    }
    if not part.similarity:
        keys |= {
            "unrated": "ignore",
            "seeds": 3,
            "metrics": ["cosine"],
            "explainers": ["grad_cam"],
            "faithfulness": {
                "images": 8,
                "steps": 4,
                "squares": 0,
                "baselines": ["blur"],
                "cascade_images": 0,
            },
        }
    return keys


def run(shared: Path, studies: Path, only: list[str], tell: Callable[[str], None] = print) -> None:
    """Run the studies asked for, or go on with them."""
    import aisthesis as ais

    for name in only or PARTS:
        part = PARTS[name]
        keys = keys_of(part, shared.resolve(), (studies / name).resolve())
        tell(f"{name}: {'similarity judgments' if part.similarity else 'ratings'}")
        (ais.Alignment if part.similarity else ais.Study)(**keys).run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("shared", type=Path)
    running.add_argument("studies", type=Path)
    running.add_argument("--only", nargs="+", choices=PARTS, default=[])
    writing = commands.add_parser("write")
    writing.add_argument("studies", type=Path)
    writing.add_argument("--docs", type=Path, default=Path(__file__).parents[1] / "docs")
    asked = parser.parse_args()
    if asked.command == "run":
        run(asked.shared, asked.studies, asked.only)
    else:
        write_page({name: asked.studies / name for name in PARTS}, asked.docs)


if __name__ == "__main__":
    main()
