"""How much of the variance of maps lies between images, backbones and seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aisthesis.agreement.parallel import one_thread_an_operation
from aisthesis.agreement.seeds import (
    SeedCosines,
    SeedMaps,
    over_different_seeds,
    require_seeds,
    seed_chunks,
    single_seed_cosines,
)
from aisthesis.maps.aligned import SEED_MAPS, aligned
from aisthesis.stats.bootstrap import percentile_intervals, resample_counts

__all__ = ["COMPONENTS", "UNRESOLVED", "variance_components"]

#: The components, in the order of the table; together they make up the whole.
COMPONENTS = ("shared", "image", "backbone", "image x backbone", "seed")
#: What one seed cannot tell apart: the row that then stands in for the last three.
UNRESOLVED = "backbone, image x backbone and seed together"

#: Bytes of resampled sums of maps held at a time.
BYTES_AT_ONCE = 64 << 20
#: Images up to which the draws are those of every other statistic.
MOST_IN_ONE_DRAW = 8_000
#: Bytes of counts of draws held at a time where there are more.
COUNTS_AT_ONCE = 16 << 20

Matrix = NDArray[np.float64]
#: A run of the images, and how often each draw holds each of them.
Part = tuple[slice, Matrix]


def variance_components(
    maps: Mapping[str, Any],
    size_px: int = 224,
    seed: int = 0,
    n_boot: int = 1000,
    cosines: SeedCosines | None = None,
    coarse: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    r"""Split the variance of z-scored maps into what is common and what is not.

    Every map is z-scored over its pixels, so its variance over them is 1. The value of image i,
    backbone b and seed s at a pixel is modelled with crossed random effects,

    ``z_ibs = mu + image_i + backbone_b + (image x backbone)_ib + seed_ibs``

    (`seed` being all effects that a seed takes part in), and each component's variance, averaged
    over pixels, is a share of that 1: ``shared`` is the mean square of mu, the map common to all
    images and backbones (a centre bias); ``image`` what all backbones see in an image beyond it;
    ``backbone`` what a backbone shows in every image; ``image x backbone`` what one backbone alone
    sees in an image; ``seed`` all that changes with the head's seed. Estimates are those of the
    expected mean squares. For a balanced design they are differences of mean cosines between maps
    of single seeds:

    - C1: same image, same backbone, different seeds (reliability)
    - C2: same image, different backbones, different seeds (agreement)
    - C3: different images, same backbone, different seeds
    - C4: different images, different backbones, different seeds (chance level)

    ``shared = C4``, ``image = C2 - C4``, ``backbone = C3 - C4``,
    ``image x backbone = C1 - C2 - C3 + C4``, ``seed = 1 - C1``. They sum to one. Being unbiased,
    an estimate of a small component can fall below zero.

    Parameters
    ----------
    maps
        (S, N, h, w) maps of the same N images by backbone. Images on which any map is undefined
        are left out.
    size_px
        Side of the pixel grid on which maps are z-scored and compared.
    seed, n_boot
        Seed and number of the bootstrap's draws of images. A pair of an image with itself, drawn
        twice, is not one of different images and is left out of C3 and C4. Of more than 8,000
        images the draws are others than those of other statistics.
    cosines
        As `single_seed_cosines` gives them, where they are already there.
    coarse
        The same maps on fewer cells, for the draws alone, where those of `maps` are very many.

    Returns
    -------
    DataFrame
        ``component, share, low, high`` (95 % percentile bootstrap over images; backbones and
        seeds are taken as they are), ``n`` (images). NaN where not identifiable: `seed` needs two
        seeds, `shared` and `image` two backbones and images, the others both. With one seed a
        further row holds what it cannot tell apart, and what the backbones share through that
        seed counts as ``shared`` or ``image``. Linear in N; maps are read once per batch of draws.

    References
    ----------
    Searle, Casella & McCulloch (1992), "Variance components", Wiley. Cornfield & Tukey (1956),
    "Average values of mean squares in factorials", Annals of Mathematical Statistics 27(4),
    907-949.
    """
    maps = aligned(maps, SEED_MAPS).arrays
    require_seeds(maps)
    cosines = single_seed_cosines(maps, size_px) if cosines is None else cosines
    complete = np.flatnonzero(cosines.defined.all(axis=1))
    n = len(complete)
    same_image = np.stack(
        [_row_mean(cosines.within[complete]), _row_mean(cosines.between[complete])], axis=1
    )
    observed = _shares(maps, complete, same_image, [(slice(0, n), np.ones((1, n)))], size_px)
    drawn = [
        _shares(coarse or maps, complete, same_image, parts, size_px)
        for parts in _draws(coarse or maps, n, seed, n_boot)
    ]
    intervals = percentile_intervals(np.concatenate([np.empty((0, observed.shape[1])), *drawn]))
    known = np.isfinite(observed[0]) & (n > 1)
    table = pd.DataFrame(
        {
            "component": [*COMPONENTS, UNRESOLVED],
            "share": observed[0],
            "low": np.where(known, intervals.low, np.nan),
            "high": np.where(known, intervals.high, np.nan),
            "n": n,
        }
    )
    resolved = min(cosines.n_seeds.values(), default=0) > 1 or len(maps) < 2
    return table.iloc[: len(COMPONENTS)] if resolved else table


def _row_mean(values: Matrix) -> Matrix:
    """Mean over columns, NaN where there is none."""
    return values.mean(axis=1) if values.shape[1] else np.full(len(values), np.nan)


def _draws(maps: Mapping[str, Any], n: int, seed: int, n_boot: int) -> Iterator[Iterable[Part]]:
    """Counts of the draws, in batches that neither themselves nor as summed maps are too large.

    Of many images a batch is as large as the summed maps allow, and its counts are drawn run by run
    of the images: so the maps are read as often as for few.
    """
    cells = sum(int(one.shape[0]) * int(np.prod(one.shape[2:])) for one in maps.values())
    if n <= MOST_IN_ONE_DRAW:
        for counts in _batches(max(cells, n, 1), n, seed, n_boot):
            yield [(slice(0, n), counts)]
        return
    most = max(1, BYTES_AT_ONCE // (8 * max(cells, 1)))
    for number, start in enumerate(range(0, n_boot, most)):
        yield run_by_run(n, min(most, n_boot - start), np.random.default_rng([seed, number]))


def run_by_run(n: int, draws: int, rng: np.random.Generator) -> Iterator[Part]:
    """Give (run of images, counts (draws, its length)): n drawn with replacement, for each draw.

    How many of a draw fall into a run is binomial, given those that fell before; where they fall in
    it is multinomial. So the draws are those of any bootstrap, though not the same ones.
    """
    step = max(1, COUNTS_AT_ONCE // (8 * draws))
    left = np.full(draws, n)
    for start in range(0, n, step):
        length = min(step, n - start)
        here = rng.binomial(left, length / (n - start))
        left -= here
        counts = rng.multinomial(here, np.full(length, 1 / length))
        yield slice(start, start + length), counts.astype(np.float64)


def _batches(values: int, n: int, seed: int, n_boot: int) -> Iterator[Matrix]:
    """Counts of the draws of n images, so many at a time that `values` of each may be held."""
    most = max(1, BYTES_AT_ONCE // (8 * values))
    held: list[Matrix] = []
    for part in resample_counts(n, n_boot, seed):
        for start in range(0, len(part), most):
            piece = part[start : start + most]
            if held and sum(map(len, held)) + len(piece) > most:
                yield np.concatenate(held)
                held = []
            held.append(piece)
    if held:
        yield np.concatenate(held)


def _shares(
    maps: Mapping[str, Any],
    complete: NDArray[np.intp],
    same_image: Matrix,
    parts: Iterable[Part],
    size_px: int,
) -> Matrix:
    """(draws, 6) shares of the components, and of the last three together, in each draw."""
    n, square, of_images, own = (np.zeros(1) for _ in range(4))
    sums: dict[str, SeedMaps] = {}
    for some, counts in parts:
        squares = np.square(counts, dtype=np.float64)
        n = n + counts.sum(axis=1, dtype=np.float64)
        square = square + squares.sum(axis=1)
        of_images = of_images + (counts @ same_image[some]).T
        own = own + (squares @ same_image[some]).T
        _add_maps(sums, maps, complete[some], counts, size_px)
    ordered_pairs = n**2 - square
    c1, c2 = of_images / n if len(complete) else np.full((2, len(n)), np.nan)
    same_backbone, other_backbone = _products(sums, len(n), size_px)
    with np.errstate(divide="ignore", invalid="ignore"):
        c3 = (same_backbone - own[0]) / np.where(ordered_pairs > 0, ordered_pairs, np.nan)
        c4 = (other_backbone - own[1]) / np.where(ordered_pairs > 0, ordered_pairs, np.nan)
    rows = [c4, c2 - c4, c3 - c4, c1 - c2 - c3 + c4, 1 - c1, 1 - c2]
    result: Matrix = np.stack(rows, axis=1)
    return result


@one_thread_an_operation()
def _add_maps(
    sums: dict[str, SeedMaps],
    maps: Mapping[str, Any],
    images: NDArray[np.intp],
    counts: NDArray[Any],
    size_px: int,
) -> None:
    """Add the maps of some images, as often as each draw holds them, to the draws' sums."""
    for place, chunk in seed_chunks(maps, size_px, images):
        weights = torch.from_numpy(counts[:, place].astype(np.float64))
        for name, one in chunk.items():
            summed = torch.tensordot(weights, one.maps.cpu(), dims=1)
            sums[name] = SeedMaps(
                summed if name not in sums else sums[name].maps.add_(summed), one.axes
            )


@one_thread_an_operation()
def _products(sums: Mapping[str, SeedMaps], draws: int, size_px: int) -> tuple[Matrix, Matrix]:
    """Sum over all two images of a draw of their cosine: same backbone, other backbone.

    The sum of products is the product of the sums, so the images are gone through once. Both are
    (draws,), averaged over different seeds, and over backbones or pairs of them.
    """
    unknown = torch.full((draws,), torch.nan, dtype=torch.double)
    within = [
        over_different_seeds(one, one, size_px) if one.maps.shape[1] > 1 else unknown
        for one in sums.values()
    ]
    between = [over_different_seeds(a, b, size_px) for a, b in combinations(sums.values(), 2)]
    same_backbone, other_backbone = (
        torch.stack(one or [unknown]).mean(dim=0).numpy() for one in (within, between)
    )
    return same_backbone, other_backbone
