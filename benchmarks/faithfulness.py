"""Faithfulness of maps on the planted study: method x measure, and does it agree with the masks?

Run `python benchmarks/faithfulness.py [--images 24] [--backbones vgg19,resnet152]`; it renders the
study, fits one head a backbone, and writes results/faithfulness.json and .md. Seed 7 of the
planted study was never used to choose anything. `--imputed` images of those take part in the
noisy linear imputation, which costs more than the networks do.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata, spearmanr
from torch import Tensor

import aisthesis as ais
from aisthesis.ablation.plan import AblationPlan, ablation_plan
from aisthesis.backbones import Backbone
from aisthesis.faithfulness import (
    cascade_similarity,
    centre_prior,
    channel_curves,
    channel_table,
    faithfulness_table,
    load_masks,
    max_sensitivity,
    pixel_auc,
)
from aisthesis.heads import MLPHead, RatingModel
from aisthesis.images import ImageFolder, batches
from aisthesis.importance.scores import evidence_scores, importance_scores
from aisthesis.maps.rating_units import rating_unit_map
from aisthesis.maps.resample import upsample
from aisthesis.maps.weighting import activation_map, weighted_map
from aisthesis.miniature.planted import render_study

RESULTS = Path(__file__).parent / "results"
STUDY_SEED, HEAD_SEED = 7, 0
CONTROLS = ("random", "centre")
#: What the masks ask, and the deletion that asks it of the network.
SIDES = {"raising": "deletion_positive", "lowering": "deletion_negative"}


def gradient_map(model: RatingModel, layer: str, images: Tensor) -> Tensor:
    """Grad-CAM without its ReLU: activations weighted by the mean gradient of the rating."""
    kept: list[Tensor] = []

    def keep(_m: object, _i: object, output: Tensor) -> Tensor:
        kept.append(output.detach().clone().requires_grad_(True))
        return kept[-1].clone()  # the next layer may overwrite what it is given

    handle = model.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(model(images).sum(), kept[0])
    finally:
        handle.remove()
    return (gradient.mean((2, 3), keepdim=True) * kept[0].detach()).sum(1)


def gradient_times_input(model: RatingModel, images: Tensor) -> Tensor:
    with torch.enable_grad():
        given = images.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(given).sum(), given)
    return (gradient * images).sum(1)


def explained(
    backbone: Backbone, model: RatingModel, plan: AblationPlan, images: Tensor, rating: Tensor
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Maps by method, and the channel scores behind them."""
    maps: dict[str, list[Tensor]] = {}
    scores: dict[str, list[Tensor]] = {}
    for part, y in zip(images.split(8), rating.split(8), strict=True):
        ablation = plan(part)
        activation = backbone.to_map(ablation.activation).double()
        found = {
            "evidence": evidence_scores(ablation.delta),
            "ais": importance_scores(ablation.output, ablation.delta, y),
        }
        each = {name: weighted_map(score, activation) for name, score in found.items()}
        each["evidence_shared"] = rating_unit_map(found["evidence"], activation)
        each["activation"] = activation_map(activation)
        each["grad_cam"] = gradient_map(model, plan.layer, part)
        each["gradient_x_input"] = gradient_times_input(model, part)
        for name, one in each.items():
            maps.setdefault(name, []).append(one.double())
        for name, score in found.items():
            scores.setdefault(name, []).append(score)
    return (
        {name: torch.cat(each).numpy() for name, each in maps.items()},
        {name: torch.cat(each).numpy() for name, each in scores.items()},
    )


def localisation(maps: dict[str, np.ndarray], masks: np.ndarray, sign: int) -> dict[str, Any]:
    """Pixel AUC by method, (N,); maps without a sign are not turned round."""
    height, width = masks.shape[1:]
    found = {}
    for name, one in maps.items():
        facing = one if name == "activation" else sign * one
        on_grid = upsample(torch.from_numpy(facing.copy()), (height, width)).numpy()
        found[name] = pixel_auc(on_grid, masks)
    noise = np.random.default_rng(0).normal(size=(len(masks), height // 16, width // 16))
    found["random"] = pixel_auc(upsample(torch.from_numpy(noise), (height, width)).numpy(), masks)
    centre = np.broadcast_to(centre_prior(height, width), masks.shape)
    found["centre"] = pixel_auc(centre, masks)
    return found


def one_backbone(name: str, study: Any, truth: pd.Series, options: Any) -> dict[str, Any]:
    started = time.perf_counter()
    backbone = ais.backbone(f"miniature:{name}")
    test = sorted(study.names)[-options.images :]
    rest = {each: truth[each] for each in study.names if each not in set(test)}
    head: MLPHead = ais.fit(backbone, study.images, rest, seed=HEAD_SEED, test=0.05)
    model = RatingModel(backbone.trunk, head)
    folder = ImageFolder(study.images)
    images = torch.cat([b.pixels for b in batches(folder, test, backbone.transform, 8)])
    rating = torch.tensor([truth[each] for each in test], dtype=torch.float64)
    layer = f"trunk.{backbone.trunk_layer}"
    plan = ablation_plan(model, layer, images[:2])
    maps, scores = explained(backbone, model, plan, images, rating)
    unit = float(truth.std(ddof=0))
    tables = [
        faithfulness_table(model, images, maps, unit=unit, baselines=["blur", "mean"]),
        channel_table(channel_curves(plan, images, scores), unit, rating=rating),
    ]
    n = options.imputed
    if n:
        few = {method: each[:n] for method, each in maps.items()}
        tables.append(
            faithfulness_table(
                model, images[:n], few, unit=unit, baselines=["noisy_linear"], n_steps=5,
                n_squares=0, n_random=1,
            )
        )  # fmt: skip
    table = pd.concat(tables, ignore_index=True).assign(backbone=name)
    places = {}
    for side, sign in (("raising", 1), ("lowering", -1)):
        masks = load_masks(study.root / "masks" / side, test, backbone.transform)
        places[side] = {
            method: float(np.nanmean(each))
            for method, each in localisation(maps, masks, sign).items()
        }

    def evidence(batch: Tensor) -> Tensor:
        ablation = plan(batch.float())
        scores = evidence_scores(ablation.delta)
        return weighted_map(scores, backbone.to_map(ablation.activation).double())

    few_images = images[: min(8, len(images))]
    explainers = {
        "evidence": evidence,
        "grad_cam": lambda batch: gradient_map(model, layer, batch.float()),
    }
    cascades = {
        method: cascade_similarity(model, explain, few_images, n_stages=6, size_px=56, n_boot=500)
        .assign(method=method)
        .to_dict("records")
        for method, explain in explainers.items()
    }
    sensitivity = {
        method: float(np.nanmean(max_sensitivity(explain, few_images, n_samples=5)))
        for method, explain in explainers.items()
    }
    return {
        "table": table,
        "localisation": places,
        "cascade": cascades,
        "sensitivity": sensitivity,
        "plcc": float(np.corrcoef(model(images).detach().numpy(), rating)[0, 1]),
        "seconds": round(time.perf_counter() - started, 1),
    }


def rank_agreement(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Spearman's rho, over methods, of localisation AUC with the deletion on the same side."""
    rows = []
    for name, each in found.items():
        means = each["table"].drop_duplicates(["method", "measure", "baseline"])
        for side, measure in SIDES.items():
            for baseline, part in means[means["measure"] == measure].groupby("baseline"):
                deletion = part.set_index("method")["mean"]
                methods = sorted(set(deletion.index) & set(each["localisation"][side]))
                auc = [each["localisation"][side][m] for m in methods]
                area = [float(deletion[m]) for m in methods]
                rows.append(
                    {
                        "backbone": name,
                        "side": side,
                        "baseline": baseline,
                        "rho": float(spearmanr(auc, area).statistic),
                        "methods": methods,
                        "rank_by_auc": rankdata([-a for a in auc]).tolist(),
                        "rank_by_deletion": rankdata([-a for a in area]).tolist(),
                    }
                )
    return rows


def in_markdown(found: dict[str, Any], agreement: list[dict[str, Any]], about: str) -> str:
    lines = ["# Faithfulness on the planted study", "", about, ""]
    for name, each in found.items():
        table = each["table"]
        first = table.drop_duplicates(["method", "measure", "baseline"])
        lines += [f"## {name} (PLCC {each['plcc']:.2f} on the images explained)", ""]
        for title, rows in (
            ("maps, changes in rating SDs", first[first["baseline"] != "zero"]),
            ("channels, changes in rating SDs", first[first["baseline"] == "zero"]),
        ):
            wide = rows.pivot(index="method", columns=["baseline", "measure"], values="mean")
            lines += [f"### {title}", ""]
            for baseline in sorted(set(rows["baseline"])):
                part = wide[baseline]
                lines += [
                    f"Baseline `{baseline}`:",
                    "",
                    "| method | " + " | ".join(part.columns) + " |",
                    "|---" * (1 + len(part.columns)) + "|",
                ]
                lines += [
                    f"| {method} | " + " | ".join(f"{value:.2f}" for value in row) + " |"
                    for method, row in zip(part.index, part.to_numpy(), strict=True)
                ]
                lines += [""]
        lines += [
            "### localisation, pixel AUC",
            "",
            "| method | raising | lowering |",
            "|---|---|---|",
        ]
        lines += [
            f"| {m} | {auc:.2f} | {each['localisation']['lowering'][m]:.2f} |"
            for m, auc in each["localisation"]["raising"].items()
        ]
        lines += ["", "### weights made random, from the output down: mean Spearman's rho", ""]
        stages = sorted({row["stage"] for row in each["cascade"]["evidence"]})
        lines += ["| method | " + " | ".join(map(str, stages)) + " | max-sensitivity |"]
        lines += ["|---" * (2 + len(stages)) + "|"]
        for method, rows in each["cascade"].items():
            rho = [f"{r['mean']:.2f}" for r in rows if r["metric"] == "spearman"]
            lines += [f"| {method} | {' | '.join(rho)} | {each['sensitivity'][method]:.3f} |"]
        lines += [""]
    lines += ["## Do the rankings of methods by localisation and by deletion agree?", ""]
    lines += ["| backbone | side | baseline | rho over methods |", "|---|---|---|---|"]
    lines += [
        f"| {row['backbone']} | {row['side']} | {row['baseline']} | {row['rho']:.2f} |"
        for row in agreement
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--imputed", type=int, default=8)
    parser.add_argument("--fitted", type=int, default=120)
    parser.add_argument("--backbones", default="vgg19,resnet152")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        total = options.images + options.fitted
        study = render_study(Path(folder) / "study", total, seed=STUDY_SEED)
        truth = pd.read_csv(study.ratings).groupby("image")["rating"].mean()
        found = {}
        for name in options.backbones.split(","):
            found[name] = one_backbone(name, study, truth, options)
            print(f"{name}: {found[name]['seconds']} s", flush=True)
    agreement = rank_agreement(found)
    about = (
        f"{options.images} images explained ({options.imputed} with noisy linear imputation, 5 "
        f"steps), {options.fitted} to fit one head; torch {torch.__version__}, "
        f"{torch.get_num_threads()} thread(s), {platform.machine()}. Higher is better, but for "
        "infidelity. `random` is the mean of several random maps, `centre` a Gaussian."
    )
    RESULTS.mkdir(exist_ok=True)
    plain = {
        name: each | {"table": json.loads(each["table"].to_json(orient="records"))}
        for name, each in found.items()
    }
    record = {"about": about, "backbones": plain, "rank_agreement": agreement}
    (RESULTS / "faithfulness.json").write_text(json.dumps(record, indent=1) + "\n")
    text = in_markdown(found, agreement, about)
    (RESULTS / "faithfulness.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
