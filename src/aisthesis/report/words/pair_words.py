"""What is known of one pair of networks, in one line for whoever points at its cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.report.words.wording import count, number, p_value, span

__all__ = ["SIGNIFICANT", "Row", "not_above_chance", "of", "pair_line", "self_line"]

SIGNIFICANT = 0.05
#: One row of a table, as `to_dict("records")` gives it.
Row = Mapping[Any, Any]


def of(row: Row, column: str) -> float:
    """Take a number out of a row; NaN where the table lacks it."""
    value = row.get(column)
    return float("nan") if value is None or pd.isna(value) else float(value)


def not_above_chance(row: Row) -> bool:
    """Tell whether a pair's corrected p value is known and does not exclude chance."""
    p = of(row, "p_corrected")
    return bool(np.isfinite(p) and p >= SIGNIFICANT)


def _chance(row: Row) -> str:
    interval = span(of(row, "chance_low"), of(row, "chance_high"))
    said = number(of(row, "chance"))
    return f"{said} (95% of random pairings {interval})" if interval else said


def pair_line(row: Row, view: str) -> str:
    """Say all that was computed for a pair.

    Parameters
    ----------
    row : dict
        The pair's row of `agreement.csv`.
    view : {"raw", "disattenuated"}
        Which of its values is in front.

    Returns
    -------
    str
        Plain text; what the row does not hold is not said.
    """
    name = f"{row['backbone_a']} and {row['backbone_b']}"
    mean, interval = number(of(row, "mean"), 3), span(of(row, "low"), of(row, "high"), 3)
    measured = mean + (f", 95% interval {interval}" if interval else "")
    if view == "disattenuated":
        ends = (of(row, "disattenuated_low"), of(row, "disattenuated_high"))
        corrected = number(of(row, "disattenuated"), 3)
        interval = span(*ends, 3)
        said = [f"{name}: {corrected} freed of seed noise"]
        said[0] += f", 95% interval {interval}" if interval else ""
        said.append(f"as measured {measured}")
        both = [of(row, "reliability_a"), of(row, "reliability_b")]
        if np.isfinite(both).all():
            said.append(f"reliabilities {number(both[0])} and {number(both[1])}")
    else:
        said = [f"{name}: {measured}"]
        if np.isfinite(of(row, "chance")):
            said.append(f"chance {_chance(row)}")
        if np.isfinite(of(row, "p")):
            p = of(row, "p_corrected")
            extra = f", corrected {p_value(p)}" if np.isfinite(p) else ""
            said.append(f"p {p_value(of(row, 'p'))}{extra}")
    if np.isfinite(of(row, "n")):
        said.append(count(int(of(row, "n")), "image"))
    if of(row, "n_undefined") > 0:
        said.append(f"{int(of(row, 'n_undefined')):,} undefined")
    return "; ".join(said)


def self_line(row: Row) -> str:
    """Say how far a backbone agrees with itself across seeds."""
    interval = span(of(row, "low"), of(row, "high"), 3)
    said = f"{row['backbone']} with itself across seeds: {number(of(row, 'mean'), 3)}"
    said += f", 95% interval {interval}" if interval else ""
    if np.isfinite(of(row, "stepped_up")):
        said += f"; the average over seeds (Spearman–Brown) {number(of(row, 'stepped_up'), 3)}"
    return said
