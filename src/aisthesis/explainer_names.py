"""Names of the explainers, without importing what they need."""

from __future__ import annotations

from collections.abc import Iterable

from aisthesis.errors import RequestError, nearest, or_list

__all__ = ["BASE", "EXPLAINERS", "checked_names"]

#: Always computed: exact channel ablation gives both at once.
BASE = ("ais", "evidence")
EXPLAINERS = (
    *BASE,
    "grad_cam",
    "integrated_gradients",
    "gradient_x_input",
    "lime",
    "occlusion",
    "multiscale",
    "random",
    "centre_prior",
)


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """Put asked names in the order of `EXPLAINERS`; `all` stands for every one of them.

    Raises
    ------
    RequestError
        For a name that is none of them; the nearest right one is said.
    """
    asked = list(names)
    for name in asked:
        if name not in (*EXPLAINERS, "all"):
            close = nearest(name, EXPLAINERS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {or_list(EXPLAINERS)}"
            raise RequestError(f"expected an explainer, got {name!r}; {hint}")
    if "all" in asked:
        return EXPLAINERS
    return tuple(name for name in EXPLAINERS if name in asked or name in BASE)
