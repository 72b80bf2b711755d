"""From images and ratings to fitted heads, predictions and their scores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, StudyConfig, slug
from aisthesis.engine import Narrator, StudyFolder, digest_of, told_plainly, write_csv
from aisthesis.heads import FitOptions, embed_images, evaluate, fit_mlp, fit_ridge, save_head
from aisthesis.pipeline.catalogue import build
from aisthesis.pipeline.devices import choose_device
from aisthesis.pipeline.ensemble import Member, ensemble_predictions
from aisthesis.pipeline.inputs import Inputs

__all__ = ["embedding_cache", "fit_backbones", "fit_key"]

# Raise when what the stage computes changes, so that no stale result is taken for a new one.
_CODE = 2


def fit_key(config: StudyConfig, inputs: Inputs) -> str:
    """Digest of all that the stage's result depends on."""
    return digest_of(
        _CODE,
        inputs.digest,
        config.model_dump(
            mode="json",
            include={"backbones", "seeds", "seed", "test", "validation", "fit", "ensemble"},
        ),
    )


def embedding_cache(folder: StudyFolder, backbone: Backbone) -> Path:
    """Name a backbone's file of embeddings after all that they depend on but the images."""
    key = backbone.embedding_fingerprint[:16]
    return folder.cache / f"embeddings-{slug(backbone.name)}-{key}.npz"


def fit_backbones(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, narrator: Narrator
) -> None:
    """Fit all heads of a study and write `heads/`, `predictions.csv` and `scores.csv`."""
    predictions, scores = [], []
    members: dict[str, Member] = {}
    with told_plainly(folder.heads):
        folder.heads.mkdir(exist_ok=True)
        folder.cache.mkdir(exist_ok=True)
    for asked in config.backbones:
        started = time.perf_counter()
        backbone = build(asked, weights_dir=config.weights_dir, seed=config.seed)
        warning = backbone.weights.warning
        if warning:
            narrator.warn(f"{asked.label}: {warning}")
        embeddings = _embed(folder, config, inputs, backbone, asked.label, narrator)
        fitted = _fit_heads(folder, config, inputs, asked, embeddings, narrator)
        predictions.append(_prediction_rows(inputs, asked.label, fitted["mlp"]))
        scores.append(_score_rows(config, inputs, asked.label, fitted))
        members[asked.label] = Member(embeddings, fitted["mlp"])
        record = {asked.label: _record(backbone, asked, time.perf_counter() - started)}
        folder.record(backbones=record)
        del backbone
    if config.ensemble and len(members) > 1:
        for label, values in ensemble_predictions(folder, config, inputs, members, narrator):
            predictions.append(_prediction_rows(inputs, label, values))
            scores.append(_score_rows(config, inputs, label, {"mlp": values}))
    write_csv(folder.predictions, pd.concat(predictions, ignore_index=True))
    write_csv(folder.scores, pd.concat(scores, ignore_index=True))


def _embed(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    backbone: Backbone,
    label: str,
    narrator: Narrator,
) -> NDArray[np.float32]:
    device = choose_device(config.device)
    with narrator.steps(f"{label}: embeddings", len(inputs.names)) as advance:
        return embed_images(
            backbone.trunk.to(device),
            inputs.folder,
            inputs.names,
            backbone.transform,
            digests=inputs.digests,
            cache_file=embedding_cache(folder, backbone),
            batch_size=config.batch_size,
            device=device,
            advance=advance,
        )


def _fit_heads(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    asked: BackboneConfig,
    embeddings: NDArray[np.float32],
    narrator: Narrator,
) -> dict[str, NDArray[np.float64]]:
    """Fit every seed; predictions of each kind of head, shape (seeds, images), for all images."""
    options = FitOptions(**config.fit.model_dump())
    z = torch.from_numpy(embeddings)
    y = torch.from_numpy(inputs.rating.astype(np.float32))
    mlp, ridge = [], []
    with narrator.steps(f"{asked.label}: heads", config.seeds) as advance:
        for number, split in enumerate(inputs.splits):
            seed = config.seed + number
            train, validation = inputs.indices(split.train), inputs.indices(split.validation)
            fitted = fit_mlp(z, y, train, validation, options, seed=seed)
            metadata = {
                "backbone": asked.label,
                "seed": str(seed),
                "best_epoch": str(fitted.best_epoch),
                "validation_mse": f"{fitted.validation_mse:.9g}",
            }
            with told_plainly(folder.heads):
                save_head(fitted.head, folder.head_file(asked.label, seed), metadata)
            mlp.append(fitted.head(z).double().numpy())
            wide = embeddings.astype(np.float64)
            ridge.append(fit_ridge(wide, inputs.rating, train, validation)[0])
            advance(1)
    return {"mlp": np.stack(mlp), "ridge": np.stack(ridge)}


def _split_of_images(inputs: Inputs, number: int) -> NDArray[np.object_]:
    names = np.full(len(inputs.names), "unrated", dtype=object)
    split = inputs.splits[number]
    for part in ("train", "validation", "test"):
        names[inputs.indices(getattr(split, part))] = part
    return names


def _prediction_rows(inputs: Inputs, label: str, values: NDArray[np.float64]) -> pd.DataFrame:
    """One row an image and seed; the mean over seeds only where no seed was fitted on the image."""
    tables = []
    for number, prediction in enumerate(values):
        tables.append(
            pd.DataFrame(
                {
                    "image": inputs.names,
                    "backbone": label,
                    "seed": str(inputs.splits[number].fit_seed),
                    "split": _split_of_images(inputs, number),
                    "rating": inputs.rating,
                    "prediction": prediction,
                }
            )
        )
    mean = tables[0].assign(seed="mean", prediction=values.mean(0))
    tables.append(mean[mean["split"].isin(["test", "unrated"])])
    return pd.concat(tables, ignore_index=True)


def _score_rows(
    config: StudyConfig, inputs: Inputs, label: str, fitted: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    rows = []
    for head, values in fitted.items():
        for number, split in enumerate(inputs.splits):
            for part in ("train", "validation", "test"):
                index = inputs.indices(getattr(split, part))
                # Intervals describe unseen images: on the images of the fit they would mislead.
                n_boot = config.bootstrap if part == "test" else 0
                rows.append(
                    {"backbone": label, "head": head, "seed": str(split.fit_seed), "split": part}
                    | evaluate(
                        inputs.rating[index],
                        values[number][index],
                        n_boot=n_boot,
                        seed=config.seed,
                    )
                )
        test = inputs.indices(inputs.splits[0].test)
        scores = evaluate(
            inputs.rating[test], values.mean(0)[test], n_boot=config.bootstrap, seed=config.seed
        )
        rows.append({"backbone": label, "head": head, "seed": "mean", "split": "test"} | scores)
    return pd.DataFrame(rows)


def _record(backbone: Backbone, asked: BackboneConfig, seconds: float) -> dict[str, Any]:
    return {
        "network": backbone.network,
        "name": asked.name,
        "layer": backbone.layer,
        "map_shape": list(backbone.map_shape) if backbone.map_shape else None,
        "embedding": backbone.embedding_dim,
        "input_px": backbone.transform.crop_px,
        "parameters": backbone.n_parameters,
        "transform": backbone.transform.as_dict(),
        "weights": backbone.weights.as_dict(),
        "fingerprint": backbone.fingerprint,
        "predicts_only": backbone.layer is None,
        "fit_seconds": round(seconds, 2),
    }
