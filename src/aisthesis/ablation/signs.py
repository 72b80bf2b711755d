"""What follows a layer makes of its channels' signs, read off the network's graph."""

from __future__ import annotations

from torch import fx, nn

from aisthesis.ablation.channels import find_layer
from aisthesis.ablation.modes import borrowed
from aisthesis.ablation.ops import operation, words
from aisthesis.ablation.tracing import Trace, trace

__all__ = ["relu_follows", "sign_is_arbitrary"]

#: Hand every channel on as it is, sign and all.
_PASSES_ON = frozenset(words("identity dropout cat flatten reshape view permute transpose to"))
#: Have a weight for each channel, which can turn a sign back.
_TURNS_BACK = frozenset(words("batch_norm conv1d conv2d conv3d linear"))


def sign_is_arbitrary(model: nn.Module, layer: str, traced: Trace | None = None) -> bool | None:
    """Whether a channel's sign could be turned over without changing any prediction.

    A convolution or linear layer whose output goes straight into a normalisation with stored
    statistics, or into another such layer, can have its filter negated if what follows is negated
    too: the network is the same function, but what lies above zero in the layer's output is
    another part of the image. Maps that weight max(activation, 0) then depend on a choice that
    nobody made.

    Parameters
    ----------
    model : Module
        Any network.
    layer : str
        Dotted path of the layer.
    traced : Trace, optional
        The network's graph, cut at the layer, where a plan has it; to trace it anew takes as long
        as a forward pass or more.

    Returns
    -------
    bool or None
        None where the graph does not tell.

    Raises
    ------
    RequestError
        If there is no such layer.
    """
    if not _signed(find_layer(model, layer)):
        return False
    traced = traced or _traced(model, layer)
    return None if traced is None else _all_turn_back(traced, traced.target)


def relu_follows(model: nn.Module, layer: str, traced: Trace | None = None) -> bool:
    """Whether a ReLU alone reads the layer's output, so that what lies below zero goes nowhere.

    False too where the graph does not tell. `traced` is the network's graph, where it is at hand.

    Raises
    ------
    RequestError
        If there is no such layer.
    """
    find_layer(model, layer)
    traced = traced or _traced(model, layer)
    if traced is None or not traced.target.users:
        return False
    return all(_name(traced, user) == "relu" for user in traced.target.users)


def _traced(model: nn.Module, layer: str) -> Trace | None:
    with borrowed(model):
        found = trace(model, find_layer(model, layer))
    return found if isinstance(found, Trace) else None


def _name(traced: Trace, node: fx.Node) -> str:
    called = node.op == "call_module"
    return operation(node, traced.root.get_submodule(str(node.target)) if called else None)


def _signed(module: nn.Module) -> bool:
    """Whether the layer's own weights can be negated: its last operation is linear."""
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)
    return isinstance(module, kinds)


def _all_turn_back(traced: Trace, node: fx.Node) -> bool:
    """Whether everything that reads the node, but for what passes it on, can turn a sign back."""
    if not node.users:
        return False
    for user in node.users:
        name = _name(traced, user)
        if name in _TURNS_BACK:
            continue
        if name not in _PASSES_ON or not _all_turn_back(traced, user):
            return False
    return True
