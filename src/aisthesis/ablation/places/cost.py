"""What removing places costs, and how it is said in words."""

from __future__ import annotations

from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.cost import CHANGE_COST, ENTRY_COST, and_list, node_name, node_names
from aisthesis.ablation.places.grid import PlaceGrid
from aisthesis.ablation.places.local import mean_share
from aisthesis.ablation.places.ways import PlaceWays
from aisthesis.ablation.winograd import WORK, suits

__all__ = ["place_passes", "places_in_words", "start_of_words"]


def place_passes(ways: PlaceWays, count: int) -> float:
    """Expected cost for all places in forward passes of the same batch, the first included."""
    analysis = ways.analysis
    flops, entries = analysis.upstream_work
    flops += sum(analysis.flops.values())
    entries += sum(analysis.sizes[node] for node in analysis.affected)
    whole = flops + ENTRY_COST * entries
    extra = 0.0
    for node, affected in analysis.affected.items():
        moved = CHANGE_COST * ENTRY_COST * analysis.sizes[node]
        own = analysis.flops[node]
        if affected.channelwise:
            extra += own + moved if node in analysis.needed else 0
        elif node in ways.local:
            work = own * (WORK if _by_tiles(node, analysis) else 1.0)
            extra += (work + moved) * mean_share(ways.local[node], analysis) * count
        elif node in ways.sums:
            extra += own + moved * count
        elif node in ways.meetings:
            source = ways.meetings[node].source
            extra += (own * mean_share(ways.local[source], analysis) + moved) * count
        elif node in ways.tail:
            extra += (own + moved) * count
    return 1 + extra / max(whole, 1)


def start_of_words(layer: str, grid: PlaceGrid, window: int, why: str) -> str:
    """What is removed."""
    tokens = f" after {grid.prefix} that stay" if grid.prefix else ""
    kind = "tokens" if grid.tokens else "places"
    words = f"{layer} ({grid.height} × {grid.width} {kind}{tokens}"
    if window > 1:
        words += f", removed in windows of {window} × {window}"
    return f"{words}{': ' if why else ''}{why})"


def places_in_words(
    layer: str,
    grid: PlaceGrid,
    window: int,
    why: str,
    ways: PlaceWays,
) -> str:
    """Which way is taken, and why."""
    analysis = ways.analysis
    start = start_of_words(layer, grid, window, why)
    if analysis.states[analysis.output] is None:
        return f"{start}: the output does not depend on the layer, so nothing changes."
    apart = [n for n, a in analysis.affected.items() if a.channelwise and n in analysis.needed]
    route = (
        f"the traced graph keeps the places apart through {node_names(apart)}, so one pass with "
        "all of them removed gives every changed entry"
        if apart
        else "the places meet directly after the layer"
    )
    mixing = analysis.mixing
    if not mixing:
        return f"{start}: {route} of the output itself."
    first = [
        node
        for node in mixing
        if node not in ways.local and not set(mixing).intersection(node.all_input_nodes)
    ]
    parts = [_meeting(node, ways) for node in first]
    if ways.local:
        tiled = any(_by_tiles(node, analysis) for node in ways.local)
        by = ", 3 × 3 convolutions by Winograd's algorithm" if tiled else ""
        parts.append(f"{node_names(list(ways.local))} run in windows around each place{by}")
    parts += [_meeting(node, ways) for node in ways.meetings]
    rest = [n for n in ways.tail if n not in (*first, *ways.local, *ways.meetings)]
    words = f"{start}: {route}; {and_list(list(dict.fromkeys(parts)))}"
    if rest:
        words += f"; the rest ({node_names(rest)}) works on the differences, batched over places"
    return words + "."


def _by_tiles(node: fx.Node, analysis: Analysis) -> bool:
    affected = analysis.affected[node]
    return suits(affected.operation.name, affected.operation.module, affected.dtype)


def _meeting(node: fx.Node, ways: PlaceWays) -> str:
    name = node_name(node)
    way = ways.sums.get(node) or ways.meetings.get(node)
    if way is None:
        return f"{name} mixes the places and runs for each of them"
    what = "place" if node in ways.sums else "cell of a window"
    if way.kind == "pool":
        return f"each {what} is one term of the sum in {name}"
    return f"each {what} is a block of columns of {name}"
