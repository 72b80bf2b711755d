"""Networks, their input and the training of their heads, in words ready for a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aisthesis.report.words.wording import and_list, count, count_word

__all__ = ["ENSEMBLES", "heads_text", "networks_text", "scores_text"]

ENSEMBLES = {
    "ensemble": "their plain mean (ensemble)",
    "ensemble_stacking": "weights, none below zero, that a ridge regression learnt on out-of-fold "
    "predictions of the images that are not test images (ensemble_stacking)",
}
_VIEWS = {
    "crop": "resized to {resize} pixels ({how}), of which the central {crop} were read",
    "squash": "squashed to {crop} pixels ({how})",
    "pad": "resized ({how}) to fit into {crop} pixels, with bars beside them",
}


def networks_text(provenance: Mapping[str, Any], labels: Sequence[str]) -> str:
    """Say which network each is, its weights, its target layer, and what it read of a photograph.

    Parameters
    ----------
    provenance
        `provenance.json`.
    labels
        Networks, without ensembles.
    """
    known = {label: provenance.get("backbones", {}).get(label) or {} for label in labels}
    said = [f"{label}, {text}" for label, facts in known.items() if (text := _network(facts))]
    text = f"Networks: {'; '.join(said)}." if said else ""
    read: dict[str, list[str]] = {}
    for label, facts in known.items():
        if facts.get("transform"):
            read.setdefault(_transform(facts["transform"]), []).append(label)
    parts = [
        f"For {'all networks' if len(read) == 1 and len(labels) > 1 else and_list(who)} "
        f"photographs were {how}."
        for how, who in read.items()
    ]
    return " ".join([text, *parts]).strip()


def _network(facts: Mapping[str, Any]) -> str:
    weights = facts.get("weights") or {}
    if not facts.get("network"):
        return ""
    text = str(facts["network"])
    if weights.get("kind") == "random":
        text += " with random weights"
    elif weights.get("source"):
        text += f" with the weights {str(weights['source']).rsplit('/', 1)[-1]}"
        text += f" (SHA-256 {str(weights['sha256'])[:12]})" if weights.get("sha256") else ""
    if facts.get("predicts_only"):
        return f"{text}, used for prediction alone"
    if facts.get("layer"):
        shape = " × ".join(f"{int(n):,}" for n in facts.get("map_shape") or ())
        text += f", explained at the output of {facts['layer']}"
        text += f" ({shape})" if shape else ""
    return text


def _transform(facts: Mapping[str, Any]) -> str:
    how = _VIEWS[str(facts.get("view", "crop"))].format(
        resize=_side(facts.get("resize_px"), shorter=True),
        crop=_side(facts.get("crop_px")),
        how=f"{facts.get('interpolation', 'bilinear')}, antialiased",
    )
    fill = f" ({facts['fill']})" if facts.get("fill") else ""
    mean, sd = (", ".join(f"{v:g}" for v in facts.get(name) or ()) for name in ("mean", "std"))
    scaled = f", and normalised by channel (means {mean}; SDs {sd})" if mean and sd else ""
    return f"{how}{fill}{scaled}"


def _side(px: Any, *, shorter: bool = False) -> str:
    if isinstance(px, list | tuple):
        return " × ".join(f"{int(n)}" for n in px)
    return f"a shorter side of {px}" if shorter else f"{px} × {px}"


def heads_text(
    provenance: Mapping[str, Any], config: Mapping[str, Any], labels: Sequence[str]
) -> str:
    """Say how heads were trained, combined and scored.

    Parameters
    ----------
    provenance, config
        `provenance.json` and `study.toml`.
    labels
        Networks and ensembles.
    """
    ensembles = [label for label in labels if label in ENSEMBLES]
    labels = [label for label in labels if label not in ENSEMBLES]
    networks = "network was" if len(labels) == 1 else "networks were"
    fit = config.get("fit") or {}
    units = f" ({fit['hidden']} units, dropout {fit['dropout']:g})" if fit.get("hidden") else ""
    head = f"a head of one hidden layer{units}"
    if fit.get("head"):
        head = f"a head of the authors’ own ({fit['head']})"
    seeds = int((provenance.get("splits") or {}).get("seeds") or config.get("seeds") or 1)
    many = (
        f"; {count(seeds, 'head was', 'heads were')} trained per network, each with its own "
        "initialisation and its own training and validation images, and their predictions averaged"
        if seeds > 1
        else "; one head was trained per network"
    )
    first = config.get("seed")
    if first is not None:
        many += f" (seeds {first} to {first + seeds - 1})" if seeds > 1 else f" (seed {first})"
    members = (provenance.get("ensemble") or {}).get("members", labels)
    ways = [ENSEMBLES[label] for label in ensembles]
    combined = (
        f" The predictions of {and_list([str(label) for label in members])} were combined by "
        f"{and_list(ways)}."
        if ways
        else ""
    )
    return (
        f"{count_word(len(labels))} {networks} used as frozen feature extractors in evaluation "
        "mode. The embedding, standardised by the mean and SD of the training images, feeds "
        f"{head} that predicts the standardised rating under squared error"
        f"{many}.{_training(provenance, fit)}{combined} Predictions are given on the scale of the "
        "ratings. A ridge regression on the same embedding, its penalty chosen on the validation "
        "images, serves as a baseline."
    )


def _training(provenance: Mapping[str, Any], fit: Mapping[str, Any]) -> str:
    """Say how a head begins, what trains it and when it stops; empty where that is not known."""
    text = ""
    begun = provenance.get("head_start") or {}
    if begun:
        text += (
            f" Hidden weights began at {begun['scale']:g} times PyTorch’s default initialisation, "
            f"hidden biases between 0 and {begun['bias']:g}."
        )
    if not fit.get("learning_rate"):
        return text
    text += (
        f" AdamW (learning rate {fit['learning_rate']:g}, weight decay {fit['weight_decay']:g}, "
        f"batches of {fit['batch_size']}) trained it for at most {fit['epochs']} epochs, with "
        f"early stopping after {fit['patience']} without a lower error on the validation images; "
        "the best epoch was kept"
    )
    best = [
        int(epoch)
        for facts in provenance.get("backbones", {}).values()
        for epoch in facts.get("best_epochs") or ()
    ]
    if best:
        ends = f"{min(best)}" if min(best) == max(best) else f"{min(best)} to {max(best)}"
        text += f" ({ends} over all heads)"
    return f"{text}."


def scores_text(config: Mapping[str, Any], compared: bool) -> str:
    """Say how predictions are scored and compared, with what intervals.

    Parameters
    ----------
    config
        `study.toml`.
    compared
        Whether the study holds differences of predictions.
    """
    draws = config.get("bootstrap")
    how = f"the bootstrap ({draws:,} draws)" if draws else "the bootstrap"
    intervals = "" if draws == 0 else (
        ", each with a 95% interval over images: studentised by the jackknife on Fisher’s z for "
        f"correlations and on log(1 − R²), by {how} for the errors"
    )  # fmt: skip
    text = (
        "Reported are Spearman’s (SRCC), Pearson’s (PLCC) and Kendall’s tau-b (KRCC) correlation, "
        f"root mean squared (RMSE) and mean absolute (MAE) error and R²{intervals}."
    )
    if compared:
        text += (
            " Networks, and the head and ridge regression, are compared on the same images by "
            "what each image adds to a score (its jackknife pseudo-value), corrected over all that "
            "are compared: by the largest studentised difference of each bootstrap draw, with "
            "fewer than 20 images by Bonferroni’s correction of Student’s t."
        )
    return text + (
        "" if draws == 0 else " No interval covers other seeds, splits, networks or people."
    )
