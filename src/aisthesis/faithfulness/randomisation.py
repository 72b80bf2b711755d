"""Does the map change when the network does? Weights made random layer by layer, then put back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from aisthesis.ablation.modes import contiguous_weights, evaluation
from aisthesis.agreement import MapStack, mean_intervals
from aisthesis.agreement.metrics import metrics_named
from aisthesis.errors import RequestError
from aisthesis.faithfulness.predicting import require_images

__all__ = ["CASCADE_COLUMNS", "cascade", "cascade_similarity", "layers_by_depth"]

CASCADE_COLUMNS = (
    "stage",
    "layers",
    "metric",
    "mean",
    "low",
    "high",
    "n",
    "n_undefined",
)


def layers_by_depth(model: nn.Module, sample: Tensor) -> list[str]:
    """Name the modules that own parameters, from the output down to the input.

    The order is that in which the modules are called on `sample`, backwards; of parallel branches
    the one called last comes first. Modules that `sample` never reaches are left out.

    Parameters
    ----------
    model : module
        Any network.
    sample : Tensor
        Images as the network takes them; one is enough.
    """
    owners = {
        module: name
        for name, module in model.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    }
    called: dict[str, None] = {}
    handles = [
        module.register_forward_pre_hook(lambda m, _inputs: called.setdefault(owners[m]))
        for module in owners
    ]
    try:
        with evaluation(model):
            model(sample)
    finally:
        for handle in handles:
            handle.remove()
    return list(called)[::-1]


@contextmanager
def cascade(
    model: nn.Module, sample: Tensor, *, n_stages: int | None = None, seed: int = 0
) -> Iterator[Iterator[tuple[str, ...]]]:
    """Make a network's layers random one after another, from the output to the input.

    Gives an iterator; every ``next`` re-initialises one more group of layers, on top of those
    before, and gives their names. On leaving the context every parameter, buffer and mode is what
    it was, after an error too.

    A layer is re-initialised by its own ``reset_parameters`` where it has that, else by normal
    values with the mean and SD of its old ones. BatchNorm that has become random takes its
    statistics anew from `sample`, whose values have changed scale; with the old ones, or with
    mean 0 and variance 1, deep networks would explode or fall silent.

    Parameters
    ----------
    model : module
        The network; it is changed in place while the context lasts.
    sample : Tensor
        Images for the order of the layers and the statistics of BatchNorm.
    n_stages : int, optional
        Groups of neighbouring layers, as even as can be; default every layer by itself.
    seed : int
        Of the new weights; torch's global random state is left as it was.

    Raises
    ------
    RequestError
        If the network has no parameters or `n_stages` is not 1 to the number of its layers.

    References
    ----------
    Adebayo, Gilmer, Muelly, Goodfellow, Hardt & Kim (2018), "Sanity checks for saliency maps",
    NeurIPS: cascading randomisation.
    """
    layers = layers_by_depth(model, sample)
    if not layers:
        raise RequestError("expected a network with parameters, got none to make random")
    stages = len(layers) if n_stages is None else n_stages
    if not 1 <= stages <= len(layers):
        raise RequestError(
            f"expected 1 to {len(layers)} stages for {len(layers)} layers with parameters, got "
            f"{stages}"
        )
    groups = [tuple(group.tolist()) for group in np.array_split(np.array(layers), stages)]
    with _restored(model):
        yield _stages(model, sample, groups, seed)


def _stages(
    model: nn.Module, sample: Tensor, groups: Sequence[tuple[str, ...]], seed: int
) -> Iterator[tuple[str, ...]]:
    norms: list[_BatchNorm] = []
    for number, group in enumerate(groups):
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(_stream(seed, number))
            for name in group:
                layer = model.get_submodule(name)
                _reinitialise(layer)
                if isinstance(layer, _BatchNorm) and layer.running_mean is not None:
                    norms.append(layer)
        if norms:
            _recalibrate(model, norms, sample)
        yield group


def _stream(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _reinitialise(layer: nn.Module) -> None:
    reset: Any = getattr(layer, "reset_parameters", None)
    if callable(reset):
        with contiguous_weights(layer):  # numbers are drawn in the order of memory
            reset()
        return
    for parameter in layer.parameters(recurse=False):
        spread = float(parameter.std(correction=0)) if parameter.numel() > 1 else 0.0
        fresh = torch.randn(parameter.shape) * spread + float(parameter.mean())
        parameter.copy_(fresh.to(parameter))


def _recalibrate(model: nn.Module, norms: Sequence[_BatchNorm], sample: Tensor) -> None:
    """Give BatchNorm the statistics of `sample`, each layer seeing what those before it give.

    By hooks and not by training mode, which a frozen trunk takes back before its next pass.
    """

    def measure(norm: Any, inputs: tuple[Any, ...]) -> None:
        values = inputs[0].detach()
        axes = [axis for axis in range(values.ndim) if axis != 1]
        norm.running_mean.copy_(values.mean(axes))
        norm.running_var.copy_(values.var(axes, correction=0))

    handles = [norm.register_forward_pre_hook(measure) for norm in norms]
    try:
        with evaluation(model):
            model(sample)
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    """Every parameter and buffer gets its own bytes back."""
    tensors = [*model.parameters(), *model.buffers()]
    with torch.no_grad():
        kept = [(tensor, tensor.detach().clone()) for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in kept:
                tensor.copy_(before)


def cascade_similarity(
    model: nn.Module,
    explain: Callable[[Tensor], ArrayLike | Tensor],
    images: Tensor,
    *,
    metrics: Sequence[str] = ("spearman", "cosine", "ssim"),
    n_stages: int | None = None,
    size_px: int = 224,
    seed: int = 0,
    n_boot: int = 2000,
    advance: Callable[[int], None] = lambda n: None,
) -> pd.DataFrame:
    """Compare each image's map with the map of the same network made ever more random.

    A map that tells something of the network falls to the similarity of unrelated maps as its
    layers lose what they learnt. A map that stays as it was shows the image, not the network.

    Parameters
    ----------
    model : module
        The network that `explain` looks into, in whatever way; given back as it was.
    explain : callable
        Images (N, 3, H, W) to maps (N, h, w), by the network as it is at that moment: nothing of
        the intact network may be kept in it, such as a class weight or a stored activation.
    images : Tensor
        Shape (N, 3, H, W).
    metrics : sequence of str
        Agreement metrics, see `aisthesis.agreement.METRICS`.
    n_stages : int, optional
        Groups of layers; default every layer by itself.
    size_px : int
        Side of the grid on which maps are compared.
    seed, n_boot : int
        Of the new weights and of the bootstrap over images, and its number of draws.
    advance : callable
        Told of every stage that is done, the intact network being the first.

    Returns
    -------
    pandas.DataFrame
        Columns `CASCADE_COLUMNS`: stage 0 is the intact network explained once more, which is 1
        (0 for a distance) where `explain` has no chance in it; ``layers`` names the layers made
        random last; ``low`` and ``high`` are 95% bootstrap limits of the mean over images;
        ``n`` images count, ``n_undefined`` do not, as one of their maps is flat or not finite.

    References
    ----------
    Adebayo et al. (2018), see `cascade`.
    """
    require_images(images)
    wanted = metrics_named(metrics)
    original = MapStack.of(_maps(explain, images), size_px)
    rows: list[tuple[object, ...]] = []

    def compare(stage: int, layers: tuple[str, ...]) -> None:
        now = MapStack.of(_maps(explain, images), size_px)
        values = np.stack([one(original, now).cpu().numpy() for one in wanted], axis=1)
        low, high = mean_intervals(values, seed, n_boot)
        for column, one in enumerate(wanted):
            defined = values[np.isfinite(values[:, column]), column]
            mean = float(defined.mean()) if defined.size else float("nan")
            counts = (len(defined), len(values) - len(defined))
            limits = (float(low[column]), float(high[column]))
            rows.append((stage, " ".join(layers), one.name, mean, *limits, *counts))
        advance(1)

    compare(0, ())
    with cascade(model, images, n_stages=n_stages, seed=seed) as stages:
        for number, layers in enumerate(stages, start=1):
            compare(number, layers)
    return pd.DataFrame(rows, columns=list(CASCADE_COLUMNS))


def _maps(explain: Callable[[Tensor], ArrayLike | Tensor], images: Tensor) -> Tensor:
    maps = explain(images)
    tensor = maps if isinstance(maps, Tensor) else torch.from_numpy(np.asarray(maps))
    return tensor.detach().clone()  # a view of something that changes would follow it
