"""What a plan costs, and how it is said in words."""

from __future__ import annotations

from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.expansion import Expansion
from aisthesis.ablation.pairs import pair_chain
from aisthesis.ablation.winograd import WORK, suits

__all__ = [
    "CHANGE_COST",
    "ENTRY_COST",
    "and_list",
    "forward_passes",
    "in_words",
    "node_name",
    "node_names",
]

ENTRY_COST = 20  # reading and writing one entry, in floating-point operations
CHANGE_COST = 3  # a change is read with the intact value beside it
_MOST_NAMES = 8


def forward_passes(analysis: Analysis, ways: dict[fx.Node, Expansion]) -> float:
    """Expected cost for all channels in forward passes of the same batch, the first included."""
    flops, entries = analysis.upstream_work
    flops += sum(analysis.flops.values())
    entries += sum(analysis.sizes[node] for node in analysis.affected)
    whole = flops + ENTRY_COST * entries
    extra = 0.0
    tiled = tiled_operations(analysis, ways)
    for node, affected in analysis.affected.items():
        if node not in analysis.needed:
            continue
        moved = CHANGE_COST * ENTRY_COST * analysis.sizes[node]
        own = analysis.flops[node] * (WORK if node in tiled else 1)
        if affected.channelwise:
            extra += own + moved
        elif node in ways:
            extra += own + moved * analysis.channels
        else:
            extra += (own + moved) * analysis.channels
    return 1 + extra / max(whole, 1)


def in_words(layer: str, analysis: Analysis, ways: dict[fx.Node, Expansion]) -> str:
    """Which way is taken, and why."""
    channels = analysis.channels
    start = f"{layer} ({channels} channels)"
    apart = [n for n, a in analysis.affected.items() if a.channelwise and n in analysis.needed]
    mixing = analysis.mixing
    if analysis.states[analysis.output] is None:
        return f"{start}: the output does not depend on the layer, so nothing changes."
    route = (
        f"the traced graph keeps the channels apart through {node_names(apart)}, so one pass with "
        "all of them removed gives every changed entry"
        if apart
        else "the channels meet directly after the layer"
    )
    if not mixing:
        return f"{start}: {route} of the output itself."
    first = [node for node in mixing if not set(mixing).intersection(node.all_input_nodes)]
    meetings = [_meeting(node, analysis, ways) for node in first]
    rest = [node for node in mixing if node not in first]
    words = f"{start}: {route}; {and_list(list(dict.fromkeys(meetings)))}"
    if rest:
        words += f"; the rest ({node_names(rest)}) works on the differences, batched over channels"
    if tiled_operations(analysis, ways):
        words += (
            "; 3 × 3 convolutions go by Winograd's algorithm, and a channel is left out in images "
            "where it changes nothing"
        )
    return words + "."


def tiled_operations(analysis: Analysis, ways: dict[fx.Node, Expansion]) -> list[fx.Node]:
    """Convolutions of single channels' changes that go by Winograd's algorithm."""
    operations = {node: analysis.affected[node] for node in pair_chain(analysis, ways)[1:]}
    return [
        node
        for node, a in operations.items()
        if suits(a.operation.name, a.operation.module, a.dtype)
    ]


def _meeting(node: fx.Node, analysis: Analysis, ways: dict[fx.Node, Expansion]) -> str:
    name = node_name(node)
    if node not in ways:
        return f"{name} mixes the channels and runs for each of them"
    size = ways[node].entries.shape[1]
    return {
        "column": f"each channel is one column of {name}",
        "block": f"each channel is a block of {size} columns of {name}",
        "plane": f"each channel is one input plane of {name}, whose linearity is used",
    }[ways[node].kind]


def node_name(node: fx.Node) -> str:
    """What a node is called in words."""
    if node.op == "call_module":
        return str(node.target).removeprefix("model.")
    return node.name.rstrip("_0123456789")


def node_names(nodes: list[fx.Node]) -> str:
    """Names in order, the middle of a long list left out."""
    names = [node_name(node) for node in nodes]
    if len(names) > _MOST_NAMES:
        half = _MOST_NAMES // 2
        skipped = len(names) - 2 * half
        names = [*names[:half], f"{skipped} more", *names[-half:]]
    return and_list(names)


def and_list(names: list[str]) -> str:
    """Words with "and" before the last."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
