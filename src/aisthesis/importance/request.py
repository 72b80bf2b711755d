"""What the plans for channels and for places ask of a request, and the sample they are made on."""

from __future__ import annotations

import torch
from torch import nn

from aisthesis.errors import RequestError
from aisthesis.importance.analysis import Analysis

__all__ = ["MEMORY_BYTES", "Shape", "check_request", "sample_images", "sets_at_once"]

Shape = tuple[int, ...] | torch.Size

MEMORY_BYTES = 1_000_000_000
_DEFAULT_SHAPE = (2, 3, 224, 224)
_SAMPLE_IMAGES = 2  # a network may treat a single image's batch axis in its own way
_CPU_BYTES = 64_000_000  # larger pieces leave the cache and gain nothing there


def sample_images(model: nn.Module, x: torch.Tensor | Shape | None) -> torch.Tensor:
    """Images to make a plan on: two of those given, or noise of their shape."""
    if isinstance(x, torch.Tensor):
        return x.detach()[:_SAMPLE_IMAGES]
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(tuple(x) if x is not None else _DEFAULT_SHAPE, generator=generator)
    return noise.to(like.device, like.dtype)


def sets_at_once(analysis: Analysis, x: torch.Tensor, memory_bytes: int) -> int:
    """How many removals to carry together."""
    room = 0.8 * memory_bytes
    if x.device.type == "cpu":
        room = min(room, _CPU_BYTES)
    return int(max(1, min(room // analysis.bytes_per_set(), 2**16)))


def check_request(x: torch.Tensor, replace: str, memory_bytes: int) -> None:
    """Refuse images, a replacement or a memory bound that cannot be meant.

    Raises
    ------
    RequestError
        Saying what was expected.
    """
    if not isinstance(x, torch.Tensor) or x.ndim < 2 or not x.shape[0]:
        got = f"shape {tuple(x.shape)}" if isinstance(x, torch.Tensor) else type(x).__name__
        raise RequestError(f"expected a batch of images (N, ...) as a tensor, got {got}")
    if replace not in ("zero", "mean"):
        raise RequestError(f"expected replace to be 'zero' or 'mean', got {replace!r}")
    if memory_bytes <= 0:
        raise RequestError(f"expected memory_bytes above 0, got {memory_bytes}")
