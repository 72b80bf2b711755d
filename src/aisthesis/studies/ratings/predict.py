"""Rate unseen images with a study's fitted heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import StudyConfig
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.execution.progress import ProgressReporter
from aisthesis.heads import RatingHead, embed_images, load_head
from aisthesis.images import CheckedImages, ImageFolder, check_images
from aisthesis.names.labels import slug
from aisthesis.store.files import read_json, refuse_overwriting, write_json
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.ledger import file_digest
from aisthesis.studies.ratings.fitting.ensemble import ENSEMBLES
from aisthesis.studies.ratings.retaining.retained import RetainedPredictor
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.network import fitted_backbone

__all__ = ["COLUMNS", "Embedded", "note_written", "predict_images", "refuse_edited"]

COLUMNS = ("image", "backbone", "seed", "prediction")
#: So many tables of predictions are known again.
_MOST_KNOWN = 1000
_WRITTEN = "predicted.json"


@dataclass
class Embedded:
    """What predictions of the same images have in common: images checked, embeddings by network."""

    checked: CheckedImages | None = None
    by_network: dict[str, torch.Tensor] = field(default_factory=dict)


def predict_images(
    folder: StudyFolder,
    config: StudyConfig,
    images: Path,
    *,
    on_error: Literal["stop", "skip"],
    device: str,
    reporter: ProgressReporter,
    retained: bool = False,
    embedded: Embedded | None = None,
) -> pd.DataFrame:
    """Predict ratings of every image in a folder, with `retained` by the channels worth keeping.

    What is `embedded` already is not made again, and what is made is kept in it.

    Returns
    -------
    DataFrame
        Columns ``image, backbone, seed, prediction``; a row for each seed and one with seed
        ``mean``; in rating units. A study with `ensemble` has those of its ensembles too, except
        by retained channels, for which no ensemble was fitted.

    Raises
    ------
    RequestError
        If a head is missing, the weights are not those that the study was fitted with, the folder
        has no image, or an image is broken and `on_error` is ``stop``.
    """
    source, kept = ImageFolder(images), embedded or Embedded()
    if kept.checked is None:
        kept.checked = _checked(source, on_error, reporter)
    names = kept.checked.names
    _require_one_fit(folder, config, retained)
    chosen = choose_device(device)
    by_label: dict[str, NDArray[np.float64]] = {}
    for asked in config.backbones:
        backbone = fitted_backbone(folder, config, asked)
        seeds = range(config.seed, config.seed + config.seeds)
        pairs = [_predictor(folder, asked.label, seed, backbone, retained) for seed in seeds]
        with reporter.steps(f"{asked.label}: predictions", len(names) * len(pairs)) as advance:
            cached = kept.by_network
            found = []
            for own, head in pairs:
                key = own.embedding_fingerprint  # heads on the same channels share embeddings
                if key not in cached:
                    embeddings = embed_images(
                        own.trunk.to(chosen),
                        source,
                        names,
                        own.transform,
                        batch_size=config.batch_size,
                        device=chosen,
                        advance=advance,
                    )
                    if embedded is None:  # no other study needs what came before
                        cached.clear()
                    cached[key] = torch.from_numpy(embeddings)
                else:
                    advance(len(names))
                found.append(head(cached[key]).double().numpy())
        by_label[asked.label] = np.stack(found)
    if not retained:
        by_label |= _ensembles(folder, config, by_label)
    seeds = range(config.seed, config.seed + config.seeds)
    return pd.concat(
        [_rows(names, label, seeds, values) for label, values in by_label.items()],
        ignore_index=True,
    )


def _checked(
    source: ImageFolder, on_error: Literal["stop", "skip"], reporter: ProgressReporter
) -> CheckedImages:
    """The images of a folder that can be read."""
    if not source.names:
        skipped = f"; {source.words_on_left_out()}" if source.left_out else ""
        raise RequestError(f"expected images in {source.root}, found none{skipped}")
    if source.left_out:
        reporter.warn(source.words_on_left_out())
    with reporter.steps("checking images", len(source.names)) as advance:
        checked = check_images(source, source.names, on_fault=on_error, advance=advance)
    for fault in checked.faults:
        reporter.warn(f"skipped {fault.name}: {fault.reason}")
    return checked


def _rows(
    names: Sequence[str], label: str, seeds: range, values: NDArray[np.float64]
) -> pd.DataFrame:
    """A row for each image and seed, and the mean over seeds, of (seeds, images) predictions."""
    by_seed = {**dict(zip(map(str, seeds), values, strict=True)), "mean": values.mean(0)}
    tables = [
        pd.DataFrame({"image": names, "backbone": label, "seed": seed, "prediction": prediction})
        for seed, prediction in by_seed.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _ensembles(
    folder: StudyFolder, config: StudyConfig, by_label: Mapping[str, NDArray[np.float64]]
) -> dict[str, NDArray[np.float64]]:
    """Predictions (seeds, images) of the study's ensembles, from those of their members."""
    known = folder.provenance().get("ensemble") if config.ensemble else None
    if not known:
        return {}
    missing = [label for label in known["members"] if label not in by_label]
    if missing:
        raise RequestError(
            f"the study's ensemble has {', '.join(missing)} as a member, which the study no longer "
            "has; run `aisthesis fit` again"
        )
    each = np.stack([by_label[label] for label in known["members"]], axis=-1)
    weights = np.array(known["stacking_weights"], dtype=np.float64)
    stacked = each @ weights + float(known["stacking_intercept"])
    return dict(zip(ENSEMBLES, (each.mean(axis=-1), stacked), strict=True))


def refuse_edited(folder: StudyFolder, out: Path, *, properties: bool = False) -> None:
    """Refuse to overwrite a file that is not, to the byte, one that this study has predicted.

    Tables of several `properties` begin with a column of their names.

    Raises
    ------
    RequestError
        If there is another file, or one that was edited since.
    """
    refuse_overwriting(out, ("property", *COLUMNS) if properties else COLUMNS)
    if out.exists() and file_digest(out) not in _written(folder):
        raise RequestError(
            f"{out} is already there and is no table that this study has predicted, or it was "
            "edited since; give another name, or --force to overwrite it"
        )


def note_written(folder: StudyFolder, out: Path) -> None:
    """Keep the digest of a table of predictions, by which `refuse_edited` knows it again.

    Where the study's folder may not be written to, it will not.
    """
    digest = file_digest(out)
    known = [one for one in _written(folder) if one != digest]
    with suppress(AisthesisError, OSError):
        folder.cache.mkdir(exist_ok=True)
        write_json(folder.cache / _WRITTEN, [*known, digest][-_MOST_KNOWN:])


def _written(folder: StudyFolder) -> list[str]:
    try:
        held = read_json(folder.cache / _WRITTEN)
    except (AisthesisError, OSError):
        return []
    return held if isinstance(held, list) else []


def _predictor(
    folder: StudyFolder, label: str, seed: int, backbone: Backbone, retained: bool
) -> tuple[Backbone, RatingHead]:
    file = folder.head_file(label, seed)
    if not retained or backbone.layer is None:
        return backbone, load_head(file)[0]
    kept = folder.root / "retained" / file.name
    if not kept.is_file():
        raise RequestError(
            f"the study holds no retained predictor of {label}; run `aisthesis retain` first"
        )
    predictor = RetainedPredictor.load(kept, backbone)
    return predictor.backbone, predictor.head


def _require_one_fit(folder: StudyFolder, config: StudyConfig, retained: bool) -> None:
    """Refuse heads that the ledger does not name, or that are not all of one fit."""
    ledger, fits = folder.ledger, []
    for asked in config.backbones:
        entry = f"fit/{slug(asked.label)}"
        parts = ledger.dependencies(entry)
        own = ("network", "weights", "transform")  # every backbone has its own
        fits.append({name: part for name, part in parts.items() if name not in own})
        for seed in range(config.seed, config.seed + config.seeds):
            file = folder.head_file(asked.label, seed)
            if not ledger.vouches(entry, file):
                raise RequestError(
                    f"{file} is not the head that this study has fitted, or its fit was stopped; "
                    "run `aisthesis fit` again"
                )
            kept = folder.root / "retained" / file.name
            held = ledger.dependencies("retain").get(f"fit of {asked.label}")
            if (
                retained
                and kept.is_file()
                and (not ledger.vouches("retain", kept) or held != digest_of(parts))
            ):
                raise RequestError(
                    f"{kept} is not the retained predictor of the heads that this study holds; "
                    "run `aisthesis retain` again"
                )
    if any(fit != fits[0] for fit in fits):
        raise RequestError(
            "the heads of this study are not all of one fit: a fit was stopped half-way; "
            "run `aisthesis fit` again"
        )
