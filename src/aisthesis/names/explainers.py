"""Names of the explainers, without importing what they need."""

from __future__ import annotations

from collections.abc import Iterable

from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.names.explainer_table import EXPLAINER_TABLE
from aisthesis.parts import entry_names, is_own, own_name

__all__ = [
    "BASE",
    "BESIDE",
    "BY_CHANNEL",
    "BY_PLACE",
    "CONTROLS",
    "EXPLAINERS",
    "FORMER",
    "SIGNED_BY_ERROR",
    "UNSIGNED",
    "called_in_tables",
    "checked_names",
]

_TABLE = EXPLAINER_TABLE.values()
#: Scores of channels, spread over where the channels are active.
BY_CHANNEL = tuple(one.name for one in _TABLE if one.by == "channel")
#: Scores of the places themselves, all channels removed at once.
BY_PLACE = tuple(one.name for one in _TABLE if one.by == "place")
#: Maps whose sign is that of the head's error: minus it times the evidence, nearly always.
SIGNED_BY_ERROR = ("ais", "ais_place")
#: Always computed: exact ablation gives them at about the price of a forward pass or two.
BASE = (*BY_CHANNEL, *BY_PLACE)
#: What maps are compared with on the same images, beside the controls.
BESIDE = {one.name: one.beside for one in _TABLE if one.beside}
#: Names of all explainers.
EXPLAINERS = tuple(EXPLAINER_TABLE)
#: Explainers that know nothing of the network: not compared between backbones.
CONTROLS = tuple(one.name for one in _TABLE if one.control)
#: What has no sign of its own, among explainers and the other stacks that tables name.
UNSIGNED = (*(one.name for one in _TABLE if not one.signed), "uniform", "activation")
#: Names that study files and folders of before 0.2 have, and what they are called now.
FORMER = {"centre_prior": "centre"}
#: What explainers are called, and other stacks of maps that tables name beside them.
RESERVED = (*EXPLAINERS, *FORMER, "activation", "uniform", "random_weights")


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
    asked = list(dict.fromkeys(FORMER.get(name, name) for name in names))
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
