"""Heads of one network, seed by seed, in whatever process they are fitted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisthesis.backbones import Backbone
from aisthesis.config import StudyConfig
from aisthesis.execution.jobs import Chunk
from aisthesis.heads import Embeddings, FitOptions, fit_mlp, fit_ridge, save_head, with_each_block
from aisthesis.names.labels import slug
from aisthesis.store.files import plain_errors
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.ledger import Dependencies, Ledger
from aisthesis.store.whole import whole_file
from aisthesis.studies.ratings.fitting.embed import embedding_folder, stored_embeddings
from aisthesis.studies.ratings.inputs.reading import Inputs

__all__ = ["HeadsJob", "fit_inputs", "fitted_file", "write_fit_inputs"]


def fit_inputs(folder: StudyFolder) -> Path:
    """Where ratings, splits and digests of the images are for the fits."""
    return folder.cache / "fit-inputs.npz"


def write_fit_inputs(folder: StudyFolder, inputs: Inputs) -> None:
    """Write what fits read of the images, so that it need not travel with every task."""
    arrays: dict[str, NDArray[Any]] = {
        "rating": inputs.rating,
        "digests": np.array(
            [bytes.fromhex(inputs.digests[name]) for name in inputs.names], dtype="S32"
        ).view(np.uint8).reshape(-1, 32),
    }  # fmt: skip
    for number, part in enumerate(inputs.splits):
        arrays[f"train{number}"] = inputs.indices(part.train)
        arrays[f"validation{number}"] = inputs.indices(part.validation)
    _save_arrays(fit_inputs(folder), arrays)


@dataclass(frozen=True)
class HeadsJob:
    """Fits the heads of one network; a chunk is a seed, by its number.

    Attributes
    ----------
    root, label : Path, str
        The study's folder; the network.
    embeddings, width : Path, int
        Where its embeddings are kept, and their length.
    inputs : Path
        As `write_fit_inputs` gives it.
    options, seed
        Of the fit; of the first head.
    dependencies : mapping
        Of each head.
    """

    root: Path
    label: str
    embeddings: Path
    width: int
    inputs: Path
    options: Mapping[str, Any]
    seed: int
    dependencies: Dependencies

    @classmethod
    def of(
        cls, config: StudyConfig, label: str, backbone: Backbone, parts: Dependencies
    ) -> HeadsJob:
        """The job of one network of a study."""
        folder, inputs = embedding_folder(config.out, backbone), fit_inputs(StudyFolder(config.out))
        options = config.fit.model_dump()
        width = backbone.embedding_dim
        return cls(config.out, label, folder, width, inputs, options, config.seed, parts)

    @property
    def identity(self) -> str:
        """Equal where embeddings and ratings are."""
        return digest_of("heads", str(self.embeddings), self.label, dict(self.dependencies))

    def entry(self, number: int) -> str:
        """The ledger's entry of a head."""
        return f"fit/{slug(self.label)}/seed{self.seed + number}"

    def files(self, number: int) -> list[Path]:
        """Where a head is, and both heads' predictions of all images."""
        folder, seed = StudyFolder(self.root), self.seed + number
        return [folder.head_file(self.label, seed), fitted_file(folder, self.label, seed)]

    def load(self) -> tuple[Embeddings, dict[str, NDArray[Any]]]:
        """Read the embeddings, ratings and splits."""
        with np.load(self.inputs, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        digests = [row.tobytes().hex() for row in arrays.pop("digests")]
        found = stored_embeddings(self.root, self.label, self.embeddings, digests, self.width)
        return found, arrays

    def work(self, loaded: tuple[Embeddings, dict[str, NDArray[Any]]], chunk: Chunk) -> None:
        """Fit one seed: the MLP and, beside it, ridge; keep them and what they predict."""
        started = time.perf_counter()
        z, arrays = loaded
        number, seed, rating = chunk.number, self.seed + chunk.number, arrays["rating"]
        train, validation = arrays[f"train{number}"], arrays[f"validation{number}"]
        options = FitOptions(**self.options)
        fitted = fit_mlp(z, torch.from_numpy(rating), train, validation, options, seed=seed)
        metadata = {
            "backbone": self.label,
            "seed": str(seed),
            "best_epoch": str(fitted.best_epoch),
            "validation_mse": f"{fitted.validation_mse:.9g}",
        }
        ridge = fit_ridge(z, rating, train, validation)[0]
        predicted = with_each_block(z, fitted.head).detach().double().numpy()
        head_file, arrays_file = self.files(number)
        with plain_errors(head_file):
            save_head(fitted.head, head_file, metadata)
        _save_arrays(arrays_file, {"mlp": predicted, "ridge": ridge})
        Ledger(self.root).enter(
            self.entry(number),
            self.dependencies,
            [head_file, arrays_file],
            silent=int(with_each_block(z, fitted.head.silent).sum()),
            best_epoch=fitted.best_epoch + 1,
            seconds=round(time.perf_counter() - started, 3),
        )


def fitted_file(folder: StudyFolder, label: str, seed: int) -> Path:
    """Where the predictions of all images by a network's heads of one seed are kept."""
    return folder.cache / f"fitted-{slug(label)}-seed{seed}.npz"


def _save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with plain_errors(file), whole_file(file) as partial:
        np.savez(partial, **arrays)  # type: ignore[arg-type]
