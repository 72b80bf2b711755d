"""Which device a study computes on."""

from __future__ import annotations

import hashlib
import sys

import torch

from aisthesis.errors import RequestError

__all__ = ["choose_device"]


def choose_device(asked: str) -> torch.device:
    """Take the device asked for; `auto` is a CUDA GPU, then Apple's, then the CPU.

    Workers of a cluster that see the same several GPUs share them out by their numbers.

    Raises
    ------
    RequestError
        If it is not there.
    """
    if asked == "auto":
        if torch.cuda.is_available():
            return _own_gpu(torch.cuda.device_count())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise RequestError(
            f"device: expected auto, cpu, cuda, cuda:N or mps on this machine, got {asked!r}, "
            "which cannot be used here; `auto` takes what there is"
        ) from None
    return device


def _own_gpu(n_gpus: int) -> torch.device:
    """The GPU of this process: a worker's number says which; any other process takes the first."""
    distributed = sys.modules.get("distributed")
    if distributed is None or n_gpus < 2:
        return torch.device("cuda")
    try:
        name = str(distributed.get_worker().name)
    except ValueError:  # not in a worker
        return torch.device("cuda")
    number = int(name) if name.isdigit() else int(hashlib.sha256(name.encode()).hexdigest(), 16)
    return torch.device("cuda", number % n_gpus)
