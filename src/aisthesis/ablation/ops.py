"""One name per operation, however a network spells it: module, function, operator or method."""

from __future__ import annotations

import math
import operator
import sys
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils import parametrize

__all__ = [
    "ENTRYWISE",
    "ENTRYWISE_MODULES",
    "argument",
    "has_hooks",
    "operation",
    "plain_type",
    "words",
]

words = str.split  # a table of names is a line of words
_SAME_NAME_FUNCTIONS = words(
    "relu silu gelu hardswish hardsigmoid hardtanh relu6 leaky_relu elu selu celu mish sigmoid "
    "tanh softplus softsign tanhshrink logsigmoid threshold prelu softmax log_softmax softmin "
    "normalize linear layer_norm group_norm batch_norm instance_norm pad interpolate upsample "
    "pixel_shuffle pixel_unshuffle channel_shuffle dropout dropout1d dropout2d dropout3d "
    "alpha_dropout feature_alpha_dropout max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d "
    "avg_pool3d lp_pool1d lp_pool2d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d "
    "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d conv1d conv2d conv3d "
    "unfold scaled_dot_product_attention"
)
_SAME_NAME_TORCH = words(
    "relu sigmoid tanh softmax log_softmax abs neg exp log log1p expm1 sqrt rsqrt square erf "
    "sin cos reciprocal clamp clip add sub mul div true_divide pow maximum minimum mean sum amax "
    "amin var std logsumexp cat concat stack flatten reshape permute transpose swapaxes movedim "
    "squeeze unsqueeze chunk split unbind roll flip narrow select tile unflatten matmul bmm "
    "layer_norm clone square channel_shuffle pixel_shuffle selu celu prelu "
    "threshold dropout conv1d conv2d conv3d adaptive_avg_pool1d avg_pool1d max_pool1d max_pool2d "
    "concatenate subtract multiply divide index_select"
)
_METHODS = words(
    "relu sigmoid tanh softmax log_softmax abs neg exp log log1p expm1 sqrt rsqrt square erf sin "
    "cos reciprocal clamp clip add sub mul div true_divide pow maximum minimum mean sum amax amin "
    "var std logsumexp flatten reshape view permute transpose swapaxes movedim squeeze unsqueeze "
    "chunk split unbind roll flip narrow select tile unflatten matmul bmm clone contiguous detach "
    "to float double half bfloat16 type type_as expand expand_as view_as reshape_as repeat "
    "subtract multiply divide index_select prelu size dim numel ndimension element_size "
    "is_floating_point get_device stride"
)
_IN_PLACE = words("relu sigmoid tanh add sub mul div clamp abs neg exp sqrt pow")
_SYNONYMS = {
    "clip": "clamp",
    "true_divide": "div",
    "divide": "div",
    "subtract": "sub",
    "multiply": "mul",
    "concat": "cat",
    "concatenate": "cat",
    "swapaxes": "transpose",
    "float": "to",
    "double": "to",
    "half": "to",
    "bfloat16": "to",
    "type": "to",
    "type_as": "to",
    "clone": "identity",
    "contiguous": "identity",
    "detach": "identity",
    "dropout1d": "dropout",
    "dropout2d": "dropout",
    "dropout3d": "dropout",
    "alpha_dropout": "dropout",
    "feature_alpha_dropout": "dropout",
    "view_as": "unknown",
    "reshape_as": "unknown",
    "expand_as": "unknown",
    **dict.fromkeys(
        words("size dim numel ndimension element_size is_floating_point get_device stride"),
        "shape_query",
    ),
}

_MODULES: dict[type[nn.Module], str] = {
    nn.Linear: "linear",
    nn.Conv1d: "conv1d",
    nn.Conv2d: "conv2d",
    nn.Conv3d: "conv3d",
    nn.BatchNorm1d: "batch_norm",
    nn.BatchNorm2d: "batch_norm",
    nn.BatchNorm3d: "batch_norm",
    nn.LayerNorm: "layer_norm",
    nn.GroupNorm: "group_norm",
    nn.InstanceNorm1d: "instance_norm",
    nn.InstanceNorm2d: "instance_norm",
    nn.InstanceNorm3d: "instance_norm",
    nn.Identity: "identity",
    nn.Flatten: "flatten",
    nn.Unflatten: "unflatten",
    nn.ChannelShuffle: "channel_shuffle",
    nn.PixelShuffle: "pixel_shuffle",
    nn.PixelUnshuffle: "pixel_unshuffle",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
    nn.Upsample: "interpolate",
    nn.GLU: "unknown",
}
for _class in (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout):
    _MODULES[_class] = "dropout"
for _name in words(
    "ReLU SiLU GELU Hardswish Hardsigmoid Hardtanh ReLU6 LeakyReLU ELU SELU CELU Mish Sigmoid "
    "Tanh Softplus Softsign Tanhshrink LogSigmoid Threshold PReLU"
):
    _MODULES[getattr(nn, _name)] = "relu" if _name == "ReLU" else f"elementwise:{_name}"
for _kind in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool"):
    for _rank in (1, 2, 3):
        _snake = {"MaxPool": "max_pool", "AvgPool": "avg_pool"}.get(
            _kind, "adaptive_avg_pool" if "Avg" in _kind else "adaptive_max_pool"
        )
        _MODULES[getattr(nn, f"{_kind}{_rank}d")] = f"{_snake}{_rank}d"

_FUNCTIONS: dict[Any, str] = {
    operator.add: "add",
    operator.iadd: "add",
    operator.sub: "sub",
    operator.isub: "sub",
    operator.mul: "mul",
    operator.imul: "mul",
    operator.truediv: "div",
    operator.itruediv: "div",
    operator.pow: "pow",
    operator.neg: "neg",
    operator.matmul: "matmul",
    operator.getitem: "getitem",
    getattr: "getattr",
    len: "shape_query",
    math.prod: "shape_query",
}


def _register(owner: Any, name: str) -> None:
    if hasattr(owner, name):
        _FUNCTIONS.setdefault(getattr(owner, name), _SYNONYMS.get(name, name))


for _name in _SAME_NAME_FUNCTIONS:
    _register(F, _name)
for _name in _SAME_NAME_TORCH:
    _register(torch, _name)
for _name in _IN_PLACE:
    _FUNCTIONS[getattr(torch, f"{_name}_", None)] = _SYNONYMS.get(_name, _name)
_FUNCTIONS[getattr(F, "relu_", None)] = "relu"
_FUNCTIONS.pop(None, None)
_METHOD_NAMES = {name: _SYNONYMS.get(name, name) for name in _METHODS}
_METHOD_NAMES |= {f"{name}_": _SYNONYMS.get(name, name) for name in _IN_PLACE}

ENTRYWISE = frozenset(
    words(
        "relu silu gelu hardswish hardsigmoid hardtanh relu6 leaky_relu elu selu celu mish sigmoid "
        "tanh softplus softsign tanhshrink abs neg square identity dropout"
    )
)
ENTRYWISE_MODULES = frozenset(
    words(
        "SiLU GELU Hardswish Hardsigmoid Hardtanh ReLU6 LeakyReLU ELU SELU CELU Mish Sigmoid "
        "Tanh Softplus Softsign Tanhshrink PReLU"
    )
)
SHAPE_ATTRIBUTES = frozenset({"shape", "dtype", "device", "ndim", "is_cuda", "layout"})


def operation(node: fx.Node, module: nn.Module | None) -> str:
    """Name of the operation of a node, `"unknown"` where nothing is known about it.

    A module counts as known only if it is exactly a class of torch.nn: a subclass may compute
    anything, and so may a module with hooks or with a `forward` of its own.
    """
    if module is not None:
        if has_hooks(module) or "forward" in vars(module):
            return "unknown"
        kind = plain_type(module)
        return _MODULES.get(kind) or _torchvision_s(kind)
    if node.op == "call_function":
        name = _FUNCTIONS.get(node.target) or _torchvision_s(node.target)
        if name == "getattr":
            return "shape_query" if node.args[1] in SHAPE_ATTRIBUTES else "unknown"
        return name
    if node.op == "call_method":
        return _METHOD_NAMES.get(str(node.target), "unknown")
    return "unknown"


def _torchvision_s(kind: Any) -> str:
    """Name of an operation of torchvision's own; it takes seconds to load, and only then occurs."""
    ops = sys.modules.get("torchvision.ops.stochastic_depth")
    known = ops is not None and kind in (ops.StochasticDepth, ops.stochastic_depth)
    return "dropout" if known else "unknown"


def plain_type(module: nn.Module) -> type[nn.Module]:
    """Class of a module as it was before torch's parametrizations subclassed it."""
    kind = type(module)
    return kind.__bases__[0] if parametrize.is_parametrized(module) else kind


def has_hooks(module: nn.Module) -> bool:
    """Whether the user hung hooks on the module that change what calling it does."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def argument(
    node: fx.Node, module: nn.Module | None, position: int, name: str, default: Any = None
) -> Any:
    """Value of an option of the operation: a module's attribute or a call's argument."""
    if module is not None:
        return getattr(module, name, default)
    if name in node.kwargs:
        return node.kwargs[name]
    return node.args[position] if len(node.args) > position else default
