"""How many places to remove together, from what follows the layer."""

from __future__ import annotations

from typing import Any, Literal

from torch import fx

from aisthesis.ablation.analysis import Analysis
from aisthesis.ablation.ops import argument
from aisthesis.ablation.places.owners import Placed
from aisthesis.errors import RequestError

__all__ = ["Window", "check_window", "choose_window"]

Window = Literal[1, 3, 5, "auto"]
_UNDER_REACH = 5
_REACHING = {
    "max_pool": "a max pool",
    "amax": "a maximum",
    "avg_pool": "an average pool",
    "conv": "a convolution",
}


def check_window(window: Any) -> None:
    """Refuse a window that is no odd number of places.

    Raises
    ------
    RequestError
        If it is neither an odd number above 0 nor `"auto"`.
    """
    odd = isinstance(window, int) and not isinstance(window, bool) and window > 0 and window % 2
    if window != "auto" and not odd:
        raise RequestError(
            f"expected window to be 1, 3, 5 or another odd number of places, or 'auto', got "
            f"{window!r}"
        )


def choose_window(analysis: Analysis | None) -> tuple[int, str]:
    """Side of the square of places to remove together, and why.

    The rule: 5 where the layer's places first meet in an operation that reaches over several of
    them, a pool or a convolution, because there a neighbour stands in for one place removed alone;
    1 where they meet all at once (a global pool, a flattening, attention), or nothing is known.
    Chosen on one planted study and reported on another, docs/measured.md.
    """
    first = None if analysis is None else _first_meeting(analysis)
    if analysis is not None and first is not None:
        operation = analysis.affected[first].operation
        what = _REACHING.get(operation.name.rstrip("123d"))
        kernel = argument(first, operation.module, 1, "kernel_size", 2)
        # a functional convolution has its weight there: one of a single place does not mix
        wide = any(size != 1 for size in kernel) if isinstance(kernel, tuple) else kernel != 1
        if what is not None and wide:
            return _UNDER_REACH, f"{what} follows, where a neighbour stands in for one place"
    return 1, "no pool or convolution meets the places first, so single places are enough"


def _first_meeting(analysis: Analysis) -> fx.Node | None:
    """The operation where places meet first."""
    for node in analysis.mixing:
        if all(
            analysis.states[other] is None or isinstance(analysis.states[other], Placed)
            for other in node.all_input_nodes
        ):
            return node
    return None
