"""Maps of one network against where people look, beside what else could say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.faithfulness import centre_prior
from aisthesis.human_maps.measures import (
    SALIENCY_MEASURES,
    auc_judd,
    auc_shuffled,
    correlation,
    kl_divergence,
    nss,
    similarity,
)
from aisthesis.human_maps.seen import Elsewhere, Seen
from aisthesis.maps.aligned import aligned
from aisthesis.maps.resample import interpolation_matrix
from aisthesis.names.explainers import UNSIGNED
from aisthesis.stats import mean_intervals
from aisthesis.stats.differences import mean_differences

__all__ = ["HUMAN_MAP_COLUMNS", "PEOPLE", "human_map_table", "saliency_of"]

Map = NDArray[np.float64]
Points = NDArray[np.intp]

HUMAN_MAP_COLUMNS = (
    "backbone", "map", "side", "score", "control", "mean", "low", "high", "n", "n_undefined",
    "n_fixations", "n_outside", "p_corrected",
)  # fmt: skip
#: How a signed map becomes a saliency map: its positive part, its negative one, or its size.
SIDES = ("raising", "lowering", "either")
#: What maps are compared with on the same images.
CENTRE, OTHER_IMAGES, ACTIVATION, PEOPLE = "centre", "other_images", "activation", "people"
#: Maps of so many other images stand for all of them, and so many fixations for theirs.
MOST_OTHERS, MOST_ELSEWHERE = 5, 5000

Scores = NDArray[np.float64]
_NONE = np.full(len(SALIENCY_MEASURES), np.nan)
_UNBOUNDED = (-np.inf, np.inf)
_BOUNDS = (
    np.array([one.bounds[0] for one in SALIENCY_MEASURES.values()]),
    np.array([one.bounds[1] for one in SALIENCY_MEASURES.values()]),
)


def saliency_of(values: NDArray[np.floating], side: str) -> Map:
    """Turn a signed map into a saliency map.

    Parameters
    ----------
    values : array
        Of any shape.
    side : {"raising", "lowering", "either"}
        The positive part, that of the negated map, or the size of the values.
    """
    one = np.asarray(values, dtype=np.float64)
    if side == "either":
        return np.abs(one)
    return np.maximum(one if side == "raising" else -one, 0.0)


def human_map_table(
    backbone: str,
    maps: Mapping[str, NDArray[np.floating]],
    seen: Sequence[Seen],
    *,
    unsigned: Sequence[str] = UNSIGNED,
    n_resamples: int = 2000,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> pd.DataFrame:
    """Compare one network's maps with where people looked, image by image.

    Parameters
    ----------
    backbone : str
        Its name, for the first column.
    maps : mapping
        Maps (N, h, w) of any resolution by name; ``activation``, where it is among them, is a
        control too. ``centre`` is added, and ``people`` where single people are known.
    seen : sequence of Seen
        What people looked at in each of the N images.
    unsigned : sequence of str
        Maps without a sign: they are taken as they are, on the side ``either`` alone.
    n_resamples, seed : int
        Of the bootstrap over images and of what is drawn at random.
    advance : callable
        Told how many kinds of maps were just done.

    Returns
    -------
    pandas.DataFrame
        Columns ``HUMAN_MAP_COLUMNS``. ``score`` is one of ``SALIENCY_MEASURES``. With ``control``
        "none", ``mean`` is the mean score over images; otherwise the mean difference of the map's
        score and the control's on the same images: the ``centre`` prior, the same network's maps
        of ``other_images`` (the mean over five, drawn once), the layer's mean ``activation``,
        and ``people``: everybody else's fixations. Against people both are scored at the
        fixations of one person at a time, and averaged over people. ``low`` and ``high`` are 95%
        bootstrap limits; ``n`` images count, ``n_undefined`` do not. ``n_fixations`` and
        ``n_outside`` are those within and outside of what the network read; NaN for densities.
        ``p_corrected`` of a difference is corrected over the maps with the same control.

    Raises
    ------
    RequestError
        If there are not as many maps as images, or nobody looked into any of them.
    """
    if not any(one.density is not None for one in seen):
        raise RequestError(
            f"expected people to have looked at what {backbone} saw of some of the {len(seen)} "
            "images, but nobody did; are the coordinates pixels of the photographs?"
        )
    stacks = {name: np.asarray(one) for name, one in aligned(dict(maps)).arrays.items()}
    for name, one in stacks.items():
        if one.ndim != 3 or len(one) != len(seen):
            raise RequestError(
                f"expected maps {name!r} (N, h, w) of the {len(seen)} images, got {one.shape}"
            )
    rng = np.random.default_rng(seed)
    others_looked = Elsewhere(seen)
    scorers = [
        _Scorer(one, others_looked.cells(k, MOST_ELSEWHERE, rng)) for k, one in enumerate(seen)
    ]
    others = _drawn_others(len(seen), rng)
    alone = {
        (CENTRE, "either"): np.stack([s.of(centre_prior(*s.seen.frame.shape)) for s in scorers])
    }
    if ACTIVATION in stacks:
        alone[ACTIVATION, "either"] = _of_stack(scorers, stacks[ACTIVATION], "either")
    beyond = _people(scorers)
    rows = _rows(alone, {}) + _rows(beyond, {})
    for name, stack in stacks.items():
        if name not in (ACTIVATION, CENTRE):
            for side in ("either",) if name in unsigned else SIDES:
                own = _of_stack(scorers, stack, side)
                differences = {control: own - values for (control, _), values in alone.items()}
                differences[OTHER_IMAGES] = own - _of_others(scorers, stack, side, others)
                if beyond:
                    differences[PEOPLE] = _against_people(scorers, stack, side)
                rows += _rows({(name, side): own}, differences)
        advance(1)
    return _table(backbone, rows, seen, seed, n_resamples)


class _Scorer:
    """All measures of saliency maps of one image."""

    def __init__(self, seen: Seen, other_points: Points) -> None:
        self.seen = seen
        self._elsewhere = other_points

    def of(self, saliency: Map) -> Scores:
        """Score a map of the frame against everybody."""
        if self.seen.density is None:
            return _NONE
        return self._at(saliency, self.seen.points, self.seen.density)

    def beside_people(self, saliency: Map) -> Scores:
        """Score a map against each person alone, less what all others score: the mean."""
        ordered = np.sort(saliency.ravel())
        found = [
            self._at(saliency, one.points, one.density, ordered) - others
            for one, others in zip(self.seen.people, self.of_others, strict=True)
        ]
        return np.mean(found, axis=0) if found else _NONE

    @cached_property
    def of_others(self) -> list[Scores]:
        """Scores of everybody else's density against each person: the same for every map."""
        return [self._at(one.others, one.points, one.density) for one in self.seen.people]

    def _at(
        self, saliency: Map, points: Points | None, density: Map, ordered: Map | None = None
    ) -> Scores:
        if not np.isfinite(saliency).all():
            return _NONE
        nowhere = np.empty(0, np.intp)
        at = nowhere if points is None else points
        return np.array([
            nss(saliency, at),
            auc_judd(saliency, at, ordered),
            auc_shuffled(saliency, at, self._elsewhere),
            correlation(saliency, density),
            kl_divergence(saliency, density),
            similarity(saliency, density),
        ])  # fmt: skip


def _placed(scorer: _Scorer, values: NDArray[np.floating], side: str) -> Map:
    """A map on the frame's grid, without the bars beside the photograph, as saliency."""
    frame = scorer.seen.frame
    if values.shape != frame.grid_px:
        along = [
            interpolation_matrix(n, into).numpy()
            for n, into in zip(values.shape, frame.grid_px, strict=True)
        ]
        values = along[0] @ np.asarray(values, dtype=np.float64) @ along[1].T
    return saliency_of(values[frame.window], side)


def _of_stack(scorers: Sequence[_Scorer], stack: NDArray[np.floating], side: str) -> Scores:
    return np.stack([s.of(_placed(s, one, side)) for s, one in zip(scorers, stack, strict=True)])


def _against_people(scorers: Sequence[_Scorer], stack: NDArray[np.floating], side: str) -> Scores:
    return np.stack([
        s.beside_people(_placed(s, one, side)) if s.seen.people else _NONE
        for s, one in zip(scorers, stack, strict=True)
    ])  # fmt: skip


def _of_others(
    scorers: Sequence[_Scorer], stack: NDArray[np.floating], side: str, others: Sequence[Points]
) -> Scores:
    """What the network's maps of other images score on each image: the mean over those drawn."""
    found = []
    for scorer, drawn in zip(scorers, others, strict=True):
        each = [scorer.of(_placed(scorer, stack[k], side)) for k in drawn]
        found.append(_mean_of_defined(each))
    return np.stack(found)


def _mean_of_defined(scores: Sequence[Scores]) -> Scores:
    """Mean over maps that are defined; a flat map of another image says nothing about chance."""
    if not scores:
        return _NONE
    stacked = np.stack(scores)
    defined = np.isfinite(stacked)
    total = np.where(defined, stacked, 0).sum(0)
    return np.where(defined.any(0), total / np.maximum(defined.sum(0), 1), np.nan)


def _drawn_others(n: int, rng: np.random.Generator) -> list[Points]:
    """For each image some others, all of them where there are few."""
    every = np.arange(n)
    return [
        rng.permutation(np.delete(every, k))[:MOST_OTHERS]
        if n <= MOST_OTHERS + 1
        else (k + 1 + rng.choice(n - 1, MOST_OTHERS, replace=False)) % n
        for k in range(n)
    ]


def _people(scorers: Sequence[_Scorer]) -> dict[tuple[str, str], Scores]:
    """What people say of one another, image by image; nothing where no single people are known."""
    if not any(scorer.seen.people for scorer in scorers):
        return {}
    found = [
        np.mean(scorer.of_others, axis=0) if scorer.seen.people else _NONE for scorer in scorers
    ]
    return {(PEOPLE, "either"): np.stack(found)}


Row = tuple[str, str, str, Scores]


def _rows(own: Mapping[tuple[str, str], Scores], differences: Mapping[str, Scores]) -> list[Row]:
    return [
        (name, side, control, values)
        for (name, side), scores in own.items()
        for control, values in {"none": scores, **differences}.items()
    ]


def _counts(seen: Sequence[Seen]) -> tuple[float, float]:
    """Fixations within and outside of what the network read; NaN where none are known."""
    listed = [one for one in seen if one.n_outside is not None]
    if not listed:
        return float("nan"), float("nan")
    within = sum(0 if one.points is None else len(one.points) for one in listed)
    return float(within), float(sum(one.n_outside or 0 for one in listed))


def _corrected(rows: Sequence[Row], seed: int, n_resamples: int) -> Scores:
    """(rows, measures) p of the maps' differences to each control, corrected over the maps."""
    p = np.full((len(rows), len(SALIENCY_MEASURES)), np.nan)
    together: dict[tuple[str, str], list[int]] = {}
    for number, (_, side, control, _) in enumerate(rows):
        if control != "none":
            together.setdefault((side, control), []).append(number)
    for numbers in together.values():
        values = np.stack([rows[number][3] for number in numbers])  # (maps, images, measures)
        for k in range(p.shape[1]):
            p[numbers, k] = mean_differences(values[..., k].T, seed, n_resamples).p_corrected
    return p


def _table(
    backbone: str, rows: Sequence[Row], seen: Sequence[Seen], seed: int, n_resamples: int
) -> pd.DataFrame:
    """A row for each map, side, measure and control; without points none of their measures."""
    counted = _counts(seen)
    of_points = any(one.points is not None for one in seen)
    p = _corrected(rows, seed, n_resamples)
    found = []
    for number, (name, side, control, values) in enumerate(rows):
        ends = mean_intervals(
            values, seed, n_resamples, bounds=_BOUNDS if control == "none" else _UNBOUNDED
        )
        for k, (score, measure) in enumerate(SALIENCY_MEASURES.items()):
            if measure.of_points and not of_points:
                continue
            defined = np.isfinite(values[:, k])
            mean = float(values[defined, k].mean()) if defined.any() else float("nan")
            found.append((
                backbone, name, side, score, control, mean, float(ends.low[k]),
                float(ends.high[k]), int(defined.sum()), int((~defined).sum()), *counted,
                float(p[number, k]),
            ))  # fmt: skip
    return pd.DataFrame(found, columns=list(HUMAN_MAP_COLUMNS))
