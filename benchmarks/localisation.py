"""Do the maps find evidence whose place is known? The six miniatures on a planted study.

    python benchmarks/localisation.py [--seed 7] [--images 300]

Renders the study, runs it (fit, explain, score against the masks) and writes two tables: how well
each kind of map finds the evidence beside its controls, and two controls of the method itself:
random networks whose heads are fitted (random features are not nothing), and the trained networks
with half of the target layer's channels turned over before BatchNorm, which leaves every prediction
as it is and changes the maps.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from aisthesis.config import AIS_BACKBONES, study_config
from aisthesis.execution.progress import Silent
from aisthesis.faithfulness import load_masks, pixel_auc
from aisthesis.heads import RatingEnsemble, load_head
from aisthesis.images import batches
from aisthesis.maps.resample import upsample
from aisthesis.miniature import MINIATURE_PREFIX, miniature_backbone, render_study
from aisthesis.studies.ratings.explaining.explain import explain_batch
from aisthesis.studies.ratings.study import Study
from aisthesis.studies.shared.ablation_plans import plan_for

#: BatchNorm that reads the target layer, and which of its entries are the layer's.
NORMS = {
    "resnet152": ("layer4.2.bn3", slice(None)),
    "barlow_twins": ("layer4.2.bn3", slice(None)),
    "efficientnet_b3": ("features.8.1", slice(None)),
    "densenet161": ("features.norm5", slice(-8, None)),
}


def planted_study(root: Path, planted: Path, seed: int, weights: str, seeds: int) -> Study:
    config = study_config(
        {
            "images": str(planted / "images"),
            "ratings": str(planted / "ratings.csv"),
            "masks": str(planted / "masks"),
            "out": str(root / f"study-{weights}"),
            "seeds": seeds,
            "seed": seed,
            "test": 0.3,
            "metrics": ["cosine"],
            "randomised": 5 if weights == "default" else 0,
            "fit": {"learning_rate": 1e-3},
            "backbones": [
                {"name": f"{MINIATURE_PREFIX}{name}", "label": name, "weights": weights}
                for name in AIS_BACKBONES
            ],
        },
        root,
        "the benchmark",
    )
    return Study(config, reporter=Silent()).run(until="agree")


def row(table: pd.DataFrame, backbone: str, kind: str, side: str, score: str, control: str) -> dict:
    keys = {"backbone": backbone, "map": kind, "side": side, "score": score, "control": control}
    found = table[(table[list(keys)] == pd.Series(keys)).all(axis=1)]
    return found.iloc[0].to_dict() if len(found) else {}


def written(cell: dict) -> str:
    if not cell:
        return ""
    return f"{cell['mean']:.2f} ({cell['low']:.2f} to {cell['high']:.2f})"


def main_table(study: Study, table: pd.DataFrame) -> list[str]:
    controls = ("centre", "uniform", "activation", "random_weights")
    lines = [
        "| backbone | PLCC, one head, lowest | PLCC, mean | pointing | mass | AUC, raising | "
        + " | ".join(f"above {c.replace('_', ' ')}" for c in controls)
        + " | random weights' own AUC | AUC, lowering | AIS, AUC either side |",
        "|" + "---|" * 12,
    ]
    scores = study.scores.query("head == 'mlp' and split == 'test'")
    for name in AIS_BACKBONES:
        own = scores[scores["backbone"] == name].set_index("seed")["plcc"]
        find = {
            score: row(table, name, "evidence", "raising", score, "none")
            for score in ("pointing", "mass", "auc")
        }
        cells = [f"{own.drop('mean').min():.2f}", f"{own['mean']:.2f}"]
        cells += [written(find[score]) for score in ("pointing", "mass", "auc")]
        cells += [written(row(table, name, "evidence", "raising", "auc", c)) for c in controls]
        cells.append(written(row(table, name, "evidence_random_weights", "raising", "auc", "none")))
        cells.append(written(row(table, name, "evidence", "lowering", "auc", "none")))
        cells.append(written(row(table, name, "ais", "either", "auc", "none")))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


@torch.no_grad()
def turned_over(study: Study, name: str, masks: Path) -> tuple[float, float, float]:
    """AUC as it is and turned over; the largest change of a prediction between the two."""
    inputs, backbone = study.inputs, miniature_backbone(name)
    names = [inputs.names[i] for i in inputs.indices(inputs.splits[0].test)]
    heads = [load_head(study.folder.head_file(name, s.fit_seed))[0] for s in inputs.splits]
    truth = load_masks(masks / "raising", names, backbone.transform, inputs.sizes)
    aucs, predictions = [], []
    for turn in (False, True):
        if turn:
            turn_channels(name, backbone.module)
        model = RatingEnsemble(backbone.trunk, heads)
        plan = plan_for(backbone, model)
        maps, predicted = [], []
        for batch in batches(inputs.folder, names, backbone.transform, 8):
            unrated = torch.full((len(batch.names),), torch.nan)
            maps.append(explain_batch(backbone, plan, batch.pixels, unrated)["evidence"].mean(0))
            predicted.append(model(batch.pixels).mean(1))
        on_grid = upsample(torch.from_numpy(np.concatenate(maps)), truth.shape[1:]).numpy()
        aucs.append(float(np.nanmean(pixel_auc(on_grid, truth))))
        predictions.append(torch.cat(predicted))
    return *aucs, float((predictions[0] - predictions[1]).abs().max())


@torch.no_grad()
def turn_channels(name: str, network: nn.Module) -> None:
    """Negate every other channel's filter, running mean and scale: the function stays."""
    path, place = NORMS[name]
    layer, norm = network.get_submodule(layer_path(name)), network.get_submodule(path)
    sign = torch.ones(layer.out_channels)
    sign[::2] = -1
    layer.weight.mul_(sign.view(-1, 1, 1, 1))
    norm.running_mean[place].mul_(sign)
    norm.weight[place].mul_(sign)


def layer_path(name: str) -> str:
    layer = miniature_backbone(name).layer
    if layer is None:
        raise ValueError(name)
    return layer


def method_table(trained: Study, fitted_random: pd.DataFrame, masks: Path) -> list[str]:
    lines = [
        "| backbone | random network, head fitted: AUC, raising | trained | "
        "every other channel turned over | largest change of a prediction |",
        "|---|---|---|---|---|",
    ]
    for name in AIS_BACKBONES:
        cells = [written(row(fitted_random, name, "evidence", "raising", "auc", "none"))]
        if name in NORMS:
            before, after, moved = turned_over(trained, name, masks)
            cells += [f"{before:.2f}", f"{after:.2f}", f"{moved:.0e}"]
        else:
            cells += ["", "no BatchNorm follows: a sign means something", ""]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        planted = root / "planted"
        render_study(planted, options.images, seed=options.seed)
        trained = planted_study(root, planted, options.seed, "default", options.seeds)
        table = pd.read_csv(trained.folder.localisation)
        random = planted_study(root, planted, options.seed, "random", options.seeds)
        random_table = pd.read_csv(random.folder.localisation)
        test_images = len(trained.inputs.splits[0].test)
        heading = (
            f"Planted study, seed {options.seed}, {options.images} images, {test_images} of them "
            f"held out and explained, {options.seeds} heads a backbone. AUC .5 is chance; limits "
            "are 95% bootstrap intervals over images; `above` is the mean difference from the "
            "control on the same images."
        )
        text = "\n".join(
            [
                heading,
                "",
                *main_table(trained, table),
                "",
                *method_table(trained, random_table, planted / "masks"),
            ]
        )
    print(text)
    options.out.mkdir(exist_ok=True)
    (options.out / "localisation.md").write_text(text + "\n")
    record = {"seed": options.seed, "images": options.images, "heads": options.seeds}
    record["rows"] = json.loads(table.to_json(orient="records", double_precision=4))
    (options.out / "localisation.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
