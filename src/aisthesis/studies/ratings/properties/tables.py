"""How properties of the same images go together in ratings, predictions and maps: the tables."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.agreement.differences import DIFFERENCE_COLUMNS
from aisthesis.config import NETWORK, PEOPLE, StudyConfig
from aisthesis.heads import evaluate
from aisthesis.stats.differences import mean_differences

__all__ = [
    "AGREEMENT",
    "CORRELATIONS",
    "OTHER_NETWORK",
    "OTHER_PROPERTY",
    "correlations",
    "differences",
]

#: What is compared with what, over networks and properties.
OTHER_PROPERTY = "same network, other property"
OTHER_NETWORK = "same property, other network"

AGREEMENT = (
    "backbone", "map", "metric", "property_a", "property_b", "mean", "std", "median", "min",
    "max", "n", "n_undefined", "low", "high", "same_side_share", "same_side_n",
    "same_side_mean", "same_side_low", "same_side_high", "chance", "chance_low", "chance_high",
    "p", "p_corrected", "chance_n", "chance_observed", "chance_strata", "reliability_a",
    "reliability_b", "single_seed", "disattenuated", "disattenuated_low", "disattenuated_high",
    "activation_a", "activation_b",
)  # fmt: skip
CORRELATIONS = (
    "of", "backbone", "images", "property_a", "property_b", "n", "pearson", "pearson_low",
    "pearson_high", "spearman", "spearman_low", "spearman_high", "ceiling", "disattenuated",
)  # fmt: skip
_NAMES = {"pearson": "plcc", "spearman": "srcc"}
_GROUP = ["map", "metric"]
_COLUMNS = (*_GROUP, "compared", "of", "first", "second", *DIFFERENCE_COLUMNS)


def correlations(
    predictions: Mapping[str, pd.DataFrame],
    ratings: Mapping[str, Mapping[str, Any]],
    config: StudyConfig,
) -> pd.DataFrame:
    """Correlate two properties over the images that were rated for both.

    Parameters
    ----------
    predictions
        `predictions.csv` by property.
    ratings
        What the record says of each property's ratings.

    Returns
    -------
    DataFrame
        ``of`` human ratings, over all images and over test images, and of every network's
        predictions of test images (means over seeds), with 95 % intervals. ``ceiling`` is the
        largest correlation that the raters' noise leaves, the root of both reliabilities' product,
        and ``disattenuated`` the correlation divided by it; NaN where a reliability is not known.
    """
    rows = []
    for a, b in combinations(predictions, 2):
        first, second = _rated(predictions[a]), _rated(predictions[b])
        both = first.index.intersection(second.index)
        test = both[(first.loc[both, "split"] == "test").to_numpy()]
        ceiling = _ceiling(ratings[a], ratings[b])
        for images, index in (("all", both), ("test", test)):
            x, y = first.loc[index, "rating"], second.loc[index, "rating"]
            rows.append(
                {"of": PEOPLE, "backbone": "", "images": images, "property_a": a, "property_b": b}
                | _correlated(x, y, config, ceiling)
            )
        for label in dict.fromkeys(predictions[a]["backbone"]):
            x, y = (_mean(predictions[name], label).reindex(test) for name in (a, b))
            rows.append(
                {"of": NETWORK, "backbone": label, "images": "test", "property_a": a,
                 "property_b": b} | _correlated(x, y, config, np.nan)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=list(CORRELATIONS))


def _rated(table: pd.DataFrame) -> pd.DataFrame:
    """Rating and split, by the first seed, of every image that has a rating."""
    first = table[table["backbone"] == table["backbone"].iloc[0]].drop_duplicates("image")
    return first.set_index("image")[["rating", "split"]].dropna(subset=["rating"])


def _mean(table: pd.DataFrame, label: str) -> pd.Series:
    rows = table[(table["backbone"] == label) & (table["seed"] == "mean")]
    return rows.set_index("image")["prediction"]


def _ceiling(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """The root of the product of both reliabilities; NaN where one is not known."""
    held = [(one.get("noise_ceiling") or {}).get("reliability") or 0 for one in (first, second)]
    return float(np.sqrt(held[0] * held[1])) if min(held) > 0 else float("nan")


def _correlated(x: pd.Series, y: pd.Series, config: StudyConfig, ceiling: float) -> dict[str, Any]:
    options = {"n_boot": config.bootstrap, "seed": config.seed}
    found = evaluate(x.to_numpy(float), y.to_numpy(float), **options)
    row: dict[str, Any] = {"n": int(found["n"])}
    for name, short in _NAMES.items():
        row |= {f"{name}{end}": found[f"{short}{end}"] for end in ("", "_low", "_high")}
    return row | {"ceiling": ceiling, "disattenuated": row["pearson"] / ceiling}


def differences(
    images: pd.DataFrame, between: Mapping[str, pd.DataFrame], config: StudyConfig
) -> pd.DataFrame:
    """Compare agreements of maps, paired over images.

    Parameters
    ----------
    images
        `properties_images.csv`.
    between
        `agreement_images.csv` by property.

    Returns
    -------
    DataFrame
        ``map, metric``; ``compared``: ``networks`` (the agreement of two properties ``of`` one
        network with that of another), ``pairs`` (that of two pairs of properties ``of`` one
        network) or ``property or network`` (maps of one network for two properties, with maps of
        two networks for one property; means over all such pairs); ``first, second, difference``
        (first less second) and as in `agreement_differences`.
    """
    tables = [pd.DataFrame(columns=list(_COLUMNS))]
    named = images.assign(pair=images["property_a"] + "|" + images["property_b"])
    for _, rows in named.groupby(_GROUP, sort=False):
        kind, metric = str(rows["map"].iloc[0]), str(rows["metric"].iloc[0])
        for compared, of, over in (("networks", "pair", "backbone"), ("pairs", "backbone", "pair")):
            for which, own in rows.groupby(of, sort=False):
                wide = own.pivot(index="image", columns=over, values="value")
                found = _every_two(wide[list(dict.fromkeys(own[over]))], config)
                tables.append(
                    found.assign(compared=compared, of=str(which), map=kind, metric=metric)
                )
        other = [
            table[(table["map"] == kind) & (table["metric"] == metric)]
            for table in between.values()
        ]
        found = _property_or_network(rows, pd.concat(other), config)
        tables.append(found.assign(compared="property or network", of="", map=kind, metric=metric))
    kept = [one for one in tables if len(one)] or tables[:1]
    return pd.concat(kept, ignore_index=True)[list(_COLUMNS)]


def _every_two(wide: pd.DataFrame, config: StudyConfig) -> pd.DataFrame:
    """Differences of every two columns (images, K), corrected over all of them."""
    two = list(combinations(wide.columns, 2))
    if not two:
        return pd.DataFrame()
    values: NDArray[np.float64] = np.stack(
        [wide[a].to_numpy(float) - wide[b].to_numpy(float) for a, b in two], axis=1
    )
    found = mean_differences(values, config.seed, config.bootstrap)
    names = {"first": [a for a, _ in two], "second": [b for _, b in two]}
    return pd.DataFrame(names | found._asdict())


def _property_or_network(
    within: pd.DataFrame, between: pd.DataFrame, config: StudyConfig
) -> pd.DataFrame:
    """Same network and other property less same property and other network, image by image."""
    if within.empty or between.empty:
        return pd.DataFrame()
    means = []
    for table in (within, between):
        # All of an image's values, or none: a mean over fewer pairs is of other pairs.
        means.append(
            table.groupby("image", sort=False)["value"].agg(lambda v: v.mean(skipna=False))
        )
    both = pd.concat(means, axis=1, keys=[OTHER_PROPERTY, OTHER_NETWORK], join="inner")
    return _every_two(both, config)
