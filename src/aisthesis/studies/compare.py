"""Studies side by side: which agreements between networks hold, and which differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any
from warnings import catch_warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit
from scipy.stats import ttest_ind

from aisthesis.config import PROPERTIES, StudyConfig
from aisthesis.errors import RequestError
from aisthesis.images import ImageFolder
from aisthesis.stats.bootstrap import column_means
from aisthesis.stats.differences import mean_differences
from aisthesis.stats.permutation import holm
from aisthesis.store.folder import StudyFolder
from aisthesis.store.ledger import file_digest
from aisthesis.store.tables import read_csv

__all__ = ["ALL_PAIRS", "COMPARISON_COLUMNS", "compare", "in_words"]

#: The mean over all pairs of a study, whatever networks they are of.
ALL_PAIRS = "all pairs"
COMPARISON_COLUMNS = (
    "map", "metric", "pair", "study_a", "study_b", "images", "n_shared", "networks",
    "mean_a", "low_a", "high_a", "n_a", "above_chance_a",
    "mean_b", "low_b", "high_b", "n_b", "above_chance_b",
    "difference", "low", "high", "p_corrected", "verdict",
)  # fmt: skip
_SIGNIFICANT = 0.05
_LEVEL = 0.95
_FEWEST = 5  # images of which a difference is tested


@dataclass(frozen=True)
class _Held:
    """One study's tables, by the name that the comparison gives it."""

    name: str
    folder: StudyFolder

    @cached_property
    def config(self) -> StudyConfig:
        held = self.folder.config()
        if not isinstance(held, StudyConfig):  # pragma: no cover - `config` refuses it
            raise RequestError(f"expected a study of ratings in {self.folder.root}")
        if held.properties:
            raise RequestError(
                f"{self.folder.root} holds a study of several properties; compare that of one, in "
                f"{self.folder.root / PROPERTIES}"
            )
        return held

    @cached_property
    def values(self) -> pd.DataFrame:
        """Agreement of each image, pairs under names that do not depend on the order."""
        _ = self.config  # refuses what has no such table
        path = self.folder.agreement_images
        if not path.is_file():
            raise RequestError(f"{path} is not there yet; run `aisthesis agree` first")
        table = read_csv(path)
        return table.assign(pair=_pairs(table)).drop(columns=["backbone_a", "backbone_b"])

    @cached_property
    def summary(self) -> pd.DataFrame:
        table = read_csv(self.folder.agreement)
        return table.assign(pair=_pairs(table)).set_index(["map", "metric", "pair"])

    def digests(self, names: Sequence[str]) -> dict[str, str | None]:
        """SHA-256 of photographs; None where one is not there any more."""
        if not self.config.images.is_dir():
            return dict.fromkeys(names)
        folder = ImageFolder(self.config.images)
        return {n: file_digest(folder.root / n) if n in folder else None for n in names}

    def network(self, label: str) -> tuple[Any, Any]:
        record = self.folder.backbone_record(label)
        return record.get("fingerprint"), record.get("layer")


def _pairs(table: pd.DataFrame) -> list[str]:
    both = zip(table["backbone_a"], table["backbone_b"], strict=True)
    return ["|".join(sorted(pair)) for pair in both]


def compare(
    *studies: Any, metric: str = "cosine", maps: Sequence[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Set studies of ratings side by side: the same images with other networks or raters, others.

    For every pair of networks that two studies share, and for the mean over all pairs of each
    study (``all pairs``), agreement is compared: image by image where the photographs are the
    same to the byte, otherwise as the means of two independent samples (Welch).

    Parameters
    ----------
    studies : Study or path
        Two or more, whose stage `agree` is done.
    metric : str
        Out of those that all of them have.
    maps : sequence of str, optional
        Kinds of maps, e.g. ``["evidence"]``; by default all that the studies share.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row for each kind of map, pair of networks and two studies. ``images`` is ``same`` (then
        ``n_shared`` photographs are compared one by one) or ``other``. ``networks`` says whether
        both studies' networks of these names are the same to the byte and in the layer.
        ``above_chance_a, above_chance_b`` say whether the corrected p of `agreement.csv` is below
        .05 (empty where it is not known); ``difference`` is b less a, with ``low, high`` and
        ``p_corrected`` over the pairs of networks of this kind of map and these two studies.
        ``verdict``: ``holds`` (above chance in both), ``in the first alone``, ``in the second
        alone``, ``in neither`` or ``unknown``. One that is in one study alone need not differ:
        that is what ``difference`` is for.

    Raises
    ------
    RequestError
        If fewer than two studies are given, one has no agreement, or none shares the metric.

    Examples
    --------
    With two study folders, `study` and `other`:

    >>> import aisthesis as ais
    >>> found = ais.compare("study", "other", maps=["evidence"])
    >>> found[["pair", "n_shared", "difference"]]  # "other" is a copy here
                               pair  n_shared  difference
    0  miniature:vgg16|miniature:vgg19         3         0.0
    1                        all pairs         3         0.0
    """
    if len(studies) < 2:
        raise RequestError(f"expected two or more studies to compare, got {len(studies)}")
    held = _held(studies)
    kinds = _shared_kinds(held, metric, maps)
    tables = [
        _compared(a, b, kind, metric, seed) for a, b in combinations(held, 2) for kind in kinds
    ]
    rows = [row for table in tables for row in table]
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def _held(studies: Sequence[Any]) -> list[_Held]:
    folders = [
        one.folder if hasattr(one, "folder") else StudyFolder(Path(one).absolute())
        for one in studies
    ]
    roots = [folder.root.resolve() for folder in folders]
    twice = [root for root in roots if roots.count(root) > 1]
    if twice:
        raise RequestError(f"expected different studies, but {twice[0]} is given twice")
    depth = 1
    while len({tuple(root.parts[-depth:]) for root in roots}) < len(roots):
        depth += 1
    return [
        _Held("/".join(root.parts[-depth:]), folder)
        for root, folder in zip(roots, folders, strict=True)
    ]


def _shared_kinds(held: list[_Held], metric: str, asked: Sequence[str] | None) -> list[str]:
    tables = [one.values for one in held]
    each = [list(dict.fromkeys(table[table["metric"] == metric]["map"])) for table in tables]
    shared = [kind for kind in each[0] if all(kind in kinds for kinds in each)]
    without = [one.name for one, kinds in zip(held, each, strict=True) if not kinds]
    if without:
        raise RequestError(
            f"{', '.join(without)} holds no agreement by {metric} of two networks or more; name "
            "another --metric, or add it to `metrics` and run the study again"
        )
    lacking = [kind for kind in asked or () if kind not in shared]
    if lacking:
        raise RequestError(
            f"expected maps that all studies have ({', '.join(shared)}), got {lacking[0]!r}"
        )
    return list(asked) if asked else shared


def _compared(a: _Held, b: _Held, kind: str, metric: str, seed: int) -> list[dict[str, Any]]:
    """Rows of two studies and one kind of map."""
    tables = [_by_image(one, kind, metric) for one in (a, b)]
    shared = _same_photographs(
        a, b, [str(n) for n in tables[0].index.intersection(tables[1].index)]
    )
    pairs = [str(pair) for pair in tables[0] if pair in tables[1]]
    names = [pair for pair in pairs if pair != ALL_PAIRS] + [ALL_PAIRS]
    first, second = (table[names] for table in tables)
    paired = len(shared) >= _FEWEST
    if paired:
        both = (second.loc[shared] - first.loc[shared]).to_numpy()
        n_tested = len(names) - 1 or 1
        of_pairs = mean_differences(both[:, :n_tested], seed)
        of_all = mean_differences(both[:, -1:], seed)
        found: list[Any] = [
            [*getattr(of_pairs, key)[: len(names) - 1], *getattr(of_all, key)]
            for key in ("difference", "low", "high", "p_corrected")
        ]
    else:
        found = _independent(first.to_numpy(), second.to_numpy())
    rows = []
    for number, name in enumerate(names):
        row: dict[str, Any] = {
            "map": kind, "metric": metric, "pair": name, "study_a": a.name, "study_b": b.name,
            "images": "same" if paired else "other", "n_shared": len(shared),
            "networks": _same_networks(a, b, name),
        }  # fmt: skip
        for side, one, table in (("a", a, first), ("b", b, second)):
            row |= {
                f"{key}_{side}": value
                for key, value in _side(one, table, (kind, metric, name)).items()
            }
        row |= {
            key: float(values[number])
            for key, values in zip(("difference", "low", "high", "p_corrected"), found, strict=True)
        }
        row["verdict"] = _verdict(row["above_chance_a"], row["above_chance_b"], name)
        rows.append(row)
    return rows


def _by_image(one: _Held, kind: str, metric: str) -> pd.DataFrame:
    """Agreement (images, pairs), the mean over all pairs last."""
    rows = one.values.query("map == @kind and metric == @metric")
    table = rows.pivot_table(index="image", columns="pair", values="value", dropna=False)
    table = table.reindex(columns=list(dict.fromkeys(rows["pair"])))
    # An image counts where every pair is defined: the mean is of the same pairs then.
    return table.assign(**{ALL_PAIRS: table.mean(axis=1, skipna=False)})


def _same_photographs(a: _Held, b: _Held, names: list[str]) -> list[str]:
    """Those images of the same name that are the same photograph in both studies."""
    first, second = a.digests(names), b.digests(names)
    return [name for name in names if first[name] and first[name] == second[name]]


def _same_networks(a: _Held, b: _Held, pair: str) -> str:
    if pair == ALL_PAIRS:
        of = [sorted(one.label for one in held.config.backbones) for held in (a, b)]
        labels = of[0] if of[0] == of[1] else []
    else:
        labels = pair.split("|")
    same = labels and all(a.network(label) == b.network(label) for label in labels)
    return "same" if same else "other"


def _side(one: _Held, table: pd.DataFrame, key: tuple[str, str, str]) -> dict[str, Any]:
    """Mean, interval, images and chance of one study's pair."""
    name = key[-1]
    n, mean, error = column_means(table[[name]].to_numpy())
    reach = stdtrit(n[0] - 1, (1 + _LEVEL) / 2) * error[0] if n[0] > 1 else np.nan
    found = {"mean": mean[0], "low": mean[0] - reach, "high": mean[0] + reach, "n": int(n[0])}
    above: bool | None = None
    if name != ALL_PAIRS:
        row: Any = one.summary.loc[[key]].iloc[0]
        found |= {"low": row["low"], "high": row["high"]}
        above = _above_chance(row)
    return {**found, "above_chance": above}


def _above_chance(row: Any) -> bool | None:
    """Whether a pair agrees better than by chance; p is one-sided."""
    p = float(row["p_corrected"])
    return bool(p < _SIGNIFICANT) if np.isfinite(p) else None


def _independent(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Differences of means of other images: Welch's t, Holm's correction over the pairs."""
    n = np.minimum(np.isfinite(first).sum(0), np.isfinite(second).sum(0))
    with catch_warnings(action="ignore"):  # of too few images, which are undefined below
        test = ttest_ind(second, first, equal_var=False, nan_policy="omit")
        ends = test.confidence_interval(_LEVEL)
        difference = np.nanmean(second, axis=0) - np.nanmean(first, axis=0)
    few = n < _FEWEST
    p, low, high = (np.where(few, np.nan, one) for one in (test.pvalue, ends.low, ends.high))
    # The mean over all pairs, which is last, is a question of its own.
    return [difference, low, high, np.append(holm(p[:-1]), p[-1:])]


def _verdict(first: bool | None, second: bool | None, pair: str) -> str:
    if pair == ALL_PAIRS or first is None or second is None:
        return "unknown"
    return {
        (True, True): "holds",
        (True, False): "in the first alone",
        (False, True): "in the second alone",
        (False, False): "in neither",
    }[first, second]


def in_words(table: pd.DataFrame) -> list[str]:
    """Say for every two studies and kind of map which agreements hold, and what is not decided."""
    lines = []
    keys = ["study_a", "study_b", "map", "metric"]
    for (a, b, kind, metric), rows in table.groupby(keys, sort=False):
        lines.append(f"{a} and {b}, {kind} maps by {metric}: {_said(rows)}")
    return lines


def _said(rows: pd.DataFrame) -> str:
    pairs = rows[rows["pair"] != ALL_PAIRS]
    same = rows["images"].iloc[0] == "same"
    n = int(rows["n_shared"].iloc[0])
    how = f"paired over {n} photographs that both have" if same else (
        f"of different photographs ({n} shared)" if n else "of different photographs"
    )  # fmt: skip
    if pairs.empty:
        said = ["they share no pair of networks"]
    else:
        judged = pairs[pairs["verdict"] != "unknown"]
        holds = int((judged["verdict"] == "holds").sum())
        said = [f"{holds} of {len(judged)} shared pairs agree above chance in both"]
        for verdict in ("in the first alone", "in the second alone", "in neither"):
            number = int((judged["verdict"] == verdict).sum())
            if number:
                said.append(f"{number} {verdict}")
        if len(judged) < len(pairs):
            said.append(f"{len(pairs) - len(judged)} without a chance level")
        other = int((pairs["networks"] == "other").sum())
        if other:
            said.append(f"{other} of networks with other weights or layers under these names")
    tested = pairs[np.isfinite(pairs["p_corrected"])]
    differ = tested[tested["p_corrected"] < _SIGNIFICANT]
    if len(tested):
        said.append(
            f"{len(differ)} of {len(tested)} differ between the studies, the others are not told "
            "apart" if len(differ) < len(tested) else f"all {len(tested)} differ"
        )  # fmt: skip
    whole = rows[rows["pair"] == ALL_PAIRS].iloc[0]
    said.append(
        f"mean over all pairs {whole['mean_a']:.2f} and {whole['mean_b']:.2f} (difference "
        f"{whole['difference']:.2f}, 95% interval {whole['low']:.2f} to {whole['high']:.2f}, {how})"
    )
    return "; ".join(said) + "."
