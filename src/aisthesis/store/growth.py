"""What another run of a study adds to what its folder holds, and what it would lose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from aisthesis.store.project import same_place, weights_aside

__all__ = ["NOT_THE_STUDY", "Change", "change_of"]

#: What may differ between two runs of one study: how it is computed, not what; or what each table
#: is computed anew for by itself.
NOT_THE_STUDY = frozenset(
    {
        *("device", "batch_size", "weights_dir", "out", "metrics", "masks", "human_maps"),
        *(
            "bootstrap",
            "inference_images",
            "explainers",
            "explaining",
            "faithfulness",
            "title",
            "engine",
        ),
        *("workers", "threads", "dask", "on_error", "keep_activations"),
    }
)
_FILES = ("images", "ratings", "judgments", "image_list", "split")
#: Values of a key from which, and to which, a study only grows.
_WIDER = {"explain": "all", "unrated": "explain", "ensemble": True}


@dataclass(frozen=True)
class Change:
    """How the settings of a run differ from those that a folder holds.

    Attributes
    ----------
    added : tuple of str
        What there will be more of, in words; all else stays.
    lost : tuple of str
        What would be removed or computed anew, in words.
    keys : tuple of str
        The keys of what is lost.
    dropped : tuple of str
        Labels of backbones that are left out.
    dropped_seeds : tuple of int
        Of heads that are left out.
    """

    added: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    dropped_seeds: tuple[int, ...] = ()


def change_of(held: Mapping[str, Any], asked: Mapping[str, Any], grows: Collection[str]) -> Change:
    """Compare the settings that a folder holds with those of a run.

    Parameters
    ----------
    held, asked : mapping
        All keys of both, as JSON values with absolute paths.
    grows : collection of str
        Keys by which studies of this kind grow; any other difference loses something.
    """
    change = Change()
    for key in asked:
        if key not in NOT_THE_STUDY and not _alike(key, held.get(key), asked[key]):
            compare = _GROWING.get(key) if key in grows else None
            one = (compare or _plain)(key, held, asked)
            change = Change(
                change.added + one.added,
                change.lost + one.lost,
                change.keys + ((key,) if one.lost else ()),
                change.dropped + one.dropped,
                change.dropped_seeds + one.dropped_seeds,
            )
    return change


def _alike(key: str, held: Any, asked: Any) -> bool:
    """Whether a key of two studies says the same, wherever their files have been moved to."""
    if key in _FILES:
        return same_place(held, asked)
    if key == "backbones":
        (what, files), (asked_for, given) = weights_aside(held), weights_aside(asked)
        return bool(what == asked_for) and same_place(files, given)
    return bool(held == asked)


def _plain(key: str, held: Mapping[str, Any], asked: Mapping[str, Any]) -> Change:
    values = (_short(held.get(key)), _short(asked[key]))
    said = f" ({values[0]} before, {values[1]} now)" if all(values) else ""
    return Change(lost=(f"what depends on `{key}`{said} is computed anew",))


def _short(value: Any) -> str:
    """A value in words, where it is short enough for a message."""
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 and not isinstance(value, dict | list) else ""


def _wider(key: str, held: Mapping[str, Any], asked: Mapping[str, Any]) -> Change:
    if asked[key] == _WIDER[key]:
        return Change(added=(f"`{key}` = {asked[key]}",))
    if held.get(key) == _WIDER[key]:
        return Change(lost=(f"what `{key}` = {held[key]} has added is removed",))
    return Change()


def _seeds(key: str, held: Mapping[str, Any], asked: Mapping[str, Any]) -> Change:
    before, now, first = int(held.get(key) or 0), int(asked[key]), int(asked.get("seed") or 0)
    if now > before:
        more = now - before
        return Change(added=(f"{more} more seed{'s' if more > 1 else ''} of every network",))
    gone = tuple(range(first + now, first + before))
    named = f"seed {gone[0]}" if len(gone) == 1 else f"seeds {gone[0]} to {gone[-1]}"
    return Change(lost=(f"heads and maps of {named} are removed",), dropped_seeds=gone)


def _backbones(key: str, held: Mapping[str, Any], asked: Mapping[str, Any]) -> Change:
    before = {one["label"]: one for one in held.get(key) or ()}
    now = {one["label"]: one for one in asked[key]}
    new = [label for label in now if label not in before]
    gone = tuple(label for label in before if label not in now)
    lost = [f"heads and maps of {label} are removed" for label in gone]
    for label in now:
        if label in before and not _alike("backbones", [before[label]], [now[label]]):
            names = [n for n in now[label] if now[label].get(n) != before[label].get(n)]
            shown = ", ".join(f"`{name}`" for name in names)
            made = "maps are" if names == ["layer"] else "heads and maps are"
            lost.append(f"{label} differs in {shown}: its {made} computed anew")
    return Change(tuple(new), tuple(lost), dropped=gone)


_GROWING: dict[str, Callable[[str, Mapping[str, Any], Mapping[str, Any]], Change]] = {
    "backbones": _backbones,
    "seeds": _seeds,
    **dict.fromkeys(_WIDER, _wider),
}
