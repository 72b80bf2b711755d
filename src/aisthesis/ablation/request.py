"""What the plans for channels and for places ask of a request, and the sample they are made on."""

from __future__ import annotations

import torch
from torch import nn

from aisthesis.ablation.analysis import Analysis
from aisthesis.errors import RequestError

__all__ = [
    "MEMORY_BYTES",
    "Shape",
    "check_request",
    "distinct_images",
    "sample_images",
    "sets_at_once",
]

Shape = tuple[int, ...] | torch.Size

MEMORY_BYTES = 1_000_000_000
_TYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_DEFAULT_SHAPE = (2, 3, 224, 224)
_SAMPLE_IMAGES = 2  # a network may treat a single image's batch axis in its own way
_CPU_BYTES = 64_000_000  # larger pieces leave the cache and gain nothing there


def sample_images(model: nn.Module, x: torch.Tensor | Shape | None) -> torch.Tensor:
    """Images to make a plan on: two of those given, or noise of their shape."""
    if isinstance(x, torch.Tensor):
        return distinct_images(x.detach().clone() if x.is_inference() else x.detach())
    like = next((p for p in model.parameters() if p.dtype in _TYPES), torch.empty(0))
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(tuple(x) if x is not None else _DEFAULT_SHAPE, generator=generator)
    return distinct_images(noise.to(like.device, like.dtype))


def distinct_images(x: torch.Tensor) -> torch.Tensor:
    """Two images that differ and are not blank: of a batch, or of noise in its range."""
    x = x.detach()
    if not x.is_floating_point() or not x.shape[0]:
        return x[:_SAMPLE_IMAGES]
    chosen: list[torch.Tensor] = []
    for image in x[:16]:
        blank = not bool((image != image.flatten()[:1]).any())
        if not blank and not any(torch.equal(image, other) for other in chosen):
            chosen.append(image)
        if len(chosen) == _SAMPLE_IMAGES:
            return torch.stack(chosen)
    generator = torch.Generator().manual_seed(0)
    missing = (_SAMPLE_IMAGES - len(chosen), *x.shape[1:])
    low, high = float(x.min()), float(x.max())
    if low < high:
        noise = torch.rand(missing, generator=generator) * (high - low) + low
    else:
        noise = torch.randn(missing, generator=generator)
    return torch.cat([*(image[None] for image in chosen), noise.to(x.device, x.dtype)])


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
