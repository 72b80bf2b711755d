"""What is known about a network's weights: where they came from and what they hold."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import nn

__all__ = ["WeightsFile", "WeightsRecord", "tensors_digest"]

WeightsKind = Literal["official", "file", "random", "miniature", "given"]


@dataclass(frozen=True)
class WeightsFile:
    """An official file of weights: its address, its name on a disk and what its hash begins with.

    Parameters
    ----------
    url : str
        Where the file is published.
    file_name : str
        Its name in a `weights_dir` and, unless `cache_name` is given, in the torch hub cache.
    sha256_prefix : str, optional
        First characters of the file's SHA-256; empty where the publisher gives none.
    cache_name : str, optional
        Its name in the torch hub cache, where `file_name` alone could be another network's.
    """

    url: str
    file_name: str
    sha256_prefix: str = ""
    cache_name: str = ""

    @property
    def name_in_cache(self) -> str:
        """The file's name in the torch hub cache."""
        return self.cache_name or self.file_name


@dataclass(frozen=True)
class WeightsRecord:
    """Where a network's weights came from, for provenance.

    Parameters
    ----------
    kind : {"official", "file", "random", "miniature", "given"}
        `given` stands for a network that the user built.
    source : str
        Path, address or a few words ("seed 0").
    sha256 : str, optional
        Digest of the tensors in use (not of the file). A `Backbone` fills it in from its network.
    file_sha256 : str, optional
        Digest of the file that they were read from; empty where there was none.
    """

    kind: WeightsKind
    source: str
    sha256: str = ""
    file_sha256: str = ""

    @property
    def warning(self) -> str | None:
        """What a reader of the results must be told about these weights, or None."""
        if self.kind != "random":
            return None
        return (
            f"the network's weights are random ({self.source}): it has never seen an image, so its "
            "predictions and maps say nothing about human judgment; they only show that the "
            "study runs"
        )

    def as_dict(self) -> dict[str, Any]:
        """Give the fields and the warning, ready for JSON."""
        return {**asdict(self), "warning": self.warning}


def tensors_digest(module: nn.Module) -> str:
    """SHA-256 over every parameter and buffer of `module`: its name, type, shape and bytes.

    Parameters
    ----------
    module : torch.nn.Module
        On any device; nothing is changed.

    Returns
    -------
    str
        64 hexadecimal characters.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            digest.update(f"{name}:{tensor!r}".encode())
            continue
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{plain.dtype}:{tuple(plain.shape)}".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
