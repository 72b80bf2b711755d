"""Which operations of a network are local: a changed square of the image reaches a square of them.

Convolutions, pools, what works entry by entry, sums and concatenations are local, so that only a
window of their result needs to be computed again. The first operation that is none of these ends
the local part of the network.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from aisthesis.ablation.flops import operation_flops
from aisthesis.ablation.ops import argument, operation, words
from aisthesis.ablation.owners import run_operation
from aisthesis.ablation.sliding import Options, Sliding, convolution_options, pool_options
from aisthesis.ablation.tracing import first_line, follow

__all__ = ["LocalNetwork", "Step", "local_network", "pad_for", "run_from"]

_ENTRYWISE = frozenset(
    words(
        "relu silu gelu hardswish hardsigmoid hardtanh relu6 leaky_relu elu selu celu mish sigmoid "
        "tanh softplus softsign tanhshrink logsigmoid threshold abs neg exp square identity clamp "
        "prelu"
    )
)
_WITH_NUMBER = frozenset(words("add sub mul div"))
_JOINING = frozenset(words("add sub mul maximum minimum"))
_POOLS = frozenset(words("max_pool2d avg_pool2d"))
_CHECK_TOLERANCE = 1e-4  # of the prediction's scale: two orders of the same sums differ by less


@dataclass(frozen=True)
class Step:
    """One local operation.

    Attributes
    ----------
    node : fx.Node
        Its call.
    kind : {"input", "entrywise", "sliding", "joining"}
        How a window of the result depends on windows of the sources.
    sources : tuple of fx.Node
        Values (1, C, H, W) that it reads.
    apply : callable
        From windows of the sources to a window of the result; a sliding operation is given what
        it reads with the padding around it, and adds none.
    fill : float
        Value of the padding.
    axes : (Sliding, Sliding) or None
        How it slides over rows and columns.
    shape : (C, H, W)
        Of the result.
    flops, weights : int
        Multiplications and additions for one image, and entries of its parameters.
    """

    node: fx.Node
    kind: Literal["input", "entrywise", "sliding", "joining"]
    sources: tuple[fx.Node, ...]
    apply: Callable[..., Tensor]
    fill: float
    axes: tuple[Sliding, Sliding] | None
    shape: tuple[int, int, int]
    flops: int
    weights: int


@dataclass(frozen=True)
class LocalNetwork:
    """A network as a list of calls, the first of them local.

    Attributes
    ----------
    root, nodes, output
        Modules' names start at `root`; all calls in order; what the network gives.
    steps : list of Step
        The local operations: the first calls in `nodes`.
    work : dict
        Of every call: (flops, entries written, entries of parameters) for one image.
    ends_at : str
        The first operation that is not local, for messages; empty where all are.
    """

    root: nn.Module
    nodes: list[fx.Node]
    output: fx.Node
    steps: list[Step]
    work: dict[fx.Node, tuple[int, int, int]]
    ends_at: str

    def values_needed_from(self, cut: int) -> list[fx.Node]:
        """Values of the first `cut` calls that the later ones read."""
        earlier = set(self.nodes[:cut])
        later = [n for node in self.nodes[cut:] for n in node.all_input_nodes] + [self.output]
        return [node for node in dict.fromkeys(later) if node in earlier]


def local_network(model: nn.Module, sample: Tensor) -> LocalNetwork | str:
    """Follow a network's code and find its local part.

    Parameters
    ----------
    model
        Images (N, 3, H, W) to predictions (N,) or (N, K), in evaluation mode.
    sample : (1, 3, H, W)
        An image of the shape that will be masked.

    Returns
    -------
    LocalNetwork or str
        Or the reason why every masked image needs a forward pass of its own.
    """
    followed = follow(model)
    if isinstance(followed, str):
        return followed
    root, graph = followed
    *nodes, last = graph.nodes
    output = last.args[0]
    if not isinstance(output, fx.Node):
        return "the network gives more than one result"
    try:
        network = _classified(root, nodes, output, sample)
    except Exception as error:  # noqa: BLE001  the user's code may raise anything here
        return f"the network's graph cannot be run ({first_line(error)})"
    found, wanted = network[1], model(sample)
    scale = float(wanted.abs().max().clamp(min=1e-30))
    if not torch.isfinite(wanted).all():
        return "the network gives a value that is not finite"
    if float((found - wanted).abs().max()) > _CHECK_TOLERANCE * scale:
        return "the network overwrites values that it reads again"
    return network[0]


def _classified(
    root: nn.Module, nodes: list[fx.Node], output: fx.Node, sample: Tensor
) -> tuple[LocalNetwork, Tensor]:
    """Run the network once, call by call, and say of each of the first calls how it is local."""
    values: dict[fx.Node, Any] = {}
    work: dict[fx.Node, tuple[int, int, int]] = {}
    steps: list[Step] = []
    ends_at = ""
    for node in nodes:
        module = root.get_submodule(str(node.target)) if node.op == "call_module" else None
        step: Step | None = None
        if not ends_at:
            step = _step(node, module, values, sample)
            if step is None:
                ends_at = _name(node)
        if step is not None:
            read = [values[source] for source in step.sources]
            values[node] = sample if step.kind == "input" else step.apply(*_padded(step, read))
            steps.append(step)
            work[node] = (step.flops, values[node].numel(), step.weights)
        else:
            # A later call may overwrite what an earlier one gave, as in the network's own run.
            values[node] = _call(root, node, values, sample)
            args = fx.node.map_arg(node.args, values.__getitem__)
            entries = values[node].numel() if isinstance(values[node], Tensor) else 0
            flops = operation_flops(node, module, args, values[node])
            work[node] = (flops, entries, _n_weights(module))
    return LocalNetwork(root, nodes, output, steps, work, ends_at), values[output]


def run_from(network: LocalNetwork, cut: int, values: dict[fx.Node, Any]) -> Tensor:
    """Run every call from number `cut` on; `values` holds what they read, and is used up."""
    nodes = network.nodes[cut:]
    last: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        last.update(dict.fromkeys(node.all_input_nodes, node))
    for node in nodes:
        values[node] = _call(network.root, node, values, None)
        for read in node.all_input_nodes:
            if last[read] is node and read is not network.output:
                values.pop(read, None)
    result: Tensor = values[network.output]
    return result


def _call(root: nn.Module, node: fx.Node, values: dict[fx.Node, Any], sample: Any) -> Any:
    if node.op == "placeholder":
        return sample
    if node.op == "get_attr":
        return operator.attrgetter(str(node.target))(root)
    module = root.get_submodule(str(node.target)) if node.op == "call_module" else None
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
    return run_operation(node, module, args, kwargs)


def _padded(step: Step, read: list[Tensor]) -> list[Tensor]:
    return [pad_for(step, one) for one in read] if step.axes else read


def pad_for(step: Step, value: Tensor) -> Tensor:
    """Put the step's padding around a whole value (1, C, H, W)."""
    if step.axes is None:
        return value
    rows, columns = step.axes
    sides = (columns.padding, columns.padding_after, rows.padding, rows.padding_after)
    return F.pad(value, sides, value=step.fill) if any(sides) else value


def _name(node: fx.Node) -> str:
    return str(node.target).removeprefix("model.") if node.op == "call_module" else node.name


def _n_weights(module: nn.Module | None) -> int:
    return 0 if module is None else sum(parameter.numel() for parameter in module.parameters())


def _step(
    node: fx.Node, module: nn.Module | None, values: dict[fx.Node, Any], sample: Tensor
) -> Step | None:
    """How the call is local, or None where nothing proves that it is."""
    if node.op == "placeholder":
        return Step(node, "input", (), lambda: sample, 0.0, None, tuple(sample.shape[1:]), 0, 0)  # type: ignore[arg-type]
    sources = list(node.all_input_nodes)
    if node.op == "get_attr" or not sources:
        return None
    if any(not isinstance(values[n], Tensor) or values[n].ndim != 4 for n in sources):
        return None
    name = operation(node, module)
    if name == "conv2d":
        return _convolution(node, module, values)
    if name in _POOLS:
        return _pool(node, module, name, values)
    if len(sources) == 1 and _is_entrywise(node, module, name):
        return _entrywise(node, module, values)
    shapes = {tuple(values[source].shape) for source in sources}
    if len(sources) == 2 and name in _JOINING and len(shapes) == 1 and not node.kwargs:
        return _joining(node, values, sources, _out_of_place(name))
    if name == "cat" and argument(node, module, 1, "dim", 0) in (1, -3):
        listed = [n for n in node.args[0] if isinstance(n, fx.Node)]  # type: ignore[union-attr]
        if len({(s[0], *s[2:]) for s in shapes}) == 1 and len(listed) == len(node.args[0]):  # type: ignore[arg-type]
            return _joining(node, values, listed, lambda *parts: torch.cat(parts, 1))
    return None


def _is_entrywise(node: fx.Node, module: nn.Module | None, name: str) -> bool:
    if name in _ENTRYWISE or name.startswith("elementwise:"):
        return True
    if name in _WITH_NUMBER:
        return len(node.all_input_nodes) == 1 and all(
            isinstance(part, fx.Node | int | float) for part in node.args
        )
    if name == "batch_norm":
        return module is not None and not module.training and module.running_mean is not None
    if name == "dropout":
        off = module is not None and not module.training
        return off or argument(node, module, 2, "training", True) is False
    return False


def _entrywise(node: fx.Node, module: nn.Module | None, values: dict[fx.Node, Any]) -> Step | None:
    (source,) = node.all_input_nodes

    def apply(value: Tensor) -> Tensor:
        # The value may be overwritten, and another call may read it still.
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda _: value.clone())
        result: Tensor = run_operation(node, module, args, kwargs)
        return result

    shape = tuple(values[source].shape[1:])
    return Step(node, "entrywise", (source,), apply, 0.0, None, shape, 0, _n_weights(module))


def _out_of_place(name: str) -> Callable[..., Tensor]:
    function: Callable[..., Tensor] = getattr(torch, name)
    return function


def _joining(
    node: fx.Node, values: dict[fx.Node, Any], sources: list[fx.Node], apply: Callable[..., Tensor]
) -> Step | None:
    if any(not isinstance(part, fx.Node | list | tuple | int) for part in node.args):
        return None
    _, height, width = values[sources[0]].shape[1:]
    channels = apply(*(values[n][:, :, :1, :1] for n in sources)).shape[1]
    return Step(node, "joining", tuple(sources), apply, 0.0, None, (channels, height, width), 0, 0)


def _convolution(node: fx.Node, module: Any, values: dict[fx.Node, Any]) -> Step | None:
    if module is None or module.padding_mode != "zeros":
        return None
    (source,) = node.all_input_nodes
    options = convolution_options(module)
    _, stride, _, dilation = options

    def apply(value: Tensor) -> Tensor:
        weight, bias = module.weight, module.bias
        return F.conv2d(value, weight, bias, stride, 0, dilation, module.groups)

    result = module(values[source])
    flops = operation_flops(node, module, (values[source],), result)
    return _sliding(
        node, values[source], result, options, apply, 0.0,
        flops, _n_weights(module),
    )  # fmt: skip


def _pool(
    node: fx.Node, module: nn.Module | None, name: str, values: dict[fx.Node, Any]
) -> Step | None:
    (source,) = node.all_input_nodes
    highest = name == "max_pool2d"
    options = pool_options(node, module, name)
    if options is None or not isinstance(_call_plain(node, module, values), Tensor):
        return None  # the divisor differs from place to place, or places of maxima are given
    kernel, stride, _, dilation = options
    result = _call_plain(node, module, values)

    def apply(value: Tensor) -> Tensor:
        if highest:
            return F.max_pool2d(value, kernel, stride, 0, dilation)
        return F.avg_pool2d(value, kernel, stride, 0)

    fill = float("-inf") if highest else 0.0
    return _sliding(node, values[source], result, options, apply, fill, 0, 0)


def _call_plain(node: fx.Node, module: nn.Module | None, values: dict[fx.Node, Any]) -> Any:
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
    return run_operation(node, module, args, kwargs)


def _sliding(
    node: fx.Node,
    value: Tensor,
    result: Tensor,
    options: Options,
    apply: Callable[..., Tensor],
    fill: float,
    flops: int,
    weights: int,
) -> Step:
    rows, columns = Sliding.along_both(options, value.shape[2:], result.shape[2:])
    shape = tuple(result.shape[1:])
    sources = tuple(node.all_input_nodes)
    return Step(node, "sliding", sources, apply, fill, (rows, columns), shape, flops, weights)  # type: ignore[arg-type]
