"""Embeddings of a study's images: chunk by chunk, kept by the bytes of the images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from aisthesis.heads import Embeddings, RowsOnDisk
from aisthesis.heads.embeddings import embedded
from aisthesis.names.labels import slug
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.chunk_store import images_a_chunk
from aisthesis.store.files import plain_errors
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.whole import whole_file
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.network import NetworkSpec, pixels_of

__all__ = [
    "EmbedJob",
    "embedding_folder",
    "embedding_tasks",
    "read_embeddings",
    "stored_embeddings",
]

#: Images in a file of embeddings.
IMAGES_A_FILE = 64
#: Bytes of one network's embeddings that heads hold in memory.
MOST_IN_MEMORY = 32 << 20


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
    held = {digest for digests, _ in _read(folder) for digest in digests}
    missing = [i for i, name in enumerate(inputs.names) if inputs.digests[name] not in held]
    first = np.isin(missing, [] if apart is None else apart)
    job, size = EmbedJob(spec, folder), images_a_chunk(IMAGES_A_FILE, len(inputs.names))
    return [
        Task(job, chunk)
        for some in (first, ~first)
        for chunk in inputs.chunks(np.array(missing, dtype=np.intp)[some], size)
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
    rows = np.empty((len(names), backbone.embedding_dim), dtype=np.float32)
    wanted = [digests[name] for name in names]
    _gather(embedding_folder(root, backbone), backbone.name, wanted, rows.__setitem__, names)
    return rows


def stored_embeddings(
    root: Path, backbone: str, folder: Path, digests: Sequence[str], width: int
) -> Embeddings:
    """Give the kept embeddings (N, `width`) of the images of some digests, as a head reads them.

    In memory where they take little, else in a file on the study's disk: they are kept in the
    order in which they were made, and heads ask for them in any.

    Raises
    ------
    AisthesisError
        If one is not kept whole.
    """
    if 4 * len(digests) * width <= MOST_IN_MEMORY:
        rows = np.empty((len(digests), width), dtype=np.float32)
        _gather(folder, backbone, digests, rows.__setitem__)
        return torch.from_numpy(rows)
    with plain_errors(folder):
        on_disk = RowsOnDisk(len(digests), width, StudyFolder(root).cache)
        _gather(folder, backbone, digests, on_disk.put)
    return on_disk


def _gather(
    folder: Path,
    backbone: str,
    digests: Sequence[str],
    put: Callable[[NDArray[np.intp], NDArray[np.float32]], None],
    names: Sequence[str] = (),
) -> None:
    """Put the rows of images where these are in a list of digests, file by file.

    Raises
    ------
    AisthesisError
        If one is not kept whole.
    """
    places: dict[str, int] = {}
    again: dict[str, list[int]] = {}  # images alike to the byte
    for i, digest in enumerate(digests):
        if places.setdefault(digest, i) != i:
            again.setdefault(digest, []).append(i)
    found = np.zeros(len(digests), dtype=bool)
    for own, rows in _read(folder):
        wanted = [(row, i) for row, digest in enumerate(own)
                  if digest in places
                  for i in (places[digest], *again.get(digest, ()))]  # fmt: skip
        if wanted:
            row, index = np.array(wanted, dtype=np.intp).T
            put(index, rows[row])
            found[index] = True
    lost = np.flatnonzero(~found)
    if len(lost):
        first = names[lost[0]] if names else "one image"
        raise AisthesisError(
            f"the embedding of {first} and {len(lost) - 1} others by {backbone} were lost "
            "while the study was running; run it again and they are made anew"
        )


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


def _read(folder: Path) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Digests of images and their rows, of every file that is kept whole."""
    for file in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
        held = _rows_of(file)
        if held is not None:
            yield held


def _rows_of(file: Path) -> tuple[list[str], NDArray[np.float32]] | None:
    try:
        with safe_open(file, framework="numpy") as held:
            about: dict[str, Any] = held.metadata() or {}
            values = held.get_tensor("embeddings")
        digests = [str(one) for one in json.loads(about["digests"])]
        whole = hashlib.sha256(values.tobytes()).hexdigest() == about["sha256"]
        return (digests, values) if whole and len(digests) == len(values) else None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
