"""Labels of backbones and names of properties: any text that can name files on every system."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from aisthesis.errors import or_list, quoted

__all__ = ["refuse_labels", "refuse_properties", "slug"]

# File names end at 255 bytes, and a study adds to the label (`fitted-...-seed12.npz`).
_LONGEST_BYTES = 150
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
# The store's own file, and the endings of the study's own files beside a label's folder.
_STUDYS_OWN = (".json", ".partial")
# Control characters, halves of surrogate pairs, ends of lines and paragraphs.
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})


def slug(label: str) -> str:
    """Turn a backbone's label into a name for files and zarr groups: `:` and `/` become `_`."""
    return label.replace(":", "_").replace("/", "_").replace("\\", "_")


def refuse_labels(backbones: Sequence[tuple[str, str]]) -> None:
    """Refuse labels that cannot name files, or of which two would name the same.

    Parameters
    ----------
    backbones : sequence of (name, label)
        A label that is the backbone's name may hold separators, as names of networks do.

    Raises
    ------
    ValueError
        With the labels and the reason.
    """
    for name, label in backbones:
        reason = _why_not(label, is_name=label == name)
        if reason:
            raise ValueError(
                f"the label {quoted(label)} {reason}; its files could not be named after it: give "
                "the backbone another `label`"
            )
    labels = [label for _, label in backbones]
    same = [_same_file(label) for label in labels]
    twice = sorted({x for x, file in zip(labels, same, strict=True) if same.count(file) > 1})
    if len(twice) > 1:
        raise ValueError(
            f"the labels {or_list(twice)} appear more than once as names of files, where case and "
            "`:`, `/` and `_` make no difference; give each its own `label`"
        )
    if twice:
        raise ValueError(
            f"the backbones {or_list(twice)} appear more than once; give each its own `label`"
        )


def refuse_properties(names: Sequence[str]) -> None:
    """Refuse names of properties that cannot name folders, or of which two would name the same.

    Raises
    ------
    ValueError
        With the name and the reason.
    """
    for name in names:
        reason = _why_not(name, is_name=True)
        if "|" in name:
            reason = "holds `|`, which separates names in tables"
        if reason:
            raise ValueError(
                f"the property {quoted(name)} {reason}; its folder could not be named after it: "
                "rename it"
            )
    same = [_same_file(name) for name in names]
    twice = [name for name, file in zip(names, same, strict=True) if same.count(file) > 1]
    if twice:
        raise ValueError(
            f"the properties {or_list(twice)} appear more than once as names of folders, where "
            "case and `:`, `/` and `_` make no difference; rename all but one"
        )


def _same_file(label: str) -> str:
    """What two labels have in common whose files some file system takes for one."""
    return unicodedata.normalize("NFC", slug(unicodedata.normalize("NFC", label)).casefold())


def _why_not(label: str, *, is_name: bool) -> str:
    """Why a label cannot name files (a verb phrase); empty if it can."""
    if not label.strip():
        return "is empty"
    if any(unicodedata.category(sign) in _UNPRINTED for sign in label):
        return "holds a character that is not printed"
    if not is_name and ("/" in label or "\\" in label):
        return "holds a separator of folders (`/` or `\\`)"
    if label != label.strip() or label.startswith(".") or label.endswith("."):
        return "begins or ends with a dot or a space" if label.strip(".") else "is a folder's own"
    if _DEVICE.fullmatch(label):
        return "is the name of a device on Windows"
    if label.casefold().endswith(_STUDYS_OWN):
        return f"ends in {or_list(_STUDYS_OWN)}, as files of the study do"
    if len(label.encode()) > _LONGEST_BYTES:
        return f"is longer than {_LONGEST_BYTES} bytes"
    return ""
