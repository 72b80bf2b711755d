"""Estimates that the report makes itself, out of the study's tables, for its sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from aisthesis.report.words.wording import as_number, ceiling_interval

__all__ = ["Estimate", "ceiling_estimates", "estimates_table"]

#: What is estimated.
RELIABILITY = "reliability of the mean ratings"


class Estimate(NamedTuple):
    """One number with its interval.

    Attributes
    ----------
    about : str
        Which sentence it belongs to.
    map, metric : str
        Kind of map and metric; empty where it is not about maps.
    name : str
        What is estimated.
    value, low, high : float
        NaN where undefined.
    level : float
        Share of studies in which the interval shall cover the true value.
    n : int
        Images.
    """

    about: str
    map: str
    metric: str
    name: str
    value: float
    low: float
    high: float
    level: float
    n: int

    @property
    def known(self) -> bool:
        """Whether it has an interval."""
        return bool(np.isfinite([self.low, self.high]).all())

    @property
    def shown(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def ceiling_estimates(provenance: dict[str, Any]) -> list[Estimate]:
    """The reliability of the ratings, as `provenance.json` holds it."""
    ratings = provenance.get("ratings") or {}
    ceiling = ratings.get("noise_ceiling") or {}
    value = as_number(ceiling.get("reliability"))
    if not np.isfinite(value):
        return []
    n = int(ceiling.get("n_images") or ratings.get("n_images") or 0)
    ends = ceiling_interval(ceiling)
    return [Estimate(RELIABILITY, "", "", "R", value, *ends, 0.95, n)]


def estimates_table(found: Sequence[Estimate]) -> pd.DataFrame:
    """Put estimates into the table `figures/report_estimates.csv`."""
    return pd.DataFrame(found, columns=list(Estimate._fields))
