"""Which device a study computes on."""

from __future__ import annotations

import torch

from aisthesis.errors import RequestError

__all__ = ["choose_device"]


def choose_device(asked: str) -> torch.device:
    """Take the device asked for; `auto` is a CUDA GPU, then Apple's, then the CPU.

    Raises
    ------
    RequestError
        If it is not there.
    """
    if asked == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
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
