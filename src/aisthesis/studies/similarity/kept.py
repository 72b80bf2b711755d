"""What is kept of one backbone's alignment with people, from which tables and maps are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aisthesis.importance.similarity import AlignmentScores, TripletScores, Validation
from aisthesis.store.files import plain_errors
from aisthesis.store.whole import whole_file

__all__ = ["SHARPNESS", "Aligned", "read_aligned", "write_aligned"]

_COLUMN, _TRIPLETS = "validation.", "triplets."
#: How sharp choices among three are, in the file, where there are any.
SHARPNESS = f"{_TRIPLETS}sharpness"
_AS_THEY_ARE = ("order", "sizes", "curve", "retained", "embeddings", "human", "network", "kept")


@dataclass(frozen=True)
class Aligned:
    """What one backbone's alignment study gives.

    Attributes
    ----------
    scores : AlignmentScores
        Over all images.
    order : (C,)
        Channels by falling AIS.
    sizes, curve : (G,)
        Numbers of retained channels, and the agreement on all images with each.
    retained : (n,)
        Channels that maximise it, best first.
    how : str
        `columns` or `ablate`.
    validation : Validation
    embeddings : (N, D)
        Of the intact network.
    human, network, kept : (N, N)
        Dissimilarities of people, of the intact and of the retained embeddings.
    triplets : TripletScores or None
        Where choices among three images were judged.
    record : dict
        For provenance; empty where the rest is read from its file.
    """

    label: str
    scores: AlignmentScores
    order: NDArray[np.intp]
    sizes: NDArray[np.intp]
    curve: NDArray[np.float64]
    retained: NDArray[np.intp]
    how: str
    validation: Validation
    embeddings: NDArray[np.float64]
    human: NDArray[np.float64]
    network: NDArray[np.float64]
    kept: NDArray[np.float64]
    triplets: TripletScores | None = None
    record: dict[str, Any] = field(default_factory=dict)


def write_aligned(file: Path, aligned: Aligned) -> None:
    """Write all but the record, to the bit."""
    scores, validation = aligned.scores, aligned.validation
    arrays: dict[str, Any] = {
        "agreement": scores.agreement,
        "data_set": scores.data_set,
        "image_agreement": scores.image_agreement,
        "image": scores.image,
        "n_flat": scores.n_flat,
        "how": aligned.how,
        "train": validation.train,
        "test": validation.test,
        "selected": validation.selected,
    }
    arrays |= {name: getattr(aligned, name) for name in _AS_THEY_ARE}
    if aligned.triplets is not None:
        arrays |= {f"{_TRIPLETS}{name}": value for name, value in vars(aligned.triplets).items()}
    for name, column in validation.table.items():
        arrays[f"{_COLUMN}{name}"] = column.to_numpy()
    with plain_errors(file), whole_file(file) as partial:
        np.savez(partial, **arrays)


def read_aligned(file: Path, label: str) -> Aligned:
    """Read what `write_aligned` has written of a backbone."""
    with np.load(file, allow_pickle=False) as opened:
        held = {name: opened[name] for name in opened.files}
    table, triplets = _named(held, _COLUMN), _named(held, _TRIPLETS)
    return Aligned(
        label=label,
        scores=AlignmentScores(
            agreement=float(held["agreement"]),
            data_set=held["data_set"],
            image_agreement=held["image_agreement"],
            image=held["image"],
            n_flat=int(held["n_flat"]),
        ),
        how=str(held["how"]),
        validation=Validation(
            table=pd.DataFrame(table),
            sizes=held["sizes"],
            train=held["train"],
            test=held["test"],
            selected=held["selected"],
        ),
        triplets=None if not triplets else TripletScores(**triplets),
        **{name: held[name] for name in _AS_THEY_ARE},
    )


def _named(held: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Arrays whose names begin with a prefix, without it."""
    found = {k.removeprefix(prefix): held[k] for k in held if k.startswith(prefix)}
    return {k: v if v.ndim else float(v) for k, v in found.items()}
