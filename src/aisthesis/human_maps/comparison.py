"""Maps of one network against where people look, beside what else could say it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.errors import RequestError
from aisthesis.faithfulness import centre_prior
from aisthesis.human_maps.images import SeenImages, seen_images
from aisthesis.human_maps.measures import (
    SALIENCY_MEASURES,
    auc_judd,
    auc_shuffled,
    correlation,
    kl_divergence,
    nss,
    similarity,
)
from aisthesis.human_maps.seen import Seen
from aisthesis.maps.aligned import aligned
from aisthesis.maps.resample import interpolation_matrix
from aisthesis.names.explainers import UNSIGNED
from aisthesis.stats import mean_intervals
from aisthesis.stats.differences import mean_differences
from aisthesis.stats.means import mean_of_defined

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

#: Of maps that are read at once: those of some images, and of the others that stand beside each.
MOST_BYTES = 64 * 2**20

Scores = NDArray[np.float64]
#: A map, a side of it, and what it is compared with.
Row = tuple[str, str, str]
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
    maps: Mapping[str, Any],
    seen: Sequence[Seen] | SeenImages,
    *,
    unsigned: Sequence[str] = UNSIGNED,
    n_resamples: int = 2000,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> pd.DataFrame:
    """Compare one network's maps with where people looked, image by image.

    Maps, and what people looked at, are gone through a few images at a time; of each image only its
    scores are kept, three times six for each map and side.

    Parameters
    ----------
    backbone : str
        Its name, for the first column.
    maps : mapping
        Maps (N, h, w) of any resolution by name, arrays or what is read from a disk where it is
        sliced; ``activation``, where it is among them, is a control too. ``centre`` is added, and
        ``people`` where single people are known.
    seen : sequence of Seen, or SeenImages
        What people looked at in each of the N images.
    unsigned : sequence of str
        Maps without a sign: they are taken as they are, on the side ``either`` alone.
    n_resamples, seed : int
        Of the bootstrap over images and of what is drawn at random.
    advance : callable
        Told how many images were just done.

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
    people = seen_images(seen)
    if not people.any_density:
        raise RequestError(
            f"expected people to have looked at what {backbone} saw of some of the {len(people)} "
            "images, but nobody did; are the coordinates pixels of the photographs?"
        )
    stacks = aligned({
        name: one if hasattr(one, "shape") else np.asarray(one) for name, one in maps.items()
    }).arrays  # fmt: skip
    for name, one in stacks.items():
        if len(one.shape) != 3 or one.shape[0] != len(people):
            raise RequestError(
                f"expected maps {name!r} (N, h, w) of the {len(people)} images, "
                f"got {tuple(one.shape)}"
            )
    scores: dict[Row, Scores] = {}
    for k, image in enumerate(_images(stacks, people, seed)):
        for row, found in image.scores(unsigned, beyond=people.any_people):
            scores.setdefault(row, np.empty((len(people), len(found))))[k] = found
        advance(1)
    return _table(backbone, scores, people, seed, n_resamples)


class _Image:
    """One image: its maps, and maps of some others."""

    def __init__(self, scorer: _Scorer, maps: Mapping[str, tuple[Any, Any]]) -> None:
        self._scorer = scorer
        self._maps = maps  # by name (h, w) and (others, h, w)

    def scores(self, unsigned: Sequence[str], *, beyond: bool) -> Iterator[tuple[Row, Scores]]:
        """All that needs this image alone; what is constant for all maps comes first."""
        scorer = self._scorer
        yield (CENTRE, "either", "none"), scorer.of(centre_prior(*scorer.seen.frame.shape))
        if ACTIVATION in self._maps:
            own = _placed(scorer, self._maps[ACTIVATION][0])
            yield (ACTIVATION, "either", "none"), scorer.of(saliency_of(own, "either"))
        if beyond:
            yield (PEOPLE, "either", "none"), scorer.people()
        for name, (map_, others) in self._maps.items():
            if name in (ACTIVATION, CENTRE):
                continue
            own, beside = _placed(scorer, map_), [_placed(scorer, one) for one in others]
            for side in ("either",) if name in unsigned else SIDES:
                saliency = saliency_of(own, side)
                found = scorer.of(saliency)
                yield (name, side, "none"), found
                each = [scorer.of(saliency_of(one, side)) for one in beside]
                # A flat map of another image says nothing about chance.
                chance = mean_of_defined(each) if each else _NONE
                yield (name, side, OTHER_IMAGES), found - chance
                if beyond:
                    yield (name, side, PEOPLE), scorer.beside_people(saliency)


def _images(stacks: Mapping[str, Any], people: SeenImages, seed: int) -> Iterator[_Image]:
    """Every image in turn, with its maps and what it is compared with."""
    n = len(people)
    rng = np.random.default_rng(seed)
    for k in range(n):
        people.drawn_elsewhere(k, MOST_ELSEWHERE, rng)
    others = _drawn_others(n, rng)
    # What was drawn before them is drawn again when its image comes: held, it is 40 kB an image.
    rng = np.random.default_rng(seed)
    pixels = sum(int(np.prod(one.shape[1:])) for one in stacks.values())
    at_once = max(1, MOST_BYTES // max(1, 8 * pixels * (1 + MOST_OTHERS)))
    for start in range(0, n, at_once):
        some = np.arange(start, min(start + at_once, n))
        wanted = np.unique(np.concatenate([some, others[some].ravel()]))
        read = {name: np.asarray(one[wanted]) for name, one in stacks.items()}
        for k in map(int, some):
            seen = people[k]
            drawn = people.drawn_elsewhere(k, MOST_ELSEWHERE, rng)
            own, beside = np.searchsorted(wanted, k), np.searchsorted(wanted, others[k])
            yield _Image(
                _Scorer(seen, people.cells_elsewhere(seen, k, drawn)),
                {name: (one[own], one[beside]) for name, one in read.items()},
            )


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
        if not self.seen.people:
            return _NONE
        ordered = np.sort(saliency.ravel())
        found = [
            self._at(saliency, one.points, one.density, ordered) - others
            for one, others in zip(self.seen.people, self.of_others, strict=True)
        ]
        return np.asarray(np.mean(found, axis=0))

    def people(self) -> Scores:
        """What people say of one another: the mean over people."""
        return np.asarray(np.mean(self.of_others, axis=0)) if self.seen.people else _NONE

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


def _placed(scorer: _Scorer, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """A map on the frame's grid, without the bars beside the photograph."""
    frame = scorer.seen.frame
    if values.shape != frame.grid_px:
        along = [
            interpolation_matrix(n, into).numpy()
            for n, into in zip(values.shape, frame.grid_px, strict=True)
        ]
        values = along[0] @ np.asarray(values, dtype=np.float64) @ along[1].T
    return values[frame.window]


def _drawn_others(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """For each image some others (N, M), all of them where there are few."""
    if n > MOST_OTHERS + 1:
        drawn = [(k + 1 + rng.choice(n - 1, MOST_OTHERS, replace=False)) % n for k in range(n)]
    else:
        drawn = [rng.permutation(np.delete(np.arange(n), k))[:MOST_OTHERS] for k in range(n)]
    return np.stack(drawn)


def _rows(scores: Mapping[Row, Scores]) -> list[Row]:
    """What is scored, each followed by its differences to the controls, in the table's order."""
    alone = [name for name in (CENTRE, ACTIVATION) if (name, "either", "none") in scores]
    rows: list[Row] = []
    for row in scores:
        rows.append(row)
        name, side, control = row
        if control == "none" and name not in (CENTRE, ACTIVATION, PEOPLE):
            rows += [(name, side, other) for other in alone]
    return rows


def _values(scores: Mapping[Row, Scores], row: Row) -> Scores:
    """(images, measures) of one row: scores, or differences, some of which are made here."""
    name, side, control = row
    if row in scores:
        return scores[row]
    return scores[name, side, "none"] - scores[control, "either", "none"]


def _corrected(
    scores: Mapping[Row, Scores], rows: Sequence[Row], seed: int, n_resamples: int
) -> Scores:
    """(rows, measures) p of the maps' differences to each control, corrected over the maps."""
    p = np.full((len(rows), len(SALIENCY_MEASURES)), np.nan)
    together: dict[tuple[str, str], list[int]] = {}
    for number, (_, side, control) in enumerate(rows):
        if control != "none":
            together.setdefault((side, control), []).append(number)
    for numbers in together.values():
        # (maps, images, measures)
        values = np.stack([_values(scores, rows[number]) for number in numbers])
        for k in range(p.shape[1]):
            p[numbers, k] = mean_differences(values[..., k].T, seed, n_resamples).p_corrected
    return p


def _table(
    backbone: str, scores: Mapping[Row, Scores], people: SeenImages, seed: int, n_resamples: int
) -> pd.DataFrame:
    """A row for each map, side, measure and control; without points none of their measures."""
    rows = _rows(scores)
    p = _corrected(scores, rows, seed, n_resamples)
    found = []
    for number, row in enumerate(rows):
        (name, side, control), values = row, _values(scores, row)
        ends = mean_intervals(
            values, seed, n_resamples, bounds=_BOUNDS if control == "none" else _UNBOUNDED
        )
        for k, (score, measure) in enumerate(SALIENCY_MEASURES.items()):
            if measure.of_points and not people.any_points:
                continue
            defined = np.isfinite(values[:, k])
            mean = float(values[defined, k].mean()) if defined.any() else float("nan")
            found.append((
                backbone, name, side, score, control, mean, float(ends.low[k]),
                float(ends.high[k]), int(defined.sum()), int((~defined).sum()),
                people.n_fixations, people.n_outside, float(p[number, k]),
            ))  # fmt: skip
    return pd.DataFrame(found, columns=list(HUMAN_MAP_COLUMNS))
