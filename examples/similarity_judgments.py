"""Which channels make a network see likeness as people do, and do they predict better alone?

    python examples/similarity_judgments.py [FOLDER]
    python examples/similarity_judgments.py FOLDER --objects92 shared/data/objects92 \\
        --weights shared/weights/squeezenet1_0.safetensors

The first line renders a few images into FOLDER (a temporary one by default), makes up the
judgments of three subjects who look at the images' ratings, and studies a miniature network. The
second reproduces the validation table of the 92 objects (Kriegeskorte et al. 2008, judged by eight
subjects of Mur et al. 2013) with SqueezeNet; docs/measured.md has what it should print.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import aisthesis as ais
from aisthesis.miniature import render_study


def made_up(folder: Path) -> ais.Alignment:
    """Judge rendered images by how far their ratings are apart, each subject with own noise."""
    planted = render_study(folder / "planted", 24, seed=0, size_px=96)
    ratings = pd.read_csv(planted.ratings).groupby("image")["rating"].mean()
    rng = np.random.default_rng(0)
    pairs = [
        {
            "image_a": a,
            "image_b": b,
            "subject": f"subject {k}",
            "similarity": round(-abs(ratings[a] - ratings[b]) + rng.normal(0, 0.3), 3),
        }
        for k in range(3)
        for i, a in enumerate(ratings.index)
        for b in ratings.index[:i]
    ]
    pd.DataFrame(pairs).to_csv(folder / "judgments.csv", index=False)
    return ais.Alignment(
        images=planted.images,
        judgments=folder / "judgments.csv",
        backbones=["miniature:resnet152"],
        out=folder / "study",
    )


def objects92(folder: Path, data: Path, weights: Path) -> ais.Alignment:
    """Study 92 object images and eight subjects' dissimilarities, one CSV a subject."""
    return ais.Alignment(
        title="92 objects, eight subjects",
        images=data / "images",
        judgments=data / "dissimilarity",
        backbones=[
            {
                "name": "torchvision:squeezenet1_0",
                "layer": "features.12",
                "weights": str(weights),
                "label": "squeezenet",
            }
        ],
        out=folder / "objects92",
    )


def main(folder: Path, data: Path | None, weights: Path | None) -> None:
    """Run the study and print its validation."""
    if data is not None and weights is not None:
        study = objects92(folder, data, weights)
    else:
        study = made_up(folder)
    study.run()
    columns = ["repeat", "fold", "n_test", "n_retained", "r2_full", "r2_retained", "difference"]
    print(study.validation[columns].round(3).to_string(index=False))
    row = study.agreement.iloc[0]
    print(
        f"\nagreement {row['agreement']:.3f}, with single subjects "
        f"{row['agreement_subjects']:.3f} (noise ceiling {row['ceiling_lower']:.3f} to "
        f"{row['ceiling_upper']:.3f})\n"
        f"held-out R² {row['r2_full']:.3f} -> {row['r2_retained']:.3f} with "
        f"{row['n_retained_mean']:.0f} of {row['n_channels']} channels: difference "
        f"{row['difference']:.3f} (95% interval {row['difference_low']:.3f} to "
        f"{row['difference_high']:.3f}, p {row['p']:.3f})\n{study.folder.report}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--objects92", type=Path, metavar="FOLDER")
    parser.add_argument("--weights", type=Path, metavar="FILE")
    options = parser.parse_args()
    if (options.objects92 is None) != (options.weights is None):
        parser.error("--objects92 and --weights belong together")
    if options.folder is not None:
        main(options.folder, options.objects92, options.weights)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary), options.objects92, options.weights)
