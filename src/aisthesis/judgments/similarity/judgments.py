"""Human judgments of how alike images are, as matrices of dissimilarities that can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisthesis.config import SimilarityColumns
from aisthesis.errors import RequestError
from aisthesis.judgments.files.folder import Folder
from aisthesis.judgments.files.matrix import Triplet
from aisthesis.judgments.files.names import renamed
from aisthesis.judgments.similarity.reading import Matrix, read_matrices
from aisthesis.judgments.similarity.triplets import renamed_triplets

__all__ = ["Kind", "Similarities", "read_similarities", "similarities"]

Array = NDArray[np.float64]
Kind = Literal["dissimilarity", "similarity"]
Given = Literal["dissimilarity", "similarity", "mixed"]

_LISTED = 10
_TOLERANCE = 1e-6  # of the range of the values: what rounding in a text file leaves
_FEWEST_IMAGES = 4


@dataclass(frozen=True)
class Similarities:
    """Pairwise judgments of N images by K subjects (or their mean, K = 1).

    Attributes
    ----------
    names : tuple of N str
        Images.
    subjects : tuple of K str
        Whose matrices these are.
    dissimilarity : (K, N, N)
        Symmetric, zero on the diagonal, NaN where a subject did not judge a pair. Similarities
        are turned round: the value of an image with itself minus the similarity.
    given : {"dissimilarity", "similarity", "mixed"}
        What the files hold; "mixed" where some subjects' are the one and some the other.
    inferred : str
        How that was found out, in words; empty where it was said.
    n_missing : int
        Pairs not judged, counted over subjects.
    said : tuple of str
        What else was found out, in words.
    weights : (K, N, N), optional
        Judgments that each value rests on, where they differ: the mean over subjects counts them.
    triplets : tuple of Triplet
        Choices among three images, where that is what was judged.
    """

    names: tuple[str, ...]
    subjects: tuple[str, ...]
    dissimilarity: Array
    given: Given
    inferred: str = ""
    n_missing: int = 0
    said: tuple[str, ...] = ()
    weights: Array | None = None
    triplets: tuple[Triplet, ...] = ()

    @property
    def mean(self) -> Array:
        """Mean over the subjects who judged a pair, (N, N); NaN where nobody did."""
        judged = np.isfinite(self.dissimilarity)
        if self.weights is None:
            counts = judged.sum(0)
            total = np.nansum(self.dissimilarity, axis=0)
            return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
        weights = np.where(judged, self.weights, 0.0)
        total = (weights * np.where(judged, self.dissimilarity, 0.0)).sum(0)
        summed = weights.sum(0)
        mean = np.where(summed > 0, total / np.maximum(summed, 1e-300), np.nan)
        np.fill_diagonal(mean, 0.0)
        return mean

    @property
    def n_unjudged(self) -> int:
        """Pairs that nobody judged."""
        return int(np.isnan(np.triu(self.mean, 1)).sum())

    def of(self, names: Sequence[str]) -> Similarities:
        """Those of some of the images, in the order asked for."""
        place = {name: i for i, name in enumerate(self.names)}
        index = np.array([place[name] for name in names], dtype=np.intp)
        chosen = self.dissimilarity[:, index[:, None], index]
        weights = None if self.weights is None else self.weights[:, index[:, None], index]
        return replace(
            self,
            names=tuple(names),
            dissimilarity=chosen,
            n_missing=_missing(chosen),
            weights=weights,
        )


def read_similarities(
    source: Any,
    *,
    folder: Folder | None = None,
    kind: Kind | None = None,
    image_list: Path | None = None,
    variable: str | None = None,
    columns: SimilarityColumns | None = None,
) -> Similarities:
    """Read pairwise judgments from files or from an rsatoolbox object.

    Parameters
    ----------
    source : path, sequence of paths, or rsatoolbox RDMs
        A square CSV or TSV with the images' names on both sides; a long table with the columns
        `image_a`, `image_b`, `similarity` or `dissimilarity` and, where there are several
        subjects, `subject`; `.npy`, `.npz` or `.mat` with one matrix (N, N) or one a subject
        (K, N, N); RDMs that rsatoolbox saved (`.h5`, `.hdf5`). A folder or a list of such files
        is one subject a file, named after it.
    folder : ImageFolder, optional
        Where the images are; names that are not there are an error.
    kind : {"dissimilarity", "similarity"}, optional
        What the values are; default what the column's name or the diagonal says.
    image_list : path, optional
        Names of the images in the order of the rows, one a line (or a table with the column
        `image`): for matrices that carry no names.
    variable : str, optional
        Name of the array in an `.npz` or `.mat` file that holds several; for RDMs, of the
        descriptor that holds the images' names.
    columns : SimilarityColumns, optional
        Other names of the long table's columns.

    Raises
    ------
    RequestError
        If a matrix is not symmetric, its diagonal is not where the scale begins or ends, a name
        is unknown, a value is no number, or it cannot be told what the values are: one sentence
        that names the images.
    """
    matrices = read_matrices(
        source, image_list=image_list, variable=variable, columns=columns or SimilarityColumns()
    )
    if columns is not None and columns.repeated == "mean":
        matrices = [_both_halves(matrix) for matrix in matrices]
    said: tuple[str, ...] = ()
    if folder is not None:
        found = renamed([name for matrix in matrices for name in matrix.names], folder)
        said = found.said
        matrices = [
            replace(
                m,
                names=tuple(map(found, m.names)),
                triplets=renamed_triplets(m.triplets, found),
            )
            for m in matrices
        ]
    result = similarities(matrices, kind=kind)
    result = replace(result, said=(*result.said, *said))
    if folder is not None:
        _require_known(result.names, folder)
    return result


def similarities(matrices: Sequence[Matrix], *, kind: Kind | None = None) -> Similarities:
    """Check the matrices of all subjects and bring them to one order of images.

    Parameters
    ----------
    matrices : sequence of Matrix
        One a subject; images may differ, what a subject did not judge is missing.
    kind : {"dissimilarity", "similarity"}, optional

    Raises
    ------
    RequestError
        As `read_similarities`.
    """
    names = tuple(dict.fromkeys(name for matrix in matrices for name in matrix.names))
    if len(names) < _FEWEST_IMAGES:
        raise RequestError(
            f"expected judgments of at least {_FEWEST_IMAGES} images, got {len(names)}"
        )
    values = np.stack([_arranged(matrix, names) for matrix in matrices])
    where = ", ".join(dict.fromkeys(m.source for m in matrices[:3]))
    kinds, reason = _kinds(values, [kind or m.kind for m in matrices], [m.source for m in matrices])
    _refuse_constant(values, where)
    dissimilarity = values.copy()
    for one in dict.fromkeys(kinds):
        own = np.array([k == one for k in kinds])
        where = ", ".join(dict.fromkeys(m.source for m, o in zip(matrices, own, strict=True) if o))
        _check_diagonal(values[own], names, one, where)
        if one == "similarity":
            dissimilarity[own] = _turned_round(values[own])
    found: Given = kinds[0] if len(set(kinds)) == 1 else "mixed"
    inferred = reason if kind is None else ""
    # A scale of differences may begin at 1: an image is no distance from itself.
    diagonal = np.arange(len(names))
    dissimilarity[:, diagonal, diagonal] = 0.0
    return Similarities(
        names,
        _subjects(matrices),
        dissimilarity,
        found,
        inferred,
        _missing(dissimilarity),
        tuple(dict.fromkeys(line for matrix in matrices for line in matrix.said)),
        _weights(matrices, names),
        tuple(triplet for matrix in matrices for triplet in matrix.triplets),
    )


def _weights(matrices: Sequence[Matrix], names: tuple[str, ...]) -> Array | None:
    if all(matrix.weights is None for matrix in matrices):
        return None
    counts = [
        np.ones_like(matrix.values) if matrix.weights is None else matrix.weights
        for matrix in matrices
    ]
    given = [replace(m, values=n) for m, n in zip(matrices, counts, strict=True)]
    return np.nan_to_num(np.stack([_arranged(matrix, names) for matrix in given]))


def _both_halves(matrix: Matrix) -> Matrix:
    """A matrix whose two halves are averaged where both are there."""
    values = matrix.values
    other = values.T
    both = np.isfinite(values) & np.isfinite(other)
    n = int(np.triu(both & (values != other), 1).sum())
    said = f"{n:,} pairs of {matrix.source} were judged in both orders, and averaged"
    mean = np.where(both, (values + other) / 2, np.where(np.isnan(values), other, values))
    return replace(matrix, values=mean, said=(*matrix.said, *([said] if n else [])))


def _subjects(matrices: Sequence[Matrix]) -> tuple[str, ...]:
    subjects = [matrix.subject for matrix in matrices]
    twice = sorted({name for name in subjects if subjects.count(name) > 1})
    if twice:
        raise RequestError(
            f"expected one matrix a subject, got several of {', '.join(twice[:_LISTED])}; name "
            "the files or subjects apart"
        )
    return tuple(subjects)


def _symmetric(matrix: Matrix) -> Array:
    """The matrix with a missing cell filled from its mirror image; refuse one that disagrees."""
    values = matrix.values
    both = np.where(np.isnan(values), values.T, values)
    span = np.nanmax(both, initial=-math.inf) - np.nanmin(both, initial=math.inf)
    gap = np.nan_to_num(np.abs(both - both.T))
    if gap.max(initial=0.0) > _TOLERANCE * max(span, 1e-300):
        i, j = np.unravel_index(int(gap.argmax()), gap.shape)
        n = int((np.triu(gap, 1) > _TOLERANCE * span).sum())
        raise RequestError(
            f"{matrix.source} is not symmetric: {matrix.names[i]} with {matrix.names[j]} is "
            f"{both[i, j]:g}, {matrix.names[j]} with {matrix.names[i]} is {both[j, i]:g} "
            f"({n} such pair{'s' if n > 1 else ''}); give each pair one value, for instance the "
            'mean of the two, or say [columns] repeated = "mean"'
        )
    return (both + both.T) / 2


def _arranged(matrix: Matrix, names: tuple[str, ...]) -> Array:
    """A subject's matrix in the order of all images; NaN for images that are not in it."""
    place = {name: i for i, name in enumerate(names)}
    index = np.array([place[name] for name in matrix.names], dtype=np.intp)
    result = np.full((len(names), len(names)), np.nan)
    result[np.ix_(index, index)] = _symmetric(matrix)
    return result


def _kinds(
    values: Array, said: Sequence[Kind | None], sources: Sequence[str]
) -> tuple[list[Kind], str]:
    """What each subject's values are, and how that is known; each by itself where that can be.

    A matrix that has no diagonal, or no two values, is taken for what all others are.
    """
    kinds = list(said)
    reasons = [f"the column is called {kind}" for kind in said if kind is not None]
    tellable = [
        number for number, one in enumerate(values) if kinds[number] is None and _tells(one)
    ]
    for number in tellable:
        kinds[number], reason = _kind(values[number : number + 1], None, sources[number])
        reasons.append(reason)
    untold = [number for number, kind in enumerate(kinds) if kind is None]
    if untold:
        others = {kinds[number] for number in tellable}
        if len(others) == 1:
            common = others.pop()
        else:
            common, reason = _kind(values[untold], None, ", ".join(sources[n] for n in untold[:3]))
            reasons.append(reason)
        kinds = [kind or common for kind in kinds]
    return [kind for kind in kinds if kind], " or ".join(dict.fromkeys(reasons))


def _tells(matrix: Array) -> bool:
    """Whether a subject's matrix has a diagonal, and values that differ, to tell its kind by."""
    others = _off_diagonal(matrix[None])
    return bool(np.isfinite(np.diagonal(matrix)).any() and len(others) and np.ptp(others) > 0)


def _kind(values: Array, said: Kind | None, where: str) -> tuple[Kind, str]:
    """What the values are, and how that is known."""
    if said is not None:
        return said, f"the column is called {said}"
    diagonal = np.diagonal(values, axis1=1, axis2=2)
    diagonal = diagonal[np.isfinite(diagonal)]
    others = _off_diagonal(values)
    if len(diagonal) and len(others):
        margin = _TOLERANCE * (others.max() - others.min())
        if diagonal.max() <= others.min() + margin:
            return "dissimilarity", "no value is below the diagonal's"
        if diagonal.min() >= others.max() - margin:
            return "similarity", "no value is above the diagonal's"
        raise RequestError(
            f"{where}: the diagonal runs from {diagonal.min():g} to {diagonal.max():g}, the other "
            f"values from {others.min():g} to {others.max():g}, so it cannot be told whether they "
            'are similarities or dissimilarities; say kind = "similarity" or "dissimilarity"'
        )
    raise RequestError(
        f"{where}: without a diagonal it cannot be told whether the values are similarities or "
        'dissimilarities; say kind = "similarity" or "dissimilarity"'
    )


def _check_diagonal(values: Array, names: tuple[str, ...], kind: Kind, where: str) -> None:
    """An image is as like itself as anything can be: its diagonal ends the scale."""
    diagonal = np.diagonal(values, axis1=1, axis2=2)
    others = _off_diagonal(values)
    if not len(others):
        raise RequestError(f"{where}: no pair of different images has a value")
    margin = _TOLERANCE * (others.max() - others.min())
    with np.errstate(invalid="ignore"):
        if kind == "dissimilarity":
            wrong, bound, end = diagonal > others.min() + margin, others.min(), "above the lowest"
        else:
            wrong, bound, end = diagonal < others.max() - margin, others.max(), "below the highest"
    if wrong.any():
        images = [names[i] for i in np.flatnonzero(wrong.any(0))]
        more = f" and {len(images) - _LISTED} more" if len(images) > _LISTED else ""
        raise RequestError(
            f"{where}: expected the {kind} of an image with itself to end the scale, but it is "
            f"{end} value between different images ({bound:g}) for "
            f"{', '.join(images[:_LISTED])}{more}; correct the diagonal, leave it empty, or say "
            "what the values are with `kind`"
        )


def _off_diagonal(values: Array) -> Array:
    others = values[:, ~np.eye(values.shape[1], dtype=bool)]
    return others[np.isfinite(others)]


def _refuse_constant(values: Array, where: str) -> None:
    others = _off_diagonal(values)
    if others.max() - others.min() <= 1e-12 * np.abs(others).max():
        raise RequestError(
            f"{where}: all pairs have the same value ({others[0]:g}), so there is nothing to "
            "compare with; judgments that differ between pairs are needed"
        )


def _turned_round(values: Array) -> Array:
    """Similarities as dissimilarities: what the scale ends at minus the value."""
    diagonal = np.diagonal(values, axis1=1, axis2=2)
    known = diagonal[np.isfinite(diagonal)]
    others = _off_diagonal(values)
    # Correlations and other coefficients end at 1 even where their diagonal is not given.
    top = known.max() if len(known) else (1.0 if np.abs(others).max() <= 1 else others.max())
    return top - values


def _missing(dissimilarity: Array) -> int:
    upper = np.triu(np.ones(dissimilarity.shape[1:], dtype=bool), 1)
    return int(np.isnan(dissimilarity[:, upper]).sum())


def _require_known(names: Sequence[str], folder: Folder) -> None:
    reasons = [(name, folder.why_not(name)) for name in names]
    unknown = [f"{name} {reason}" for name, reason in reasons if reason is not None]
    if unknown:
        more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
        raise RequestError(
            f"{len(unknown)} of {len(names)} judged images cannot be found: "
            f"{'; '.join(unknown[:_LISTED])}{more}; names in the judgments are relative to the "
            "folder of images"
        )
