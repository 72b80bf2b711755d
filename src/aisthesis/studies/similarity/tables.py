"""The tables of an alignment study."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.config import AlignmentConfig
from aisthesis.importance.similarity import paired_test, signed_square
from aisthesis.judgments.similarity.ceiling import agreement_with_subjects, similarity_ceiling
from aisthesis.judgments.similarity.second_order import valid_pairs
from aisthesis.judgments.similarity.triplet_shares import triplet_ceiling
from aisthesis.names.labels import slug
from aisthesis.store.alignment_folder import AlignmentFolder
from aisthesis.store.files import plain_errors, write_csv
from aisthesis.store.whole import whole_file
from aisthesis.studies.similarity.inputs import AlignmentInputs
from aisthesis.studies.similarity.kept import Aligned

__all__ = ["write_alignment_tables"]


def write_alignment_tables(
    folder: AlignmentFolder,
    config: AlignmentConfig,
    inputs: AlignmentInputs,
    results: Sequence[Aligned],
) -> Iterator[str]:
    """Write the study's tables and the matrices that they rest on; give a line on each backbone."""
    ceiling = similarity_ceiling(inputs.similarities.dissimilarity, measure=config.measure)
    rows = [
        _alignment_row(config, inputs, result)
        | {"ceiling_lower": ceiling.lower, "ceiling_upper": ceiling.upper}
        for result in results
    ]
    write_csv(folder.alignment, pd.DataFrame(rows))
    write_csv(folder.channels, pd.concat([_channels(r) for r in results], ignore_index=True))
    write_csv(
        folder.images_table, pd.concat([_images(inputs, r) for r in results], ignore_index=True)
    )
    validation = [r.validation.table.assign(backbone=r.label) for r in results]
    table = pd.concat(validation, ignore_index=True)
    write_csv(folder.validation, table[["backbone", *table.columns.drop("backbone")]])
    write_csv(folder.retention_curve, pd.concat([_curve(r) for r in results], ignore_index=True))
    _write_matrices(folder, inputs, results)
    for row in rows:
        yield (
            f"{row['backbone']}: agreement {row['agreement']:.3f}; held-out R² "
            f"{row['r2_full']:.3f} with all {row['n_channels']} channels, "
            f"{row['r2_retained']:.3f} with {row['n_retained_mean']:.0f} retained (difference "
            f"{row['difference']:.3f}, 95% interval {row['difference_low']:.3f} to "
            f"{row['difference_high']:.3f})"
        )


def _alignment_row(
    config: AlignmentConfig, inputs: AlignmentInputs, result: Aligned
) -> dict[str, Any]:
    human = inputs.human
    table = result.validation.table
    # Folds differ by one image at most; the mean sizes stand for all.
    share = float(table["n_test"].mean() / table["n_train"].mean())
    subjects = inputs.similarities.dissimilarity
    measure = config.measure
    best = int(np.flatnonzero(result.sizes == len(result.retained))[0])
    row: dict[str, Any] = {
        "backbone": result.label,
        "measure": measure,
        "removal": config.removal,
        "retained_by": result.how,
        "n_images": len(inputs.names),
        "n_subjects": len(subjects),
        "n_pairs": int(valid_pairs(human).sum()) // 2,
        "n_missing": inputs.similarities.n_missing,
        "n_flat": result.scores.n_flat,
        "n_channels": len(result.order),
        "agreement": result.scores.agreement,
        "agreement_subjects": _mean_with_subjects(result.network, subjects, measure),
        "n_retained": len(result.retained),
        "agreement_retained": result.curve[best],
        "agreement_retained_subjects": _mean_with_subjects(result.kept, subjects, measure),
        "n_folds": len(table),
        "n_retained_mean": table["n_retained"].mean(),
        "n_retained_min": table["n_retained"].min(),
        "n_retained_max": table["n_retained"].max(),
    }
    for name in ("r2_full", "r2_retained", "difference"):
        test = paired_test(table[name].to_numpy(), share)
        row |= {name: test.mean, f"{name}_low": test.low, f"{name}_high": test.high}
    row |= {"t": test.t, "p": test.p, "n_better": test.n_better}
    return row | _triplet_columns(inputs, result)


def _triplet_columns(inputs: AlignmentInputs, result: Aligned) -> dict[str, Any]:
    """How many choices among three images the similarities predict, beside what anything could."""
    scores, choices = result.triplets, inputs.choices
    if scores is None or choices is None:
        return {}
    ceiling = triplet_ceiling(choices)
    return {
        "n_triplets": float(choices.weight.sum()),
        "n_triplets_left_out": choices.n_left_out,
        "triplet_share": scores.share,
        "triplet_share_low": scores.low,
        "triplet_share_high": scores.high,
        "triplet_chance": choices.chance,
        "triplet_share_retained": choices.share(1 - result.kept),
        "n_triplets_repeated": ceiling.n,
        "triplet_share_repeated": ceiling.repeated.share(1 - result.network),
        "triplet_ceiling_lower": ceiling.lower,
        "triplet_ceiling_upper": ceiling.upper,
        "triplet_log_likelihood": scores.log_likelihood,
        "triplet_sharpness": scores.sharpness,
    }


def _mean_with_subjects(network: Any, subjects: Any, measure: str) -> float:
    values = agreement_with_subjects(network, subjects, measure=measure)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan


def _channels(result: Aligned) -> pd.DataFrame:
    n = len(result.order)
    rank = np.empty(n, dtype=np.intp)
    rank[result.order] = np.arange(1, n + 1)
    image = result.scores.image
    defined = np.isfinite(image)
    total = np.where(defined, image, 0.0).sum(0)
    return pd.DataFrame(
        {
            "backbone": result.label,
            "channel": np.arange(n),
            "importance": result.scores.data_set,
            "rank": rank,
            "retained": np.isin(np.arange(n), result.retained),
            "share_of_folds": result.validation.selected.mean(0),
            "mean_image_importance": total / np.maximum(defined.sum(0), 1),
        }
        | _triplet_importance(result)
    )


def _triplet_importance(result: Aligned) -> dict[str, Any]:
    if result.triplets is None:
        return {}
    return {
        "triplet_importance": result.triplets.data_set,
        "triplet_likelihood_importance": result.triplets.likelihood,
    }


def _images(inputs: AlignmentInputs, result: Aligned) -> pd.DataFrame:
    pairs = valid_pairs(inputs.human).sum(1).astype(int)
    return pd.DataFrame(
        {
            "backbone": result.label,
            "image": inputs.names,
            "n_pairs": pairs,
            "agreement": result.scores.image_agreement,
        }
    )


def _curve(result: Aligned) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "backbone": result.label,
        "n_retained": result.sizes,
        "agreement": result.curve,
    }
    for part in ("train", "test"):
        values = signed_square(getattr(result.validation, part))
        counts = np.isfinite(values).sum(0)
        mean = np.where(counts > 0, np.nansum(values, 0) / np.maximum(counts, 1), np.nan)
        spread = np.nansum((values - mean) ** 2, 0) / np.maximum(counts - 1, 1)
        columns[f"r2_{part}"] = mean
        columns[f"r2_{part}_sd"] = np.where(counts > 1, np.sqrt(spread), np.nan)
    return pd.DataFrame(columns)


def _write_matrices(
    folder: AlignmentFolder, inputs: AlignmentInputs, results: Sequence[Aligned]
) -> None:
    arrays: dict[str, Any] = {"images": np.array(inputs.names), "human": inputs.human}
    for result in results:
        arrays[f"{slug(result.label)}.network"] = result.network
        arrays[f"{slug(result.label)}.retained"] = result.kept
    with plain_errors(folder.dissimilarities), whole_file(folder.dissimilarities) as partial:
        np.savez_compressed(partial, **arrays)
