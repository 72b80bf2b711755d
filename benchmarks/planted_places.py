"""Which kind of map finds planted evidence: by channel, by place, or Grad-CAM?

    python benchmarks/planted_places.py [--seed 7] [--weights default|random|FOLDER]

Renders a study whose evidence is known, fits heads on the six miniatures and scores every kind of
map of the held-out images by pixel AUC: how often a pixel inside the evidence that raises
(lowers) the rating has a higher (lower) value than one outside. `--weights FOLDER` takes other
weights of the miniatures, one NAME.safetensors each. Windows for `auto` are chosen on one seed
and reported on another.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from aisthesis.config import AIS_BACKBONES, PlacesConfig, study_config
from aisthesis.execution.progress import Silent
from aisthesis.explainers.registry import explainers_named
from aisthesis.faithfulness import load_masks, pixel_auc
from aisthesis.faithfulness.localisation import bootstrap_mean
from aisthesis.heads import RatingEnsemble
from aisthesis.images import batches
from aisthesis.maps.resample import upsample
from aisthesis.miniature import MINIATURE_PREFIX, render_study
from aisthesis.studies.ratings.explaining.explain import explain_batch, explain_places
from aisthesis.studies.ratings.explaining.explainers import subject_of
from aisthesis.studies.ratings.study import Study
from aisthesis.studies.shared.ablation_plans import place_plan_for, plan_for
from aisthesis.studies.shared.network import fitted_backbone, fitted_heads

WINDOWS = (1, 3, 5)
SIDES = ("raising", "lowering")


def fitted_study(root: Path, planted: Path, options: argparse.Namespace) -> Study:
    weights = {
        name: options.weights
        if options.weights in ("default", "random")
        else str(Path(options.weights).absolute() / f"{name}.safetensors")
        for name in options.backbones
    }
    layers = dict(pair.split("=") for pair in options.layer)
    config = study_config(
        {
            "images": str(planted / "images"),
            "ratings": str(planted / "ratings.csv"),
            "out": str(root / "study"),
            "seeds": options.seeds,
            "seed": options.seed,
            "test": 0.3,
            "fit": {"learning_rate": 1e-3},
            "backbones": [
                {"name": f"{MINIATURE_PREFIX}{name}", "label": name, "weights": weights[name]}
                | ({"layer": layers[name]} if name in layers else {})
                for name in options.backbones
            ],
        },
        root,
        "the benchmark",
    )
    return Study(config, reporter=Silent()).run(until="fit")


@torch.no_grad()
def maps_of(study: Study, label: str, names: list[str]) -> dict[str, np.ndarray]:
    """Every kind of map (N, h, w), averaged over heads."""
    asked = next(one for one in study.config.backbones if one.label == label)
    backbone = fitted_backbone(study.folder, study.config, asked)
    heads = fitted_heads(study.folder, label, study.config.seed, study.config.seeds)
    model = RatingEnsemble(backbone.trunk, heads)
    channels, subject = plan_for(backbone, model), subject_of(backbone, heads)
    (grad_cam,) = explainers_named(["grad_cam"])
    places = {w: place_plan_for(backbone, model, w) for w in (*WINDOWS, PlacesConfig().window)}
    parts: dict[str, list[np.ndarray]] = {}
    for batch in batches(study.inputs.folder, names, backbone.transform, 8):
        unrated = torch.full((len(batch.names),), torch.nan)
        found = {"evidence": explain_batch(backbone, channels, batch.pixels, unrated)["evidence"]}
        for window, plan in places.items():
            found[f"places {window}"] = explain_places(plan, batch.pixels, unrated)[
                "evidence_place"
            ]
        with torch.enable_grad():
            cam = grad_cam(
                subject, batch.pixels, seeds=[0] * len(batch.names), advance=lambda n: None
            )
        found["grad_cam"] = cam.detach().numpy()[None]
        for kind, maps in found.items():
            parts.setdefault(kind, []).append(maps.mean(0))
    print(f"{label}: auto takes windows of {places['auto'].window}", flush=True)
    return {kind: np.concatenate(each) for kind, each in parts.items()}


def aucs_of(study: Study, label: str, masks: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Pixel AUC of every kind of map and side, (N,), under ``kind, side``."""
    transform = fitted_backbone(
        study.folder, study.config, next(b for b in study.config.backbones if b.label == label)
    ).transform
    truth = {side: load_masks(masks / side, names, transform) for side in SIDES}
    found = {}
    for kind, maps in maps_of(study, label, names).items():
        on_grid = upsample(torch.from_numpy(maps).double(), truth["raising"].shape[1:]).numpy()
        for side, sign in zip(SIDES, (1, -1), strict=True):
            found[f"{kind}, {side}"] = pixel_auc(sign * on_grid, truth[side])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--explained", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--backbones", nargs="+", default=list(AIS_BACKBONES))
    parser.add_argument("--layer", action="append", default=[], metavar="BACKBONE=LAYER")
    parser.add_argument("--out", type=Path, help="folder for planted_places.md and .json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root, planted = Path(scratch), Path(scratch) / "planted"
        render_study(planted, options.images, seed=options.seed)
        study = fitted_study(root, planted, options)
        inputs = study.inputs
        test = [inputs.names[i] for i in inputs.indices(inputs.splits[0].test)]
        names = test[: options.explained]
        scores = study.scores.query("head == 'mlp' and split == 'test'")
        aucs = {
            label: aucs_of(study, label, planted / "masks", names) for label in options.backbones
        }
    text = "\n".join(written(options, scores, aucs, len(names)))
    print(text)
    if options.out:
        options.out.mkdir(exist_ok=True, parents=True)
        (options.out / "planted_places.md").write_text(text + "\n")
        means = {
            label: {kind: round(float(np.nanmean(auc)), 4) for kind, auc in found.items()}
            for label, found in aucs.items()
        }
        (options.out / "planted_places.json").write_text(json.dumps(means, indent=1) + "\n")


def written(options: argparse.Namespace, scores, aucs, n: int) -> list[str]:
    kinds = ["evidence", "grad_cam", *(f"places {w}" for w in WINDOWS), "places auto"]
    lines = [
        f"Planted study, seed {options.seed}, {n} held-out images, {options.seeds} heads, weights "
        f"{options.weights}: pixel AUC of evidence that raises / lowers the rating; differences "
        "are of the same images, with 95% bootstrap intervals.",
        "",
        "| network | PLCC | "
        + " | ".join(kinds)
        + " | auto above evidence | auto above Grad-CAM |",
        "|" + "---|" * (len(kinds) + 4),
    ]
    for label, found in aucs.items():
        own = scores[(scores["backbone"] == label) & (scores["seed"].astype(str) != "mean")]
        cells = [f"{own['plcc'].min():.2f}"]
        for kind in kinds:
            cells.append(" / ".join(f"{np.nanmean(found[f'{kind}, {s}']):.2f}" for s in SIDES))
        for other in ("evidence", "grad_cam"):
            cells.append(
                " / ".join(difference(found, f"places auto, {s}", f"{other}, {s}") for s in SIDES)
            )
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def difference(found: dict[str, np.ndarray], one: str, other: str) -> str:
    apart = found[one] - found[other]
    mean, low, high = bootstrap_mean(apart[np.isfinite(apart)])
    return f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"


if __name__ == "__main__":
    main()
