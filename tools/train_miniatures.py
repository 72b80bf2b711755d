"""Pretrain the miniature backbones on rendered images and save their weights.

    python tools/train_miniatures.py --backbone vgg16
    python tools/train_miniatures.py       # all six, about half an hour on one free core

First many small images (128 px, shapes at their full size), then a finish at 224 px, then the
BatchNorm statistics are taken anew at 224 px. Five networks learn by classification (which of
the statements in ``pretraining_data.py`` hold for an image), Barlow Twins by redundancy
reduction between two views of an image (Zbontar et al. 2021), which sees no label. Nothing here
knows what the networks will be used for: no layer is singled out, no channel removed or turned.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from pretraining_data import PRETRAINING_STREAM, STATEMENTS, VALIDATION_STREAM, Rendered, render
from pretraining_objectives import Classification, RedundancyReduction, normalised
from safetensors.torch import save_file
from sklearn.linear_model import RidgeCV
from torch import Tensor, nn

from aisthesis.miniature.networks import BUILDERS, build, embedding_network

WEIGHTS = Path(__file__).resolve().parent.parent / "src/aisthesis/miniature/weights"


@dataclass(frozen=True)
class Recipe:
    """How one network is pretrained; learning rates are the peaks of one cycle."""

    epochs: float = 3.0  # passes over the small images
    finish_epochs: float = 2.0  # passes over the images of 224 px
    rate: float = 3e-3
    finish_rate: float = 1e-3
    batch: int = 32
    decay: float = 0.02


RECIPES = {
    "vgg16": Recipe(rate=1e-3, finish_rate=5e-4),
    "vgg19": Recipe(rate=1e-3, finish_rate=5e-4),
    "efficientnet_b3": Recipe(epochs=6, finish_epochs=4),
    "barlow_twins": Recipe(epochs=7, batch=64, rate=2e-3),
}


def train_stage(
    network: nn.Module,
    objective: nn.Module,
    data: Rendered,
    recipe: Recipe,
    rate: float,
    epochs: float,
    log: str,
) -> None:
    """Train for ``epochs`` (a share of one counts) with AdamW on a single cycle of rates."""
    network.train()
    objective.train()
    images, held = torch.from_numpy(data.images), torch.from_numpy(data.statements)
    parameters = [*network.parameters(), *objective.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=recipe.decay)
    steps = max(1, round(epochs * len(images) / recipe.batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=steps + 1, pct_start=0.25
    )
    order = torch.randperm(len(images))
    position, started, recent = 0, time.monotonic(), []
    for step in range(steps):
        if position + recipe.batch > len(images):
            order, position = torch.randperm(len(images)), 0
        chosen = order[position : position + recipe.batch]
        position += recipe.batch
        loss = objective(network, images[chosen], held[chosen])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        schedule.step()
        recent.append(float(loss.detach()))
        if (step + 1) % max(1, steps // 6) == 0:
            seconds = time.monotonic() - started
            print(
                f"{log} {step + 1}/{steps} loss {np.mean(recent):.3f} {seconds:.0f} s", flush=True
            )
            recent = []


def renew_statistics(network: nn.Module, images: Tensor, batch: int = 50) -> None:
    """Take the BatchNorm statistics anew as plain means over ``images``."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    with torch.no_grad():
        for chunk in images.split(batch):
            network(normalised(chunk))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def evaluate(name: str, network: nn.Module, checked: Rendered) -> dict[str, float]:
    """Return balanced accuracy of the statements and how well ratings are read linearly."""
    network.eval()
    scores: dict[str, float] = {}
    images = torch.from_numpy(checked.images)
    if name != "barlow_twins":
        claimed = np.concatenate([_run(network, chunk) > 0 for chunk in images.split(50)])
        truth = checked.statements > 0.5
        rates = [
            (claimed[truth[:, k], k].mean() + (~claimed[~truth[:, k], k]).mean()) / 2
            for k in range(truth.shape[1])
            if 0 < truth[:, k].sum() < len(truth)
        ]
        scores["balanced_accuracy"] = float(np.mean(rates))
    embedding_network(name, network)
    embedded = np.concatenate([_run(network, chunk) for chunk in images.split(50)])
    half = len(embedded) // 2
    centred = (embedded - embedded[:half].mean(0)) / (embedded[:half].std(0) + 1e-6)
    ridge = RidgeCV(np.logspace(-1, 4, 11)).fit(centred[:half], checked.ratings[:half])
    predicted = ridge.predict(centred[half:])
    scores["ridge_plcc"] = float(np.corrcoef(predicted, checked.ratings[half:])[0, 1])
    return scores


def _run(network: nn.Module, images: Tensor) -> np.ndarray:
    with torch.inference_mode():
        return network(normalised(images)).numpy()


def pretrain(name: str, options: argparse.Namespace) -> dict[str, object]:
    """Pretrain one miniature, save its weights and return what is recorded about it."""
    started = time.monotonic()
    torch.manual_seed(options.seed)
    recipe = RECIPES.get(name, Recipe())
    changed = dict(pair.split("=") for pair in options.set)
    recipe = replace(recipe, **{key: float(value) for key, value in changed.items()})
    epochs = recipe.epochs if options.epochs is None else options.epochs
    finish_epochs = recipe.finish_epochs if options.finish_epochs is None else options.finish_epochs
    network = build(name, len(STATEMENTS)).to(memory_format=torch.channels_last)
    twins = name == "barlow_twins"
    objective = RedundancyReduction(name, network) if twins else Classification()
    if twins:
        embedding_network(name, network)
    small, large, checked = _load(options)
    stages = (
        (small, recipe.rate, epochs, f"{name} 128 px"),
        (large, recipe.finish_rate, finish_epochs, f"{name} 224 px"),
    )
    for data, rate, passes, log in stages:
        train_stage(network, objective, data, recipe, rate, passes, log)
    renew_statistics(network, torch.from_numpy(large.images[:400]))
    file = options.out / f"{name}.safetensors"
    save_weights(network, file)
    scores = evaluate(name, network, checked)
    record = {
        "seed": options.seed,
        "seconds": round(time.monotonic() - started, 1),
        "images_128px": len(small.images),
        "images_224px": len(large.images),
        "epochs_128px": epochs,
        "epochs_224px": finish_epochs,
        "validation_images": len(checked.images),
        "objective": "redundancy reduction" if name == "barlow_twins" else "classification",
        "recipe": asdict(recipe),
        "parameters": sum(p.numel() for p in network.parameters()),
        "bytes": file.stat().st_size,
        **{key: round(value, 4) for key, value in scores.items()},
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(name, json.dumps(record), flush=True)
    return record


def save_weights(network: nn.Module, file: Path) -> None:
    """Save a state dict: convolutions and linear layers as float16, BatchNorm as float32."""
    norms = {
        f"{path}.{key}"
        for path, module in network.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for key in module.state_dict()
    }
    state = {
        key: value.contiguous().clone() if key in norms else value.half().contiguous()
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    save_file(state, file)
    file.chmod(0o644)


def _load(options: argparse.Namespace) -> tuple[Rendered, Rendered, Rendered]:
    """Render the three sets of images, or read them from the cache folder."""
    wanted = [
        (options.images, 128, PRETRAINING_STREAM, True),
        (options.finish_images, 224, PRETRAINING_STREAM, True),
        (options.validation_images, 224, VALIDATION_STREAM, False),
    ]
    sets = []
    for n, size_px, stream, varied in wanted:
        file = options.cache and options.cache / f"{stream}-{options.seed}-{size_px}-{n}.npz"
        if file and file.exists():
            with np.load(file) as held:
                sets.append(Rendered(held["images"], held["statements"], held["ratings"]))
            continue
        data = render(n, size_px, options.seed, stream, varied)
        sets.append(data)
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **vars(data))
    return sets[0], sets[1], sets[2]


def main(arguments: list[str] | None = None) -> None:
    """Read the options, pretrain, and add to training.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", action="append", choices=sorted(BUILDERS), dest="names")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, help="passes over the small images")
    parser.add_argument("--finish-epochs", type=float, help="passes at 224 px")
    parser.add_argument("--images", type=int, default=3000, help="small images")
    parser.add_argument("--finish-images", type=int, default=800, help="images at 224 px")
    parser.add_argument("--validation-images", type=int, default=400)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--cache", type=Path, help="folder that keeps the rendered images")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the recipe"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    log = options.out / "training.json"
    for name in options.names or BUILDERS:
        record = pretrain(name, options)
        records = json.loads(log.read_text()) if log.exists() else {}
        log.write_text(json.dumps(dict(sorted({**records, name: record}.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
