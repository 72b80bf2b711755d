"""Names of the explainers, without importing what they need."""

from __future__ import annotations

from collections.abc import Iterable

from aisthesis.errors import RequestError, nearest, or_list

__all__ = [
    "BASE",
    "BESIDE",
    "BY_CHANNEL",
    "BY_PLACE",
    "EXPLAINERS",
    "SIGNED_BY_ERROR",
    "checked_names",
]

#: Scores of channels, spread over where the channels are active.
BY_CHANNEL = ("ais", "evidence")
#: Scores of the places themselves, all channels removed at once.
BY_PLACE = ("ais_place", "evidence_place")
#: Maps whose sign is that of the head's error: minus it times the evidence, nearly always.
SIGNED_BY_ERROR = ("ais", "ais_place")
#: Always computed: exact ablation gives them at about the price of a forward pass or two.
BASE = (*BY_CHANNEL, *BY_PLACE)
#: What maps by place are compared with on the same images.
BESIDE = {"ais_place": ("ais",), "evidence_place": ("evidence", "grad_cam")}
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
