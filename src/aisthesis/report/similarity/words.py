"""What an alignment report says in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from aisthesis.judgments.similarity.second_order import MEASURE_WORDS
from aisthesis.report.similarity.record import AlignmentRecord
from aisthesis.report.words.wording import and_list, count, number, span
from aisthesis.report.words.wording import p_value as common_p_value

__all__ = ["cautions", "methods", "observations", "p_value", "references"]


def p_value(p: float) -> str:
    """Say a p value."""
    return common_p_value(p).replace(" 0.", " .")


def observations(record: AlignmentRecord) -> list[str]:
    """The answer in sentences, made from the numbers."""
    table = record.tables["alignment"]
    said = []
    for _, row in table.iterrows():
        said.append(_agreement(row, len(table) > 1))
        said.append(_validation(row, len(table) > 1))
        if "triplet_share" in table.columns:
            said.append(_triplets(row, len(table) > 1))
    first = table.iloc[0]
    if np.isfinite(first[["ceiling_lower", "ceiling_upper"]].to_numpy(dtype=float)).all():
        said.append(
            f"The {int(first['n_subjects'])} subjects agree with each other only so far: a model "
            f"of them can be expected to reach a mean agreement with single subjects between "
            f"{number(first['ceiling_lower'])} and {number(first['ceiling_upper'])}."
        )
    elif first["n_subjects"] > 1:
        said.append("There is no noise ceiling: the subjects’ agreement is undefined.")
    else:
        said.append("There is no noise ceiling: it needs the judgments of several subjects.")
    return said


def _agreement(row: pd.Series, several: bool) -> str:
    name = f"{row['backbone']}: the" if several else "The"
    images = count(int(row["n_images"]), "image")
    if not np.isfinite(row["agreement"]):
        return (
            f"{name} agreement of the similarities that the network computes between {images} with "
            "the mean human judgments is undefined."
        )
    said = (
        f"{name} similarities that the network computes between {images} "
        f"agree with the mean human judgments at {number(row['agreement'])} "
        f"({MEASURE_WORDS[row['measure']]} over {count(int(row['n_pairs']), 'pair')})"
    )
    if np.isfinite(row["agreement_subjects"]) and row["n_subjects"] > 1:
        said += f", and with single subjects at {number(row['agreement_subjects'])} on average"
    return said + "."


def _triplets(row: pd.Series, several: bool) -> str:
    """Say how many choices among three images are predicted, beside chance and ceiling."""
    name = f"{row['backbone']}: the" if several else "The"
    n = f"{row['n_triplets']:,.0f} choices among three images"
    if not np.isfinite(row["triplet_share"]):
        return f"{name} share of {n} that the similarities predict is undefined."
    interval = span(row["triplet_share_low"], row["triplet_share_high"])
    said = (
        f"{name} similarities predict {number(row['triplet_share'])} of {n} "
        f"({f'95% interval {interval}' if interval else 'no interval'}; "
        f"{number(row['triplet_chance'])} is chance)"
    )
    bounds = row[["triplet_share_repeated", "triplet_ceiling_lower", "triplet_ceiling_upper"]]
    if not np.isfinite(bounds.to_numpy(dtype=float)).all():
        return f"{said}; no question was answered twice, so there is no ceiling for it."
    share, low, high = map(number, bounds)
    return (
        f"{said}; of the {row['n_triplets_repeated']:,.0f} answers to questions that were "
        f"answered more than once they predict {share}, the majority of the other answers {low}, "
        f"and nothing can predict more than {high}."
    )


def _validation(row: pd.Series, several: bool) -> str:
    mean = row["n_retained_mean"]
    change = row["difference"]
    where = f"{row['backbone']}: on held-out images" if several else "On held-out images"
    if not np.isfinite(change):
        return f"{where} the agreement is undefined."
    interval = span(row["difference_low"], row["difference_high"], 3)
    certain = row["difference_low"] > 0 or row["difference_high"] < 0
    verdict = (
        "more than the folds’ variation explains"
        if certain
        else "which the variation between folds could also bring about"
    )
    if not interval:
        interval, verdict = "not known", "without an interval it may be chance"
    return (
        f"{where}, keeping {mean:.0f} of {int(row['n_channels'])} channels on average "
        f"changes R² from {number(row['r2_full'], 3)} to {number(row['r2_retained'], 3)}: a "
        f"difference of {number(change, 3)} (95% interval {interval}; p {p_value(row['p'])}), "
        f"better in {int(row['n_better'])} of {int(row['n_folds'])} folds, {verdict}."
    )


def cautions(record: AlignmentRecord, unreadable: dict[str, str]) -> list[dict[str, Any]]:
    """What a reader must know before the numbers."""
    found: list[dict[str, Any]] = []
    judged = record.provenance.get("judgments", {})
    if judged.get("inferred"):
        taken = {"similarity": "similarities", "mixed": "similarities and dissimilarities"}.get(
            judged["given_as"], "dissimilarities"
        )
        why = judged["inferred"].replace("'", "’")
        found.append(
            {
                "serious": False,
                "text": f"The judgments were taken as {taken}, because {why}. If that is wrong, "
                "set the key kind in the study file.",
            }
        )
    if judged.get("n_missing"):
        found.append(
            {
                "serious": False,
                "text": f"{count(int(judged['n_missing']), 'judgment')} of pairs "
                f"{'is' if judged['n_missing'] == 1 else 'are'} missing, counted over subjects; "
                f"{count(int(judged.get('n_pairs_nobody_judged', 0)), 'pair')} nobody judged. "
                "Everything here rests on the pairs that were.",
            }
        )
    for label, facts in record.provenance.get("backbones", {}).items():
        warning = (facts.get("weights") or {}).get("warning")
        if warning:
            found.append({"serious": True, "text": f"{label}: {warning}."})
        if facts.get("images_without_place_map"):
            n = int(facts["images_without_place_map"])
            found.append(
                {
                    "serious": False,
                    "text": f"{label}: {count(n, 'image has', 'images have')} no map by place, "
                    "because its own agreement with people is undefined (with fewer than three "
                    "judged pairs, say) or its embedding is constant without some place.",
                }
            )
        if facts.get("images_without_map"):
            n = int(facts["images_without_map"])
            found.append(
                {
                    "serious": False,
                    "text": f"{label}: {count(n, 'image has', 'images have')} no heatmap, because "
                    "no channel’s removal makes it agree less with people, or its agreement is "
                    "undefined.",
                }
            )
    skipped = record.provenance.get("images", {}).get("skipped") or []
    if skipped:
        names = and_list([f"{s['image']} ({s['reason']})" for s in skipped])
        found.append({"serious": True, "text": f"Left out: {names}."})
    if unreadable:
        found.append(
            {
                "serious": False,
                "text": f"Photographs that cannot be shown: {and_list(list(unreadable))}.",
            }
        )
    return found


_REMOVALS = {
    "ablate": "the channel's output is set to zero and everything after it is computed again, "
    "exactly",
    "delete": "the entries of the embedding that depend on the channel are left out",
}
_RETAINED = {
    "columns": "only the entries of the embedding that depend on a retained channel are kept",
    "ablate": "the channels that are not retained are set to zero and everything after them is "
    "computed again",
}


def methods(record: AlignmentRecord) -> list[str]:
    """How everything was computed."""
    config = record.config
    measure = MEASURE_WORDS[config["measure"]]
    how = record.tables["alignment"].set_index("backbone")["retained_by"]
    ways = (
        [f"{label}: {_RETAINED[way]}" for label, way in how.items()]
        if how.nunique() > 1
        else [_RETAINED[how.iloc[0]]]
    )
    layers = [
        f"{label} reads {facts.get('network')} at {facts.get('layer')} "
        f"(embedding of {facts.get('embedding')} entries; {facts['ablation']['plan']}"
        f"{' ' + facts['places']['plan'] if 'places' in facts else ''})"
        for label, facts in record.provenance.get("backbones", {}).items()
        if "ablation" in facts
    ]
    folds, repeats = config["folds"], config["repeats"]
    return [
        "Z is the embedding of each image, S the Pearson correlations between the rows of Z, H the "
        f"mean human judgments. Agreement is {measure} between S and H over all pairs of "
        "different images that were judged.",
        "The alignment importance (AIS) of a channel is the agreement minus the agreement with the "
        f"channel removed for all images: {_REMOVALS[config['removal']]}. An image's own "
        "importance compares only its row of S with its row of H, with the channel set to zero "
        "for that image alone; the other images keep theirs.",
        f"A heatmap by channel is the mean of the layer’s channels{_after_relu(record)}, weighted "
        "by their share of the image’s positive importance. A heatmap by place is what the image’s "
        "own agreement loses when a place of the layer is removed in all channels, in that image "
        "alone, and everything after it is computed again. The values are shown as they are: white "
        "at zero, red above it, blue below it; full colour is each map’s own strongest value.",
        f"Validation: {folds} folds, {repeats} times. In each, channels are ranked by their AIS on "
        "the training images; the number of channels that maximises the agreement on the training "
        "images is retained; R² is the squared agreement on the pairs of held-out images (with "
        f"the agreement’s sign). For retention, {'; '.join(ways)}. No held-out image takes part in "
        "ranking or in choosing the number.",
        "Intervals and p values are those of the corrected resampled t test: the folds share "
        "training images, so the variance of the mean is (1/J + n_test/n_train) times that of the "
        "J folds. They say how far the result depends on which images are held out, not on which "
        "people judged.",
        "The noise ceiling bounds the mean agreement with single subjects: from below by each "
        "subject's agreement with the others' pooled judgments, from above with everybody's.",
        "Planes: metric multidimensional scaling (SMACOF from a classical start), turned and "
        "mirrored onto the human one (Procrustes) and brought to one size.",
        *[f"{layer}." for layer in layers],
    ]


def _after_relu(record: AlignmentRecord) -> str:
    """Name the backbones whose layer is taken after the ReLU that follows it."""
    backbones = record.provenance.get("backbones", {})
    labels = [label for label, facts in backbones.items() if facts.get("rectified")]
    return f" (after the ReLU that follows it: {and_list(labels)})" if labels else ""


def references(record: AlignmentRecord) -> list[str]:
    """What the methods come from."""
    listed = [
        "Truong, N., Pesenti, D., & Hasson, U. Explaining human comparisons using "
        "alignment-importance heatmaps. arXiv 2409.16292.",
        "Kriegeskorte, N., Mur, M., & Bandettini, P. (2008). Representational similarity analysis. "
        "Frontiers in Systems Neuroscience 2, 4.",
        "Nili, H., et al. (2014). A toolbox for representational similarity analysis. PLoS "
        "Computational Biology 10, e1003553.",
        "Nadeau, C., & Bengio, Y. (2003). Inference for the generalization error. Machine Learning "
        "52, 239–281.",
    ]
    if record.config["measure"] == "whitened_cosine":
        listed.append(
            "Diedrichsen, J., et al. (2020). Comparing representational geometries using whitened "
            "unbiased-distance-matrix similarity. arXiv 2007.02789."
        )
    return listed
