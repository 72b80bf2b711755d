"""What removing places costs, and how it is said in words."""

from __future__ import annotations

from torch import fx

from aisthesis.importance.analysis import Analysis
from aisthesis.importance.cost import CHANGE_COST, ENTRY_COST, and_list, node_name, node_names
from aisthesis.importance.place_grid import PlaceGrid
from aisthesis.importance.place_sums import PlaceSum

__all__ = ["place_passes", "places_in_words", "start_of_words"]


def place_passes(analysis: Analysis, sums: dict[fx.Node, PlaceSum], count: int) -> float:
    """Expected cost for all places in forward passes of the same batch, the first included."""
    flops, entries = analysis.upstream_work
    flops += sum(analysis.flops.values())
    entries += sum(analysis.sizes[node] for node in analysis.affected)
    whole = flops + ENTRY_COST * entries
    extra = 0.0
    for node, affected in analysis.affected.items():
        if node not in analysis.needed:
            continue
        moved = CHANGE_COST * ENTRY_COST * analysis.sizes[node]
        own = analysis.flops[node]
        if affected.channelwise:
            extra += own + moved
        elif node in sums:
            extra += own + moved * count
        else:
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
    analysis: Analysis,
    sums: dict[fx.Node, PlaceSum],
) -> str:
    """Which way is taken, and why."""
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
    first = [node for node in mixing if not set(mixing).intersection(node.all_input_nodes)]
    meetings = [_meeting(node, sums) for node in first]
    rest = [node for node in mixing if node not in first]
    words = f"{start}: {route}; {and_list(list(dict.fromkeys(meetings)))}"
    if rest:
        words += f"; the rest ({node_names(rest)}) works on the differences, batched over places"
    return words + "."


def _meeting(node: fx.Node, sums: dict[fx.Node, PlaceSum]) -> str:
    name = node_name(node)
    if node not in sums:
        return f"{name} mixes the places and runs for each of them"
    if sums[node].kind == "pool":
        return f"each place is one term of the sum in {name}"
    return f"each place is a block of columns of {name}"
