"""What explaining starts from, kept while images are embedded, so that no trunk runs twice."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from aisthesis.backbones import Backbone
from aisthesis.errors import AisthesisError
from aisthesis.names.labels import slug
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.chunk_store import images_a_chunk
from aisthesis.store.files import plain_errors, remove_tree
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.maps_store import IMAGES_A_CHUNK
from aisthesis.store.whole import whole_file

__all__ = [
    "KeptActivations",
    "fits",
    "forget_activations",
    "kept_activations",
    "may_keep",
]

#: Below so many images, finding the cut costs more than the passes that it saves.
_FEWEST_IMAGES = 16
#: More than this means a layer so early that the trunk before it is cheaper than the disk.
_MOST_BYTES_AN_IMAGE = 2**23
_LAST = "channels_last"
#: Share of the free disk that all networks of a study may take.
_SHARE_OF_DISK = 0.25


@dataclass(frozen=True)
class KeptActivations:
    """Values of one network at its layer, in the study's `cache/` until its maps are made.

    They only save time: what is absent or damaged is computed from the photographs.

    Parameters
    ----------
    root, folder : Path
        The study's folder, and theirs in it.
    """

    root: Path
    folder: Path

    def write(self, digests: Sequence[str], carried: Mapping[str, torch.Tensor]) -> None:
        """Keep what crosses the cut, (N, ...) each, of N images: a file for each chunk of maps.

        A disk that takes no more is no fault of the study: nothing is kept then.
        """
        for start in range(0, len(digests), IMAGES_A_CHUNK):
            some = slice(start, start + IMAGES_A_CHUNK)
            self._write(digests[some], {name: value[some] for name, value in carried.items()})

    def _write(self, digests: Sequence[str], carried: Mapping[str, torch.Tensor]) -> None:
        last = sorted(name for name, tensor in carried.items() if _is_channels_last(tensor))
        values = {name: tensor.contiguous().cpu() for name, tensor in carried.items()}
        about = {_LAST: json.dumps(last), "sha256": _digest(values, last)}
        try:
            with plain_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                with whole_file(self._file(digests)) as partial:
                    save_file(values, partial, metadata=about)
        except AisthesisError:
            self._file(digests).unlink(missing_ok=True)

    def read(self, digests: Sequence[str]) -> dict[str, torch.Tensor] | None:
        """Give what is kept of these images, in memory as it was; None where it is not whole."""
        try:
            with safe_open(self._file(digests), framework="pt") as held:
                about: dict[str, Any] = held.metadata() or {}
                values = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
            last = json.loads(about.get(_LAST, "[]"))
        except (OSError, SafetensorError, ValueError):
            return None
        if not values or _digest(values, last) != about.get("sha256"):
            return None
        return {
            name: value.contiguous(memory_format=torch.channels_last) if name in last else value
            for name, value in values.items()
        }

    def remove(self) -> None:
        """Delete all of it."""
        remove_tree(self.folder, inside=self.root)

    def _file(self, digests: Sequence[str]) -> Path:
        return self.folder / f"{digest_of(list(digests))}.safetensors"


def kept_activations(root: Path, backbone: Backbone) -> KeptActivations:
    """Where a backbone's are, named after all that they depend on but the images."""
    key = digest_of(backbone.fingerprint, code_dependencies("activations", __name__))
    return KeptActivations(root, _folder(root) / f"{slug(backbone.name)}-{key}")


def forget_activations(root: Path) -> None:
    """Delete all that a study has kept, of whatever networks: its maps are there."""
    remove_tree(_folder(root), inside=root)


def may_keep(asked: Literal["auto", "always", "never"], n_images: int) -> bool:
    """Whether to look at all for what could be kept of so many images."""
    whole = images_a_chunk(IMAGES_A_CHUNK, n_images) == IMAGES_A_CHUNK  # a file, a chunk of maps
    return asked != "never" and whole and n_images >= (_FEWEST_IMAGES if asked == "auto" else 1)


def fits(root: Path, n_images: int, each: int) -> bool:
    """Whether so many times so many bytes may be kept on the disk of a study.

    Not where they take more than a quarter of what is free, nor of a layer so early that reading
    costs more than computing.
    """
    free = shutil.disk_usage(root).free
    return each <= _MOST_BYTES_AN_IMAGE and n_images * each <= _SHARE_OF_DISK * free


def _folder(root: Path) -> Path:
    return StudyFolder(root).cache / "activations"


def _is_channels_last(value: torch.Tensor) -> bool:
    """Whether what follows would compute with channels last in memory, and round accordingly."""
    last = value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)
    return last and not value.is_contiguous()


def _digest(values: Mapping[str, torch.Tensor], last: list[str]) -> str:
    found = hashlib.sha256(json.dumps([sorted(values), last]).encode())
    for name in sorted(values):
        array: NDArray[Any] = values[name].contiguous().view(-1).view(torch.uint8).numpy()
        found.update(array.data)
    return found.hexdigest()
