"""Are maps by place as true to really trained networks as other maps, and where do they differ?

    python benchmarks/real_networks.py [--images 16] [--out benchmarks/results]

Four networks with ImageNet weights on three judged properties of real photographs (../shared:
realness of raise, lightness and roughness of rocks). Heads are fitted on each; for some held-out
photographs every kind of map is tested by deletion and ROAD (mean change of the prediction as
pixels go, in SDs of the ratings; higher is better) and infidelity (lower is better). Every method
is compared with `evidence_place` on the same photographs. Last, half of each layer's channels are
turned over before BatchNorm, which leaves every prediction as it is: a map should stay as it is.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from aisthesis.agreement import mean_intervals
from aisthesis.config import study_config
from aisthesis.execution.progress import Silent
from aisthesis.explainers.registry import explainers_named
from aisthesis.faithfulness import infidelity
from aisthesis.faithfulness.perturbation import curve_measures, perturbation_curves
from aisthesis.heads import MeanRating, RatingEnsemble
from aisthesis.images import batches
from aisthesis.names.explainers import BASE
from aisthesis.studies.ratings.explaining.explain import explain_batch, explain_places
from aisthesis.studies.ratings.explaining.explainers import image_seeds, subject_of
from aisthesis.studies.ratings.study import Study
from aisthesis.studies.shared.ablation_plans import place_plan_for, plan_for
from aisthesis.studies.shared.network import fitted_backbone, fitted_heads

SHARED = Path(__file__).resolve().parents[2] / "shared"
NETWORKS = {
    "squeezenet1_0": ("torchvision:squeezenet1_0", "features.12"),
    "lite0": ("timm:tf_efficientnet_lite0", "conv_head"),
    "lite1": ("timm:tf_efficientnet_lite1", "conv_head"),
    "lite2": ("timm:tf_efficientnet_lite2", "conv_head"),
}
FILES = {
    "squeezenet1_0": "squeezenet1_0.safetensors",
    **{f"lite{n}": f"tf_efficientnet_lite{n}.safetensors" for n in range(3)},
}
JUDGED = {
    "realness": ("raise", "ratings.csv"),
    "lightness": ("rocks", "lightness.csv"),
    "roughness": ("rocks", "roughness.csv"),
}
OTHERS = ("grad_cam", "integrated_gradients", "occlusion")
MEASURES = ("deletion_positive", "deletion_negative", "road", "infidelity")
LEADING = "evidence_place"


def study_of(judged: str, root: Path, networks: list[str]) -> Study:
    folder, table = JUDGED[judged]
    values = {
        "images": str(SHARED / "data" / folder / "images"),
        "ratings": str(SHARED / "data" / folder / table),
        "out": str(root / judged),
        "seeds": 2,
        "backbones": [
            {
                "name": NETWORKS[name][0],
                "label": name,
                "layer": NETWORKS[name][1],
                "weights": str(SHARED / "weights" / FILES[name]),
            }
            for name in networks
        ],
    }
    return Study(study_config(values, root, "benchmark"), reporter=Silent()).run(until="fit")


class Fitted:
    """One network with its heads, and some held-out photographs as it reads them."""

    def __init__(self, study: Study, label: str, n: int) -> None:
        asked = next(one for one in study.config.backbones if one.label == label)
        inputs = study.inputs
        test = inputs.indices(inputs.splits[0].test)
        chosen = np.sort(np.random.default_rng(0).permutation(test)[:n])
        self.names = [inputs.names[i] for i in chosen]
        self.rating = torch.from_numpy(inputs.rating[chosen])
        self.backbone = fitted_backbone(study.folder, study.config, asked)
        self.heads = fitted_heads(study.folder, label, study.config.seed, study.config.seeds)
        self.pixels = torch.cat(
            [b.pixels for b in batches(inputs.folder, self.names, self.backbone.transform, 8)]
        )

    @torch.no_grad()
    def exact(self, trunk: nn.Module | None = None) -> dict[str, np.ndarray]:
        """Maps by channels and by places, averaged over heads."""
        model = RatingEnsemble(trunk or self.backbone.trunk, self.heads)
        channels, places = plan_for(self.backbone, model), place_plan_for(self.backbone, model)
        parts: dict[str, list[np.ndarray]] = {kind: [] for kind in BASE}
        for pixels, rating in zip(self.pixels.split(8), self.rating.split(8), strict=True):
            found = explain_batch(self.backbone, channels, pixels, rating)
            found |= explain_places(places, pixels, rating)
            for kind in BASE:
                parts[kind].append(found[kind].mean(0))
        return {kind: np.concatenate(each) for kind, each in parts.items()}

    def others(self) -> dict[str, np.ndarray]:
        subject, found = subject_of(self.backbone, self.heads), {}
        seeds = image_seeds(0, self.backbone.name, self.names)
        for one in explainers_named(OTHERS, batch_size=8):
            maps = one(subject, self.pixels, seeds=seeds, advance=lambda n: None)
            found[one.name] = maps.detach().float().numpy()
        return found


def measured(fitted: Fitted, unit: float) -> pd.DataFrame:
    """Measure by method and photograph: columns method, measure, image, value."""
    model = MeanRating(fitted.backbone.trunk, fitted.heads)
    maps = fitted.exact() | fitted.others()
    rows = []
    for baseline, wanted in (
        ("blur", ("deletion_positive", "deletion_negative")),
        ("noisy_linear", ("road",)),
    ):
        curves = perturbation_curves(model, fitted.pixels, maps, baseline=baseline, n_steps=10)
        values = curve_measures(curves, unit).sel(measure=list(wanted))
        rows.append(values.to_dataframe("value").reset_index().rename(columns={"map": "method"}))
    for method, each in infidelity(model, fitted.pixels, maps, n_samples=50).items():
        rows.append(
            pd.DataFrame(
                {
                    "method": method,
                    "measure": "infidelity",
                    "image": range(len(each)),
                    "value": each,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


@torch.no_grad()
def turned(fitted: Fitted) -> dict[str, float] | None:
    """Lowest cosine of each map with itself when half of the channels are turned over."""
    trunk = copy.deepcopy(fitted.backbone.trunk)
    modules = dict(trunk.named_modules())
    layer = modules[fitted.backbone.trunk_layer]
    names = list(modules)
    after = [modules[n] for n in names[names.index(fitted.backbone.trunk_layer) + 1 :]]
    norm = after[0] if after else None
    if not isinstance(norm, nn.BatchNorm2d):
        return None
    sign = torch.ones(layer.out_channels)
    sign[::2] = -1
    layer.weight.mul_(sign.view(-1, 1, 1, 1))
    if layer.bias is not None:
        layer.bias.mul_(sign)
    norm.running_mean.mul_(sign)
    norm.weight.mul_(sign)
    before, now = fitted.exact(), fitted.exact(trunk)
    moved = fitted.backbone.trunk(fitted.pixels[:4]) - trunk(fitted.pixels[:4])
    found = {kind: float(cosines(before[kind], now[kind]).min()) for kind in BASE}
    return found | {"largest change of an embedding": float(moved.abs().max())}


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a.reshape(len(a), -1).astype(float), b.reshape(len(b), -1).astype(float)
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def table(values: pd.DataFrame) -> list[str]:
    """A row a method: its mean, and how far evidence by place lies above it (95% intervals)."""
    methods = list(dict.fromkeys(values["method"]))
    lines = ["| method | " + " | ".join(MEASURES) + " |", "|" + "---|" * (len(MEASURES) + 1)]
    wide = values.pivot(index=["measure", "image"], columns="method", values="value")
    for method in methods:
        cells = []
        for measure in MEASURES:
            own = wide.loc[measure]
            cell = f"{own[method].mean():.3f}"
            if method != LEADING:
                apart = (own[LEADING] - own[method]).to_numpy()[:, None]
                ends = mean_intervals(apart, n_boot=2000, seed=0)
                cell += f" ({np.nanmean(apart):+.3f}, {ends.low[0]:+.3f} to {ends.high[0]:+.3f})"
            cells.append(cell)
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--judged", nargs="+", default=list(JUDGED), choices=list(JUDGED))
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--out", type=Path, help="folder for real_networks.md and .json")
    options = parser.parse_args()
    lines = [
        f"{options.images} held-out photographs, two heads a network. In brackets: evidence by "
        "place minus the method on the same photographs, with its 95% bootstrap interval. Deletion "
        "and ROAD: higher is better; infidelity: lower is better.",
    ]
    record: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for judged in options.judged:
            study = study_of(judged, Path(scratch), options.networks)
            unit = float(np.std(study.inputs.rating))
            for name in options.networks:
                fitted = Fitted(study, name, options.images)
                values = measured(fitted, unit)
                record[f"{judged}, {name}"] = {
                    measure: values[values["measure"] == measure]
                    .groupby("method")["value"]
                    .mean()
                    .round(4)
                    .to_dict()
                    for measure in MEASURES
                }
                block = ["", f"### {judged}, {name}", "", *table(values)]
                signs = turned(fitted) if judged == options.judged[0] else None
                if signs:
                    record[f"{judged}, {name}"]["turned"] = signs
                    said = ", ".join(f"{kind} {value:.6g}" for kind, value in signs.items())
                    block += ["", f"Half of the channels turned over, lowest cosine: {said}."]
                print("\n".join(block), flush=True)
                lines += block
    if options.out:
        options.out.mkdir(exist_ok=True, parents=True)
        (options.out / "real_networks.md").write_text("\n".join(lines) + "\n")
        (options.out / "real_networks.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
