"""Which way each operation after the layer is done, when places are removed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.places.grid import PlaceGrid
from aisthesis.ablation.places.local import Local, local_operations
from aisthesis.ablation.places.meetings import Meeting, meetings
from aisthesis.ablation.places.sums import PlaceSum, place_sums

__all__ = ["PlaceWays", "place_ways"]

_CPU_BYTES = 64_000_000  # larger pieces leave the cache and gain nothing there


@dataclass(frozen=True)
class PlaceWays:
    """Ways for one shape of input.

    Attributes
    ----------
    analysis : Analysis
        Which operations keep places apart.
    sums : dict
        Pools and linear layers that meet the places while they are apart.
    local : dict
        Operations done in windows.
    meetings : dict
        Pools and linear layers that need windows only.
    pasted : list of fx.Node
        Local operations whose whole maps others read.
    tail : list of fx.Node
        Operations to repeat for every place, those that are ready among them, in order.
    """

    analysis: Analysis
    sums: dict[fx.Node, PlaceSum]
    local: dict[fx.Node, Local]
    meetings: dict[fx.Node, Meeting]
    pasted: list[fx.Node]
    tail: list[fx.Node]

    def window_entries(self, node: fx.Node) -> int:
        """Entries of a local operation's windows around one place, for all images."""
        images, channels = self.analysis.shapes[node][:2]
        rows, columns = self.local[node].spans
        return images * channels * rows.length * columns.length

    def windows_at_once(self, memory_bytes: int, device: torch.device) -> int:
        """Places whose windows to carry together."""
        largest = max(
            4 * 8 * max(self.window_entries(n) for n in (node, *self.local[node].sources)
                        if n in self.local)
            for node in self.local
        )  # fmt: skip
        return _fitting(0.4 * memory_bytes, largest, device)

    def places_at_once(self, memory_bytes: int, device: torch.device) -> int:
        """Places to carry together through what follows."""
        room, per_place = 0.4 * memory_bytes, self._tail_bytes()
        read = [m.source for m in self.meetings.values()]
        if read:  # products with blocks of columns gain by many places at once
            per_place += sum(8 * self.window_entries(node) for node in read)
            return int(max(1, min(room // max(per_place, 8), 2**16)))
        return _fitting(2 * room, per_place, device)

    def _tail_bytes(self) -> int:
        """Largest memory that the changes by one place take at a time."""
        alive = [
            3 * self.analysis.bytes_of(node)
            + sum(self.analysis.bytes_of(n) for n in node.all_input_nodes if n in self.tail)
            for node in self.tail
        ]
        kept = sum(self.analysis.bytes_of(node) for node in self.pasted)
        return max([kept + size for size in alive], default=8)


def place_ways(analysis: Analysis, grid: PlaceGrid, window: int) -> PlaceWays:
    """Choose the cheapest way for each operation where places are no longer apart."""
    sums = place_sums(analysis, grid.count)
    local = local_operations(analysis, grid, window)
    meet = meetings(analysis, grid, window, local)
    needed: set[fx.Node] = set()
    waiting = [analysis.output]
    while waiting:
        node = waiting.pop()
        if node in needed or node not in analysis.mixing:
            continue
        needed.add(node)
        if node not in sums and node not in meet and node not in local:
            waiting.extend(node.all_input_nodes)
    tail = [node for node in analysis.mixing if node in needed]
    pasted = [node for node in tail if node in local]
    meet = {node: way for node, way in meet.items() if node in needed}
    sums = {node: way for node, way in sums.items() if node in needed}
    sources = [*pasted, *(way.source for way in meet.values())]
    return PlaceWays(analysis, sums, _needed_for(sources, local), meet, pasted, tail)


def _needed_for(sources: list[fx.Node], local: dict[fx.Node, Local]) -> dict[fx.Node, Local]:
    """Local operations that lead to the given ones, in order."""
    wanted: set[fx.Node] = set()
    waiting = list(sources)
    while waiting:
        node = waiting.pop()
        if node in local and node not in wanted:
            wanted.add(node)
            waiting.extend(local[node].sources)
    return {node: way for node, way in local.items() if node in wanted}


def _fitting(room: float, each: int, device: torch.device) -> int:
    if device.type == "cpu":
        room = min(room, _CPU_BYTES)
    return int(max(1, min(room // max(each, 8), 2**16)))
