"""Short names of networks for a page: what people call them, where labels are long."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import pandas as pd

from aisthesis.report.folder.record import StudyRecord

__all__ = ["short_names", "with_labels", "with_short_names"]

#: From a longer label on, or one with a library's name before it, a study's labels are shortened.
LONGEST = 12
_MINIATURE = "miniature"
_SIZES = {"tiny": "T", "small": "S", "base": "B", "large": "L", "huge": "H", "giant": "G",
          "nano": "N", "xlarge": "XL"}  # fmt: skip
#: Names of architectures as libraries spell them, and how people write them.
_FAMILIES = [
    (r"vgg(\d+)(?:_(bn))?", "VGG{}-{}"),
    (r"resnet(\d+d?)", "ResNet{}"),
    (r"wide_resnet(\d+)_\d", "WideResNet{}"),
    (r"resnext(\d+)_.*", "ResNeXt{}"),
    (r"seresnet(\d+)", "SE-ResNet{}"),
    (r"densenet(\d+)", "DenseNet{}"),
    (r"(?:tf_)?efficientnet_(b\d|lite\d)", "EffNet-{}"),
    (r"(?:tf_)?efficientnet_?v2_(\w+)", "EffNetV2-{}"),
    (r"barlow_twins", "BarlowTwins"),
    (r"inception_v(\d)", "InceptionV{}"),
    (r"squeezenet(\d)_(\d)", "SqueezeNet{}.{}"),
    (r"mobilenet_?v(\d)(?:_(\w+?))?(?:_\d+)?", "MobileNetV{}-{}"),
    (r"convnext(v2)?_(\w+)", "ConvNeXt{}-{}"),
    (r"swin(v2|_v2)?_(t|s|b|tiny|small|base|large)(?:_.*)?", "Swin{}-{}"),
    (r"vit_(\w+?)_patch(\d+)(?:_\w+)?_dinov2", "DINOv2-{}/{}"),
    (r"vit_(\w+?)_patch(\d+)(?:_\w+)?_clip(?:_\w+)?", "CLIP-{}/{}"),
    (r"vit_(\w+?)_(?:patch)?(\d+)(?:_\w+)?", "ViT-{}/{}"),
    (r"regnet_?([xy])_?(\w+)", "RegNet{}-{}"),
    (r"alexnet", "AlexNet"),
    (r"googlenet", "GoogLeNet"),
]


def short_names(labels: Sequence[str]) -> dict[str, str]:
    """Give every label of a study a short name of its own.

    Labels of networks that people know by another name are shortened, all others stay; where
    two would be called alike, these keep their labels. Where all labels are short, so does each.
    """
    if all(len(label) <= LONGEST and ":" not in label for label in labels):
        return {label: label for label in labels}
    short = {label: _short(label) for label in labels}
    called = Counter(short.values())
    return {label: name if called[name] == 1 else label for label, name in short.items()}


def _short(label: str) -> str:
    """What people call a network; the label itself where that is not known."""
    library, _, name = label.rpartition(":")
    name = name.split(".")[0]  # what weights timm has of it
    for pattern, words in _FAMILIES:
        found = re.fullmatch(pattern, name, re.IGNORECASE)
        if found:
            parts = [_said(group or "") for group in found.groups()]
            known = words.format(*parts).replace("--", "-").rstrip("-")
            return f"mini {known}" if library == _MINIATURE else known
    return label


def _said(part: str) -> str:
    """How a part of an architecture's name is written: sizes by their letter."""
    part = part.strip("_")
    upper = len(part) < 3 or part[:1].isdigit()
    return _SIZES.get(part, part.upper() if upper else part.title())


def with_short_names(record: StudyRecord) -> tuple[StudyRecord, dict[str, str]]:
    """Give a record whose networks have their short names, and what differs from the labels.

    Returns
    -------
    StudyRecord
    dict
        Label by short name, of the networks whose name is not their label.
    """
    held = record.provenance.get("backbones", {})
    short = short_names(list(held))
    if all(name == label for label, name in short.items()):
        return record, {}
    backbones = {short[label]: facts for label, facts in held.items()}
    ensemble = record.provenance.get("ensemble") or {}
    if "members" in ensemble:
        ensemble = ensemble | {"members": [short.get(one, one) for one in ensemble["members"]]}
    changed: dict[str, Any] = {
        each.name: _renamed(value, short)
        for each in fields(record)
        if isinstance(value := getattr(record, each.name), pd.DataFrame)
    }
    provenance = record.provenance | {"backbones": backbones}
    return (
        replace(
            record,
            provenance=provenance | ({"ensemble": ensemble} if ensemble else {}),
            maps={short[k]: replace(one, label=short[k]) for k, one in record.maps.items()},
            **changed,
        ),
        {name: label for label, name in short.items() if name != label},
    )


def _renamed(table: pd.DataFrame, short: dict[str, str]) -> pd.DataFrame:
    """Rename networks in the columns that name one, or several separated by `|`."""
    columns = ["backbone", "backbone_a", "backbone_b", "left", "right", "members"]
    if "compared" in table:  # of pairs, or of networks
        columns += ["first", "second"]
    there = [name for name in columns if name in table and len(table)]

    def renamed(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return "|".join(short.get(one, one) for one in value.split("|"))

    def column(name: str) -> pd.Series:
        held = table[name]
        if not isinstance(held.dtype, pd.CategoricalDtype):
            return held.map(renamed)
        named = held.cat.rename_categories(renamed)  # which are in order, as they were
        return named.cat.reorder_categories(sorted(named.cat.categories))

    return table.assign(**{name: column(name) for name in there})


def with_labels(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Give a figure's table the labels that all other tables have.

    Parameters
    ----------
    table : pandas.DataFrame
        With networks, lists of them (`a|b`) and pairs (`a – b`) in any column but ``image``.
    labels : mapping
        Label by short name.
    """
    if not labels:
        return table

    def labelled(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        for mark in ("|", " – "):
            if mark in value:
                return mark.join(labels.get(one, one) for one in value.split(mark))
        return labels.get(value, value)

    texts = [
        name
        for name in table.columns
        if name != "image" and not pd.api.types.is_numeric_dtype(table[name])
    ]
    return table.assign(**{name: table[name].map(labelled) for name in texts})
