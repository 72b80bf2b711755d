"""A page that sets studies side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from aisthesis.report.page import render_page
from aisthesis.report.words.wording import number_or_dash, span

__all__ = ["comparison_page", "shown_table"]


class _Cell(NamedTuple):
    """A cell as the tables of a page take it."""

    text: str
    interval: str = ""
    numeric: bool = False


def shown_table(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a comparison that a reader needs, as text."""
    return pd.DataFrame(
        {
            "map": table["map"],
            "pair": table["pair"],
            "studies": table["study_a"] + " / " + table["study_b"],
            "images": [
                f"{n} same" if same == "same" else "other"
                for n, same in zip(table["n_shared"], table["images"], strict=True)
            ],
            "first": [_estimate(row, "mean_a", "_a") for _, row in table.iterrows()],
            "second": [_estimate(row, "mean_b", "_b") for _, row in table.iterrows()],
            "difference": [_estimate(row, "difference", "") for _, row in table.iterrows()],
            "p corrected": [_p(p) for p in table["p_corrected"]],
            "verdict": table["verdict"],
        }
    )


def comparison_page(table: pd.DataFrame, said: Sequence[str]) -> str:
    """Render a comparison: what it says in words, then its table."""
    shown = shown_table(table)
    numeric = {"first", "second", "difference", "p corrected"}
    rows = [
        [_Cell(str(value), numeric=name in numeric) for name, value in row.items()]
        for row in shown.to_dict("records")
    ]
    content = {"said": list(said), "header": list(shown), "rows": rows}
    styles, scripts = ("base.css", "tables.css"), ("scroll.js",)
    return render_page(content, "comparison.html.j2", styles, scripts)


def _estimate(row: Any, key: str, side: str) -> str:
    interval = span(row[f"low{side}"], row[f"high{side}"])
    value = number_or_dash(row[key])
    return f"{value} [{interval}]" if interval else value


def _p(p: float) -> str:
    if not math.isfinite(p):
        return number_or_dash(p)
    return "< 0.001" if p < 0.001 else number_or_dash(p, 3)
