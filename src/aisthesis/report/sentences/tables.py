"""The report's tables, cell by cell in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from aisthesis.report.folder.selection import headline_scores
from aisthesis.report.words.wording import (
    DASH,
    count,
    number_or_dash,
    p_value,
    percent,
    rating_text,
    span,
)

__all__ = [
    "Value",
    "any_table",
    "network_rows",
    "pair_rows",
    "score_rows",
    "seen_in_words",
    "split_rows",
]

SCORE_NAMES = {
    "srcc": "SRCC", "plcc": "PLCC", "krcc": "KRCC", "rmse": "RMSE", "mae": "MAE", "r2": "R²",
}  # fmt: skip
_IN_RATING_UNITS = ("rmse", "mae")
_P_VALUES = ("p", "p_corrected")
_PAIR_EXTRAS = {
    "same_side_share": "Same side",
    "same_side_mean": "Mean, same side",
    "chance": "Chance level",
    "p": "p",
    "p_corrected": "p, corrected",
    "single_seed": "Single seeds",
    "disattenuated": "Disattenuated",
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """A number in a table with its interval below it."""

    text: str
    interval: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class NetworkRow:
    """One backbone of the networks table."""

    label: str
    network: str
    layer: str
    map_shape: str
    embedding: str
    input_px: str
    seen: str
    parameters: str
    weights: str
    digest: str
    ablation: str
    passes: str
    notes: list[str] = field(default_factory=list)


def _times(shape: Any) -> str:
    return " × ".join(f"{int(n):,}" for n in shape) if shape else "–"


def _whole(value: Any) -> str:
    return f"{int(value):,}" if isinstance(value, int | float) and np.isfinite(value) else "–"


def _ablation(facts: dict[str, Any]) -> tuple[str, str]:
    """Say how channels were removed, and how many forward passes that took an image."""
    plan = facts.get("ablation") or {}
    words, passes = plan.get("plan"), plan.get("forward_passes")
    if words is None:
        return "", "–"
    return str(words), f"{passes:,.4g}" if passes is not None else "–"


def _input(facts: dict[str, Any]) -> str:
    """Say the side of the network's square input, or height and width of another rectangle."""
    crop = (facts.get("transform") or {}).get("crop_px")
    return _times(crop) if isinstance(crop, list) else _whole(facts.get("input_px"))


def seen_in_words(facts: dict[str, Any]) -> str:
    """Say how much of the photographs' area a network saw, and how; a dash where nobody knows."""
    shares = facts.get("seen")
    if not shares:
        return "–"
    low, high = (_share(float(shares[end])) for end in ("min", "max"))
    said = _share(float(shares["mean"]))
    said += "" if low == high else f" ({low} to {high})"
    return f"{said}, {_VIEWS.get(str(facts.get('view')), 'centre')}"


def _share(value: float) -> str:
    """Say a share in percent; what is not all of it is not said to be."""
    return "over 99%" if 0.995 <= value < 1 - 1e-9 else percent(value)


_VIEWS = {"crop": "centre", "squash": "squashed", "pad": "with bars"}
_WEIGHT_KINDS = {
    "official": "official", "file": "from a file", "random": "random, untrained",
    "miniature": "miniature", "given": "as handed over",
}  # fmt: skip


def network_rows(provenance: dict[str, Any], labels: list[str]) -> list[NetworkRow]:
    """Describe every backbone: network, layer, shapes, weights and how channels were removed."""
    rows = []
    for label in labels:
        facts = provenance.get("backbones", {}).get(label, {})
        weights = facts.get("weights") or {}
        kind = str(weights.get("kind", "unknown"))
        source = str(weights.get("source") or "").rsplit("/", 1)[-1]
        named = _WEIGHT_KINDS.get(kind, kind)
        ablation, passes = _ablation(facts)
        notes = ["prediction only, no maps"] if facts.get("predicts_only") else []
        rows.append(
            NetworkRow(
                label=label,
                network=str(facts.get("network") or "–"),
                layer=str(facts.get("layer") or "none"),
                map_shape=_times(facts.get("map_shape")),
                embedding=_whole(facts.get("embedding")),
                input_px=_input(facts),
                seen=seen_in_words(facts),
                parameters=_whole(facts.get("parameters")),
                weights=f"{named}: {source}" if source and source != kind else named,
                digest=str(weights.get("sha256") or "")[:12],
                ablation=ablation,
                passes=passes,
                notes=notes,
            )
        )
    return rows


def split_rows(provenance: dict[str, Any]) -> list[tuple[str, str]]:
    """Say how many images took part in what."""
    splits, explained = provenance.get("splits", {}), provenance.get("explained", {})
    rows = [(name, splits.get(name)) for name in ("train", "validation", "test", "unrated")]
    said = [(name.capitalize(), count(int(n), "image")) for name, n in rows if n is not None]
    if explained.get("n") is not None:
        of = {"all": "all images", "test": "the test images"}.get(
            str(explained.get("which")), str(explained.get("which"))
        )
        said.append(("Explained", f"{count(int(explained['n']), 'image')} ({of})"))
    return said


def score_rows(scores: pd.DataFrame, labels: list[str]) -> list[dict[str, Any]]:
    """Give the averaged prediction's scores per backbone and head, with intervals."""
    heads = dict.fromkeys(scores["head"])
    by_head = {head: headline_scores(scores, head).to_dict("index") for head in heads}
    rows = []
    for label in labels:
        for head in heads:
            found = by_head[head].get(label)
            if found is not None:
                values = [_score(found, name) for name in SCORE_NAMES if name in found]
                n = int(found["n"])
                rows.append({"backbone": label, "head": head, "n": n, "values": values})
    return rows


def _score(row: dict[Any, Any], name: str) -> Value:
    value, low, high = (float(row.get(f"{name}{end}", np.nan)) for end in ("", "_low", "_high"))
    if name in _IN_RATING_UNITS and np.isfinite(value):
        known = np.isfinite([low, high]).all()
        ends = (rating_text(end, value, 2) for end in (low, high))
        return Value(rating_text(value, value, 2), " to ".join(ends) if known else "")
    return Value(number_or_dash(value), span(low, high))


def pair_rows(
    agreement: pd.DataFrame, kind: str, metric: str
) -> tuple[list[str], list[list[Value]]]:
    """List every pair of one kind of map and metric, with all that was computed for it."""
    rows = agreement[(agreement["map"] == kind) & (agreement["metric"] == metric)]
    extras = {
        column: words
        for column, words in _PAIR_EXTRAS.items()
        if column in rows and rows[column].notna().any()
    }
    header = ["Pair", "Mean", "SD", "Median", "Min", "Max", "n", "Undefined"]
    table = []
    for _, row in rows.iterrows():
        cells = [
            Value(f"{row['backbone_a']} – {row['backbone_b']}", numeric=False),
            Value(
                number_or_dash(float(row["mean"]), 3),
                span(float(row.get("low", np.nan)), float(row.get("high", np.nan)), 3),
            ),
        ]
        for column in ("std", "median", "min", "max"):
            cells.append(Value(number_or_dash(float(row.get(column, np.nan)), 3)))
        cells += [Value(_whole(row["n"])), Value(_whole(row.get("n_undefined", np.nan)))]
        cells += [_with_interval(row, column) for column in extras]
        table.append(cells)
    return header + list(extras.values()), table


def _with_interval(row: pd.Series, name: str) -> Value:
    if name in _P_VALUES:
        return _p_cell(float(row[name]))
    low, high = (float(row.get(f"{name}_{end}", np.nan)) for end in ("low", "high"))
    return Value(number_or_dash(float(row[name]), 3), span(low, high, 3))


def _p_cell(p: float) -> Value:
    """Say a p value, which is never zero."""
    return Value(p_value(p).removeprefix("= ") if np.isfinite(p) else DASH)


def any_table(table: pd.DataFrame) -> tuple[list[str], list[list[Value]]]:
    """Show a table of unknown columns; `NAME_low` and `NAME_high` become NAME's interval."""
    names = [str(name) for name in table.columns]
    bounds = {f"{name}_{end}" for name in names for end in ("low", "high")}
    shown = [name for name in names if name not in bounds]
    columns = [_any_values(table, name) for name in shown]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return [name.replace("_", " ") for name in shown], rows


def _any_values(table: pd.DataFrame, name: str) -> list[Value]:
    values = table[name]
    if name in _P_VALUES and is_numeric_dtype(values):
        return [_p_cell(float(p)) for p in values]
    if not is_numeric_dtype(values):
        return [Value("–" if pd.isna(v) else str(v), numeric=False) for v in values]
    if values.dropna().mod(1).eq(0).all():
        return [Value("–" if pd.isna(v) else f"{int(v):,}") for v in values]
    unknown = pd.Series(np.nan, table.index)
    low, high = (table.get(f"{name}_{end}", unknown) for end in ("low", "high"))
    return [
        Value(number_or_dash(float(v), 3), span(float(a), float(b), 3))
        for v, a, b in zip(values, low, high, strict=True)
    ]
