"""Embeddings of a study's images: chunk by chunk, kept by the bytes of the images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from aisthesis.backbones import Backbone
from aisthesis.errors import AisthesisError
from aisthesis.execution.jobs import Chunk, Task
from aisthesis.heads.embeddings import embedded
from aisthesis.names.labels import slug
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.files import plain_errors
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.whole import whole_file
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.network import NetworkSpec, pixels_of

__all__ = ["EmbedJob", "embedding_tasks", "read_embeddings"]

#: Images in a file of embeddings.
IMAGES_A_FILE = 64


@dataclass(frozen=True)
class EmbedJob:
    """Embeds chunks of images with one backbone."""

    spec: NetworkSpec
    folder: Path

    @property
    def identity(self) -> str:
        """Equal where the network is."""
        return self.spec.identity

    def load(self) -> Backbone:
        """Build the network."""
        return self.spec.build()

    @torch.no_grad()
    def work(self, loaded: Backbone, chunk: Chunk) -> None:
        """Embed a chunk and keep the rows."""
        self.keep(chunk, self.rows(loaded.trunk, loaded.transform, chunk))

    def rows(
        self, trunk: Callable[[torch.Tensor], torch.Tensor], transform: Any, chunk: Chunk
    ) -> NDArray[np.float32]:
        """Embeddings (N, D) of the images of a chunk."""
        batches = pixels_of(self.spec, transform, chunk)
        return np.concatenate([embedded(trunk, pixels) for pixels, _ in batches])

    def keep(self, chunk: Chunk, rows: NDArray[np.float32]) -> None:
        """Write the rows of a chunk under a name made of the images' digests."""
        _keep(self.folder, chunk.digests, rows)


def embedding_folder(root: Path, backbone: Backbone) -> Path:
    """Name a backbone's folder of embeddings after all that they depend on but the images."""
    key = digest_of(backbone.embedding_fingerprint, code_dependencies("embeddings", __name__))
    return StudyFolder(root).cache / f"embeddings-{slug(backbone.name)}-{key}"


def embedding_tasks(
    spec: NetworkSpec, backbone: Backbone, inputs: Inputs, apart: NDArray[np.intp] | None = None
) -> list[Task]:
    """Tasks that make the embeddings which are not there yet, or are damaged.

    Images whose indices are `apart` come first, in chunks without others.
    """
    folder = embedding_folder(spec.root, backbone)
    held = _read(folder)
    missing = [i for i, name in enumerate(inputs.names) if inputs.digests[name] not in held]
    first = np.isin(missing, [] if apart is None else apart)
    job = EmbedJob(spec, folder)
    return [
        Task(job, chunk)
        for some in (first, ~first)
        for chunk in inputs.chunks(np.array(missing, dtype=np.intp)[some], IMAGES_A_FILE)
    ]


def read_embeddings(
    root: Path, backbone: Backbone, names: Sequence[str], digests: Mapping[str, str]
) -> NDArray[np.float32]:
    """Give the kept embeddings of some images, (N, D).

    Raises
    ------
    AisthesisError
        If one is not kept whole.
    """
    held = _read(embedding_folder(root, backbone))
    lost = [name for name in names if digests[name] not in held]
    if lost:
        raise AisthesisError(
            f"the embedding of {lost[0]} and {len(lost) - 1} others by {backbone.name} were lost "
            "while the study was running; run it again and they are made anew"
        )
    return np.stack([held[digests[name]] for name in names])


def _keep(folder: Path, digests: Sequence[str], rows: NDArray[np.float32]) -> None:
    final = folder / f"{digest_of(list(digests))}.safetensors"
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    about = {
        "digests": json.dumps(list(digests)),
        "sha256": hashlib.sha256(rows.tobytes()).hexdigest(),
    }
    with plain_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(final) as partial:
            save_file({"embeddings": rows}, partial, metadata=about)


def _read(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Every row that is kept whole, by the digest of its image."""
    rows: dict[str, NDArray[np.float32]] = {}
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
        rows |= _rows_of(file)
    return rows


def _rows_of(file: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with safe_open(file, framework="numpy") as held:
            about: dict[str, Any] = held.metadata() or {}
            values = held.get_tensor("embeddings")
        digests = json.loads(about["digests"])
        if hashlib.sha256(values.tobytes()).hexdigest() != about["sha256"]:
            return {}
        return dict(zip(digests, values, strict=True))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return {}
