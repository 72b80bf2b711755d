"""AdamW by torch's own function; its class would load all of `torch.compile`, in seconds."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

__all__ = ["AdamW"]


class AdamW:
    """Step by step the values of `torch.optim.AdamW(..., fused=True)`.

    Parameters
    ----------
    parameters : iterable of Parameter
        What is learnt; those that need no gradient stay as they are.
    learning_rate, weight_decay : float

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled weight decay regularization", ICLR.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], learning_rate: float, weight_decay: float
    ) -> None:
        self._learnt = [one for one in parameters if one.requires_grad]
        self._means = [torch.zeros_like(one) for one in self._learnt]
        self._squares = [torch.zeros_like(one) for one in self._learnt]
        self._steps = [torch.zeros((), device=one.device) for one in self._learnt]
        self._learning_rate, self._weight_decay = learning_rate, weight_decay

    @torch.no_grad()
    def step(self, loss: Tensor) -> None:
        """Go one step down a loss, a scalar; parameters that it does not depend on stay."""
        gradients = torch.autograd.grad(loss, self._learnt, allow_unused=True)
        used = [at for at, gradient in enumerate(gradients) if gradient is not None]
        held = (self._learnt, gradients, self._means, self._squares)
        parameters, slopes, means, squares = ([each[at] for at in used] for each in held)
        adamw(
            parameters, slopes, means, squares, [], [self._steps[at] for at in used],
            fused=True, amsgrad=False, maximize=False, beta1=0.9, beta2=0.999, eps=1e-8,
            lr=self._learning_rate, weight_decay=self._weight_decay,
        )  # fmt: skip
