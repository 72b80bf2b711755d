"""Tables as no study should have them: ties, NaN, a handful of images, one sign, no intervals."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

NETWORKS = ("alpha", "beta", "gamma", "delta")
MODES = ("plain", "tied", "equal", "negative", "holes", "bare", "small")


def generators(n: int, seed: int = 0):
    """Give (mode, generator, number of networks): every mode with one network and with more."""
    for k in range(n):
        rng = np.random.default_rng((seed, k))
        yield MODES[k % len(MODES)], rng, int(rng.integers(1, 5))


def values(rng, n: int, mode: str, low: float = -1.0, high: float = 1.0) -> np.ndarray:
    """(n,) values: tied ones have two values only, some differ in the fourth digit."""
    found = rng.uniform(low, high, n)
    if mode == "tied":
        found = rng.choice([0.3 * high, 0.7 * high], n) + rng.choice([0, 1e-4], n)
    if mode == "equal":
        found = np.full(n, found[0] if n else 0.0)
    if mode == "negative":
        found = -np.abs(found)
    if mode == "holes":
        found[rng.random(n) < 0.4] = np.nan
    return found


def ends(rng, means: np.ndarray, mode: str, width: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Interval ends around means; none in the mode `bare`, some missing in `holes`."""
    low = means - rng.uniform(0.01, width, len(means))
    high = means + rng.uniform(0.01, width, len(means))
    if mode == "bare":
        low = high = np.full(len(means), np.nan)
    if mode == "holes":
        gone = rng.random(len(means)) < 0.4
        low, high = np.where(gone, np.nan, low), np.where(gone, np.nan, high)
    return low, high


def images(rng, mode: str) -> int:
    """How many images: 1 to 5 in the mode `small`."""
    return int(rng.integers(1, 6)) if mode == "small" else int(rng.integers(10, 60))


def scores(rng, mode: str, n_networks: int) -> pd.DataFrame:
    """`scores.csv` of the averaged predictions, both heads."""
    n, tables = images(rng, mode), []
    for head in ("mlp", "ridge"):
        table = pd.DataFrame(
            {"backbone": NETWORKS[:n_networks], "head": head, "seed": "mean", "split": "test"}
        ).assign(n=n)
        for name in ("srcc", "plcc"):
            table[name] = values(rng, n_networks, mode)
            table[f"{name}_low"], table[f"{name}_high"] = ends(rng, table[name].to_numpy(), mode)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def pairs(n_networks: int) -> list[tuple[str, str]]:
    return list(itertools.combinations(NETWORKS[:n_networks], 2))


def agreement_images(rng, mode: str, n_networks: int, metrics=("cosine",)) -> pd.DataFrame:
    """`agreement_images.csv` of AIS and evidence maps."""
    n = images(rng, mode)
    parts = [
        pd.DataFrame({"image": [f"i{k}" for k in range(n)], "map": kind, "metric": metric,
                      "backbone_a": a, "backbone_b": b, "value": values(rng, n, mode)})
        for kind in ("ais", "evidence") for metric in metrics for a, b in pairs(n_networks)
    ]  # fmt: skip
    columns = ["image", "map", "metric", "backbone_a", "backbone_b", "value"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def with_places(rng, per_image: pd.DataFrame) -> pd.DataFrame:
    """Add maps by place, whose values are those of the channels in another order."""
    values = rng.permutation(np.array(per_image["value"], dtype=float))
    return pd.concat(
        [per_image, per_image.assign(map=per_image["map"] + "_place", value=values)],
        ignore_index=True,
    )


def agreement(rng, mode: str, per_image: pd.DataFrame) -> pd.DataFrame:
    """`agreement.csv` with its columns of inference, consistent with the images' values."""
    keys = ["map", "metric", "backbone_a", "backbone_b"]
    grouped = per_image.groupby(keys, sort=False)["value"]
    table = grouped.agg(mean="mean", n="count").reset_index()
    table["n_undefined"] = (grouped.size() - grouped.count()).to_numpy()
    means = table["mean"].to_numpy(dtype=float)
    table["low"], table["high"] = ends(rng, means, mode)
    table["chance"] = values(rng, len(table), mode)
    table["chance_low"], table["chance_high"] = ends(rng, table["chance"].to_numpy(), mode)
    table["p"] = values(rng, len(table), "plain", 0.0, 0.2)
    table["p_corrected"] = rng.choice([0.0001, 0.0499, 0.05, 0.2, np.nan], len(table))
    table["disattenuated"] = values(rng, len(table), mode, -0.2, 1.4)
    low, high = ends(rng, table["disattenuated"].to_numpy(), mode, 0.6)
    table["disattenuated_low"], table["disattenuated_high"] = low, high
    table["reliability_a"] = table["reliability_b"] = values(rng, len(table), mode)
    return table


def differences(rng, table: pd.DataFrame) -> pd.DataFrame:
    """`agreement_differences.csv` of a table of pairs: most are clear, some were not tested."""
    rows = [
        {"map": kind, "metric": metric, "compared": "pairs", "first": "|".join(a),
         "second": "|".join(b), "p_corrected": rng.choice([0.0005, 0.001, 0.02, 0.05, 0.3, np.nan])}
        for (kind, metric), own in table.groupby(["map", "metric"], sort=False)
        for a, b in itertools.combinations(
            own[["backbone_a", "backbone_b"]].itertuples(index=False, name=None), 2
        )
    ]  # fmt: skip
    names = ["map", "metric", "compared", "first", "second", "p_corrected"]
    return pd.DataFrame(rows, columns=names)


def prediction_differences(rng, n_networks: int) -> pd.DataFrame:
    """`prediction_differences.csv`: most are clear, some were not tested, some tables are empty."""
    labels = NETWORKS[:n_networks]
    keys = [("networks", *pair) for pair in itertools.combinations(labels, 2)]
    keys += [("heads", label, label) for label in labels]
    p = rng.choice([0.001, 0.02, 0.02, 0.05, 0.3, np.nan], (2, len(keys)))
    names = ["score", "compared", "backbone_a", "backbone_b", "p_corrected"]
    rows = [
        (score, *key, value)
        for score, own in zip(("plcc", "srcc"), p, strict=True)
        for key, value in zip(keys, own, strict=True)
    ]
    return pd.DataFrame(rows if rng.random() < 0.85 else [], columns=names)
