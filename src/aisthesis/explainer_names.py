"""Names of the explainers, without importing what they need."""

from __future__ import annotations

from collections.abc import Iterable

from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.parts import entry_names, is_own, own_name

__all__ = [
    "BASE",
    "BESIDE",
    "BY_CHANNEL",
    "BY_PLACE",
    "EXPLAINERS",
    "SIGNED_BY_ERROR",
    "called_in_tables",
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

#: What explainers are called, and other stacks of maps that tables name beside them.
RESERVED = (*EXPLAINERS, "activation", "centre", "uniform", "random_weights")


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """Put asked names in the order of `EXPLAINERS`; `all` stands for every one of them.

    Names of the user's own (`package.module:attribute`, or what a package declares under
    `aisthesis.explainers`) follow as they are; nothing of them is loaded.

    Raises
    ------
    RequestError
        For a name that is none of them; the nearest right one is said. Where two would be called
        alike in tables.
    """
    asked = list(dict.fromkeys(names))
    own = [name for name in asked if name not in (*EXPLAINERS, "all") and is_own("explainer", name)]
    for name in asked:
        if name not in (*EXPLAINERS, "all", *own):
            close = nearest(name, [*EXPLAINERS, *entry_names("explainer")], n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {or_list(EXPLAINERS)}"
            raise RequestError(
                f"expected an explainer, got {name!r}; {hint} (or name one of your own as "
                "`package.module:attribute`)"
            )
    called = [*RESERVED, *map(own_name, own)]
    twice = [name for name in own if called.count(own_name(name)) > 1]
    if twice:
        raise RequestError(
            f"the explainer {twice[0]} would be called {own_name(twice[0])!r} in tables, as "
            "another is; give its attribute another name"
        )
    known = EXPLAINERS if "all" in asked else tuple(
        name for name in EXPLAINERS if name in asked or name in BASE
    )  # fmt: skip
    return (*known, *own)


def called_in_tables(names: Iterable[str]) -> tuple[str, ...]:
    """What asked explainers are called in tables and in the store of maps."""
    return tuple(own_name(name) for name in names)
