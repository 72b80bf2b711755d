"""Retention in a study of ratings: which channels to keep, and whether that predicts better."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.errors import RequestError
from aisthesis.execution.progress import ProgressReporter, in_units
from aisthesis.heads import FitOptions, RatingHead, evaluate, fit_mlp, load_head
from aisthesis.importance.retention import correlations
from aisthesis.importance.similarity import fold_numbers, paired_test
from aisthesis.judgments.ratings.splits import split
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.files import plain_errors, write_csv
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.kept_tables import KeptTables
from aisthesis.studies.ratings.fitting.embed import read_embeddings
from aisthesis.studies.ratings.fitting.fit import fit_dependencies
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.ratings.retaining.batches import RetainedChannels, retain_heads
from aisthesis.studies.ratings.retaining.retained import RetainedPredictor
from aisthesis.studies.shared.network import NetworkSpec, fitted_backbone
from aisthesis.studies.shared.unchanged import refuse_changed

__all__ = [
    "RETAIN_FOLDS",
    "RETAIN_REPEATS",
    "retain_backbones",
    "retain_dependencies",
    "retain_files",
]

#: Of the validation, where nothing else is asked for.
RETAIN_FOLDS, RETAIN_REPEATS = 4, 2
_METRICS = ("plcc", "srcc")
_TABLES = ("folds", "curve", "channels")


@dataclass(frozen=True)
class _Head:
    """One head: what it was fitted and its channels chosen on, and what judges both."""

    head: RatingHead
    training: NDArray[np.intp]
    held_out: NDArray[np.intp]
    repeat: int = -1  # -1: a head of the study itself
    fold: int = -1
    seed: int = -1


def retain_dependencies(
    config: StudyConfig,
    inputs: Inputs,
    specs: Mapping[str, NetworkSpec],
    folds: int,
    repeats: int,
) -> dict[str, str]:
    """What the stage's tables depend on, by name."""
    fits = {
        f"fit of {label}": digest_of(fit_dependencies(config, inputs, spec))
        for label, spec in specs.items()
    }
    return fits | _code() | {"folds": str(folds), "repeats": str(repeats)}


def retain_files(folder: StudyFolder) -> dict[str, Path]:
    """Where the stage writes."""
    return {
        "retention": folder.root / "retention.csv",
        "folds": folder.root / "retention_folds.csv",
        "curve": folder.root / "retention_curve.csv",
        "channels": folder.root / "retention_channels.csv",
        "predictors": folder.root / "retained",
    }


def retain_backbones(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    *,
    folds: int,
    repeats: int,
    reporter: ProgressReporter,
) -> None:
    """Choose channels for every head of a study, validate the choice, save the predictors.

    The study's own heads choose on their training and validation images and are judged on the
    study's test images. For the folds, heads are fitted anew: each fold's images take no part in
    the fit, in the ranking or in the choice of the number.

    Raises
    ------
    RequestError
        If no backbone has a layer, or there are too few images for the folds.
    """
    files = retain_files(folder)
    with plain_errors(files["predictors"]):
        files["predictors"].mkdir(exist_ok=True)
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in _TABLES}
    summary: list[dict[str, Any]] = []
    for asked in config.backbones:
        if folder.backbone_record(asked.label).get("predicts_only"):
            reporter.say(f"{asked.label} predicts only: it has no layer whose channels to keep")
            continue
        fit = {"fit": digest_of(fit_dependencies(config, inputs, NetworkSpec.of(config, asked)))}
        parts = fit | _code() | {"folds": str(folds), "repeats": str(repeats)}
        kept = KeptTables(folder, "retain", asked.label, parts, _TABLES)
        predictors = [
            files["predictors"] / folder.head_file(asked.label, part.fit_seed).name
            for part in inputs.splits
        ]
        if not (kept.done and all(file.is_file() for file in predictors)):
            kept.keep(_retained(folder, config, inputs, asked, (folds, repeats), reporter))
        made = kept.read()
        for name in _TABLES:
            tables[name].append(made[name])
        summary += _summary(asked.label, made["folds"])
        _tell(reporter, summary[-len(_METRICS) :])
    if not summary:
        raise RequestError("no backbone of the study has a layer whose channels could be kept")
    for name, some in tables.items():
        write_csv(files[name], pd.concat(some, ignore_index=True))
    write_csv(files["retention"], pd.DataFrame(summary))


def _code() -> dict[str, str]:
    return code_dependencies("the retention", __name__)


def _retained(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    asked: BackboneConfig,
    validation: tuple[int, int],
    reporter: ProgressReporter,
) -> dict[str, pd.DataFrame]:
    """Choose one backbone's channels, save its predictors and give its tables."""
    started = time.perf_counter()
    backbone = fitted_backbone(folder, config, asked)
    reporter.say(_cost(folder, config, asked.label, len(inputs.rated), *validation))
    heads, found = _backbone(folder, config, inputs, asked, backbone, *validation, reporter)
    rated = inputs.rating[inputs.rated]
    rows = [_row(asked.label, h, f, rated) for h, f in zip(heads, found, strict=True)]
    saved = retain_files(folder)["predictors"]
    for head, one in zip(heads, found, strict=True):
        if head.seed >= 0:
            name = folder.head_file(asked.label, head.seed).name
            predictor = RetainedPredictor(backbone, head.head, one.retained)
            with plain_errors(saved):
                predictor.save(saved / name, {"seed": str(head.seed)})
    seconds = round(time.perf_counter() - started, 2)
    held = folder.backbone_record(asked.label)
    folder.record(backbones={asked.label: {**held, "retain_seconds": seconds}})
    return {
        "folds": pd.DataFrame(rows),
        "curve": _curve(asked.label, heads, found, rated),
        "channels": _channels(asked.label, heads, found),
    }


def _cost(
    folder: StudyFolder, config: StudyConfig, label: str, n_rated: int, folds: int, repeats: int
) -> str:
    """Say what is done for one backbone and, from what its maps took, how long that takes."""
    said = (
        f"{label}: {folds * repeats} heads of folds are fitted and all channels are removed twice "
        f"from {n_rated} images"
    )
    record = folder.backbone_record(label)
    explained = (folder.provenance().get("explained") or {}).get("n") or 0
    if not (explained and record.get("explain_seconds")):
        return said
    seconds = 2 * n_rated * record["explain_seconds"] / explained
    return f"{said}, at most about {in_units(seconds)} and the fits"


def _backbone(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    asked: BackboneConfig,
    backbone: Backbone,
    folds: int,
    repeats: int,
    reporter: ProgressReporter,
) -> tuple[list[_Head], list[RetainedChannels]]:
    names = [inputs.names[i] for i in inputs.rated]
    ratings = inputs.rating[inputs.rated]
    z = read_embeddings(folder.root, backbone, names, inputs.digests)
    heads = _own_heads(folder, config, inputs, asked, names)
    heads += _fold_heads(config, names, ratings, z, folds, repeats, asked.label, reporter)
    with reporter.steps(f"{asked.label}: channels", 2 * len(names)) as advance:
        found = retain_heads(
            backbone, [h.head for h in heads], inputs.folder, names, ratings,
            [h.training for h in heads], batch_size=config.batch_size,
            scratch=folder.cache, advance=advance,
        )  # fmt: skip
    refuse_changed(inputs.folder, names, inputs.digests)
    return heads, found


def _own_heads(
    folder: StudyFolder,
    config: StudyConfig,
    inputs: Inputs,
    asked: BackboneConfig,
    names: list[str],
) -> list[_Head]:
    heads = []
    for part in inputs.splits:
        head, _ = load_head(folder.head_file(asked.label, part.fit_seed))
        training = _places(names, np.concatenate([part.train, part.validation]))
        heads.append(_Head(head, training, _places(names, part.test), seed=part.fit_seed))
    return heads


def _places(names: list[str], some: NDArray[np.str_]) -> NDArray[np.intp]:
    place = {name: i for i, name in enumerate(names)}
    return np.array(sorted(place[str(name)] for name in some), dtype=np.intp)


def _fold_heads(
    config: StudyConfig,
    names: list[str],
    ratings: NDArray[np.float64],
    z: NDArray[np.float32],
    folds: int,
    repeats: int,
    label: str,
    reporter: ProgressReporter,
) -> list[_Head]:
    """Fit a head for each fold on the other images; validation images stop the fit."""
    options = FitOptions(**config.fit.model_dump())
    embeddings, y = torch.from_numpy(z), torch.from_numpy(np.asarray(ratings, dtype=np.float64))
    heads = []
    numbers = fold_numbers(len(names), folds, repeats, config.seed)
    with reporter.steps(f"{label}: heads of the folds", folds * repeats) as advance:
        for repeat, number in enumerate(numbers):
            for fold in range(folds):
                training, held_out = np.flatnonzero(number != fold), np.flatnonzero(number == fold)
                seed = config.seed + repeat * folds + fold
                # The shares of the study; both parts are the fold's training images.
                parts = split(
                    [names[i] for i in training], ratings[training],
                    test=config.validation, validation=config.validation, seed=seed,
                )  # fmt: skip
                fit_on = _places(names, np.concatenate([parts.train, parts.validation]))
                stop_on = _places(names, parts.test)
                fitted = fit_mlp(embeddings, y, fit_on, stop_on, options, seed=seed)
                heads.append(_Head(fitted.head, training, held_out, repeat, fold))
                advance(1)
    return heads


def _row(
    label: str, head: _Head, found: RetainedChannels, ratings: NDArray[np.float64]
) -> dict[str, Any]:
    kept = found.kept[:, found.chosen]
    row: dict[str, Any] = {
        "backbone": label,
        "head": "study" if head.seed >= 0 else "fold",
        "seed": head.seed if head.seed >= 0 else None,
        "repeat": head.repeat if head.repeat >= 0 else None,
        "fold": head.fold if head.fold >= 0 else None,
        "n_train": len(head.training),
        "n_test": len(head.held_out),
        "n_retained": len(found.retained),
    }
    for part, index in (("train", head.training), ("test", head.held_out)):
        for way, values in (("full", found.full), ("retained", kept)):
            scores = evaluate(ratings[index], values[index], n_boot=0)
            row |= {f"{name}_{part}_{way}": scores[name] for name in _METRICS}
    return row


def _summary(label: str, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Means over the folds with corrected intervals, and those of the study's own heads."""
    rows = []
    for head, part in table.groupby("head", sort=False):
        share = float(part["n_test"].mean() / part["n_train"].mean())
        for name in _METRICS:
            full, kept = part[f"{name}_test_full"], part[f"{name}_test_retained"]
            # Heads of one split share all their images: their spread is no measure of error.
            test = paired_test((kept - full).to_numpy(), share)
            row: dict[str, Any] = {
                "backbone": label,
                "head": head,
                "metric": name,
                "n": test.n,
                "n_retained_mean": part["n_retained"].mean(),
                "full": full.mean(),
                "retained": kept.mean(),
                "difference": test.mean,
                "n_better": test.n_better,
            }
            if head == "fold":
                row |= {"low": test.low, "high": test.high, "t": test.t, "p": test.p}
            rows.append(row)
    return rows


def _tell(reporter: ProgressReporter, rows: list[dict[str, Any]]) -> None:
    """Say what the folds showed, whichever way it went."""
    for row in rows:
        if row["head"] == "fold":
            reporter.say(
                f"{row['backbone']}: held-out {row['metric'].upper()} {row['full']:.3f} with all "
                f"channels, {row['retained']:.3f} with {row['n_retained_mean']:.0f} retained "
                f"(difference {row['difference']:.3f}, 95% interval {row['low']:.3f} to "
                f"{row['high']:.3f})"
            )


def _curve(
    label: str,
    heads: list[_Head],
    found: list[RetainedChannels],
    ratings: NDArray[np.float64],
) -> pd.DataFrame:
    """Mean PLCC over the folds by the number of retained channels."""
    parts: dict[str, list[NDArray[np.float64]]] = {"train": [], "test": []}
    for head, one in zip(heads, found, strict=True):
        if head.seed < 0:
            for part, index in (("train", head.training), ("test", head.held_out)):
                parts[part].append(correlations(ratings[index], one.kept[index]))
    columns: dict[str, Any] = {"backbone": label, "n_retained": found[0].sizes}
    for part, curves in parts.items():
        values = np.array(curves)
        known = np.isfinite(values)
        total = np.where(known, values, 0.0).sum(0)
        n = known.sum(0)
        columns[f"plcc_{part}"] = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return pd.DataFrame(columns)


def _channels(label: str, heads: list[_Head], found: list[RetainedChannels]) -> pd.DataFrame:
    tables = []
    for head, one in zip(heads, found, strict=True):
        if head.seed >= 0:
            n = len(one.order)
            rank = np.empty(n, dtype=np.intp)
            rank[one.order] = np.arange(1, n + 1)
            tables.append(
                pd.DataFrame(
                    {
                        "backbone": label,
                        "seed": head.seed,
                        "channel": np.arange(n),
                        "importance": one.importance,
                        "rank": rank,
                        "retained": np.isin(np.arange(n), one.retained),
                    }
                )
            )
    return pd.concat(tables, ignore_index=True)
