"""Methods and references in words ready for a paper, drawn from what the study records."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.folder.selection import metric_names
from aisthesis.report.sentences.methods_explainers import CORRECTED, explainers_text, tests_text
from aisthesis.report.sentences.methods_fit import heads_text, networks_text, scores_text
from aisthesis.report.sentences.methods_inference import (
    SPEARMAN_BROWN,
    inference_references,
    inference_text,
)
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.wording import (
    and_list,
    as_number,
    capitalised,
    ceiling_interval,
    count,
    number,
    percent,
    rating_text,
    span,
)

__all__ = ["methods_text", "references"]

_ALWAYS = (
    "Truong, N., Pesenti, D., & Hasson, U. (2025). Explaining human comparisons using "
    "alignment-importance heatmaps. Computational Brain & Behavior, 8(3), 421–441. "
    "arXiv:2409.16292.",
    "Paszke, A., Gross, S., Massa, F., et al. (2019). PyTorch: An imperative style, "
    "high-performance deep learning library. NeurIPS 32.",
    "Efron, B., & Tibshirani, R. J. (1993). An introduction to the bootstrap. Chapman & Hall.",
)
_SSIM = (
    "Wang, Z., Bovik, A. C., Sheikh, H. R., & Simoncelli, E. P. (2004). Image quality assessment: "
    "From error visibility to structural similarity. IEEE Transactions on Image Processing, 13(4), "
    "600–612."
)
_NETWORKS = {
    "vgg": "Simonyan, K., & Zisserman, A. (2015). Very deep convolutional networks for large-scale "
    "image recognition. ICLR.",
    "resnet": "He, K., Zhang, X., Ren, S., & Sun, J. (2016). Deep residual learning for image "
    "recognition. CVPR, 770–778.",
    "densenet": "Huang, G., Liu, Z., van der Maaten, L., & Weinberger, K. Q. (2017). Densely "
    "connected convolutional networks. CVPR, 4700–4708.",
    "efficientnet": "Tan, M., & Le, Q. V. (2019). EfficientNet: Rethinking model scaling for "
    "convolutional neural networks. ICML, 6105–6114.",
    "barlow": "Zbontar, J., Jing, L., Misra, I., LeCun, Y., & Deny, S. (2021). Barlow Twins: "
    "Self-supervised learning via redundancy reduction. ICML, 12310–12320.",
    "inception": "Szegedy, C., Vanhoucke, V., Ioffe, S., Shlens, J., & Wojna, Z. (2016). "
    "Rethinking the Inception architecture for computer vision. CVPR, 2818–2826.",
    "squeezenet": "Iandola, F. N., Han, S., Moskewicz, M. W., Ashraf, K., Dally, W. J., & "
    "Keutzer, K. (2016). SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB "
    "model size. arXiv:1602.07360.",
}  # fmt: skip


_SALIENCY = (
    "Bylinskii, Z., Judd, T., Oliva, A., Torralba, A., & Durand, F. (2019). What do different "
    "evaluation metrics tell us about saliency models? IEEE TPAMI, 41(3), 740–757.",
    "Kümmerer, M., Wallis, T. S. A., & Bethge, M. (2018). Saliency benchmarking made easy: "
    "Separating models, maps and metrics. ECCV, 770–787.",
)
_PEOPLE = {
    "clicks": "Where people clicked is known on photographs; their places, and a density of them "
    "({blur})",
    "densities": "How densely people looked at places is known on photographs; the densities",
    "masks": "What people marked is known on photographs; the masks",
}
_LOOKED = (
    "Where people looked is known on photographs; their places, and a density of them ({blur})"
)
_HUMAN_MAPS = (
    ", are cut to what each network saw. A map is made a saliency map by its positive part, "
    "its negative part or its size, and scored as pysaliency defines NSS, AUC-Judd, shuffled AUC, "
    "CC, KL divergence and SIM. Differences on the same images are taken to a Gaussian around the "
    "centre, to the same network’s maps of other images and, where single people are known, to all "
    "other people’s density, person by person. Intervals are studentised bootstraps over images."
)


def methods_text(record: StudyRecord) -> list[str]:
    """Write the methods section, one paragraph an item.

    Parameters
    ----------
    record : StudyRecord
        The study.

    Returns
    -------
    list of str
        Plain text; a detail the study does not record is not claimed.
    """
    provenance, config, labels = record.provenance, record.config, record.backbones
    metrics = metric_names(record.agreement)
    paragraphs = [
        _data(provenance, config),
        networks_text(provenance, record.networks),
        " ".join(
            [
                heads_text(provenance, config, labels),
                scores_text(config, len(record.prediction_differences) > 0),
            ]
        ),
    ]
    if any(not _facts(provenance, label).get("predicts_only") for label in labels):
        paragraphs += [_maps(provenance), _places(provenance), explainers_text(record)]
    if metrics:
        paragraphs.append(_agreement(metrics, record))
        paragraphs.append(inference_text(record))
    if len(record.localisation):
        paragraphs.append(_localisation(record.localisation, config))
    if len(record.human_maps):
        more = f" {CORRECTED.format('kinds of map')}" if "p_corrected" in record.human_maps else ""
        paragraphs.append(_human_maps(config) + more)
    paragraphs.append(tests_text(record))
    return [text for text in paragraphs if text]


def _human_maps(config: dict[str, Any]) -> str:
    asked = config.get("human_maps") or {}
    asked = asked if isinstance(asked, dict) else {}  # a path alone
    blur = asked.get("blur_px")
    sd = f"{blur:g} px" if blur else "a 30th of the longer side"
    start = _PEOPLE.get(str(asked.get("kind")), _LOOKED)
    return start.format(blur=f"a Gaussian each, of an SD of {sd}") + _HUMAN_MAPS


def _localisation(table: pd.DataFrame, config: dict[str, Any]) -> str:
    found = set(table["map"]) | set(table.get("control", [])) if "map" in table else set()
    text = (
        "Where masks say which pixels hold evidence, a map is scored by the probability that a "
        "pixel of evidence has a higher value than another (pixel AUC), by the share of its "
        "positive mass on evidence, and by whether its highest pixel is on evidence (pointing "
        "game); signed maps are negated where evidence that lowers the rating is sought. The same "
        "scores of a Gaussian around the centre and of the layer’s mean activation"
    )
    if "random_weights" in found:
        n = config.get("randomised")
        which = f" ({count(int(n), 'draw')} of them)" if n else ""
        text += f", and of maps of the same network with random weights{which},"
    text += " serve as controls on the same images."
    return text + (f" {CORRECTED.format('kinds of map')}" if "p_corrected" in table else "")


def _facts(provenance: dict[str, Any], label: str) -> dict[str, Any]:
    facts: dict[str, Any] = provenance.get("backbones", {}).get(label, {})
    return facts


_UNRATED = {
    "ignore": "Images without a rating were left out. ",
    "explain": "Images without a rating took no part in any fit; they have evidence maps alone. ",
}


def _skipped(n: int) -> str:
    return f"{count(n, 'image')} could not be read and {'was' if n == 1 else 'were'} left out."


def _data(provenance: dict[str, Any], config: dict[str, Any]) -> str:
    images, ratings = provenance.get("images", {}), provenance.get("ratings", {})
    splits = provenance.get("splits", {})
    text = f"The study has {count(int(images.get('n') or 0), 'image')}"
    rated = int(ratings.get("n_images") or 0)
    some = f"{rated:,} of them " if 0 < rated < int(images.get("n") or 0) else ""
    if ratings.get("n_raters"):
        text += f", {some}rated by {count(int(ratings['n_raters']), 'person', 'people')}"
    elif some:
        text += f", {some}rated"
    if ratings.get("min") is not None and ratings.get("max") is not None:
        low, high = float(ratings["min"]), float(ratings["max"])
        ends = [rating_text(end, high - low, 2) for end in (low, high)]
        text += f" (mean ratings from {ends[0]} to {ends[1]})"
    sizes = [
        f"{splits[name]:,} for {words}"
        for name, words in (
            ("train", "training"), ("validation", "early stopping"), ("test", "testing")
        )
        if splits.get(name)
    ]  # fmt: skip
    text += f", split into {and_list(sizes)}. " if sizes else ". "
    if images.get("skipped"):
        text += f"{capitalised(_skipped(len(images['skipped'])))} "
    text += _UNRATED.get(str(config.get("unrated")), "")
    if splits.get("seed") is not None:
        text += _division(config, splits["seed"])
    ceiling = ratings.get("noise_ceiling")
    if ceiling and ceiling.get("correlation") is not None:
        interval = span(*ceiling_interval(ceiling))
        reliability = number(ceiling["reliability"]) + (f" ({interval})" if interval else "")
        limit = number(ceiling["correlation"])
        how = (
            "The reliability of the mean ratings, from the variance of each image’s votes, is "
            if ceiling.get("method") == "votes"
            else "The ratings are a Bradley–Terry scale of choices between images; its split-half "
            "reliability, Spearman–Brown corrected, is "
            if ceiling.get("method") == "choices"
            else "The split-half reliability of the mean ratings, Spearman–Brown corrected, is "
        )
        text += (
            f"{how}R = {reliability}; a correlation with the mean rating cannot be expected above "
            f"√R = {limit}."
        )
    return text.strip()


def _division(config: dict[str, Any], seed: int) -> str:
    """How images were divided into those that heads learn from, stop by and are tested on."""
    test, validation = (as_number(config.get(name)) for name in ("test", "validation"))
    runs = (
        "images in the order of their ratings are cut into as many equal runs as images are "
        "wanted, and one is drawn from each"
    )
    stopping = f"{percent(validation)} of the others for early stopping"
    if config.get("split"):
        share = f" ({stopping})" if math.isfinite(validation) else ""
        return (
            "The test images were named in a file and never change. The division of the others "
            f"is stratified by rating: {runs}{share}. "
        )
    share = f" ({percent(test)} of the rated images; {stopping})"
    return (
        f"The test images were drawn once with seed {seed} and never change. Both divisions are "
        f"stratified by rating: {runs}{share if math.isfinite(test + validation) else ''}. "
    )


def _maps(provenance: dict[str, Any]) -> str:
    explained = provenance.get("explained") or {}
    which = {"all": "all images", "test": "the test images"}.get(str(explained.get("which")))
    start = (
        f"Explained were {which} ({count(int(explained['n']), 'image')}). "
        if which and explained.get("n")
        else ""
    )
    seeds = int(provenance.get("splits", {}).get("seeds") or 1)
    averaged = "averaged over heads, " if seeds > 1 else ""
    return start + (
        "For image i and channel c of the target layer’s output, the channel is set to zero and "
        "everything after the layer computed again, which gives the prediction f(i, −c). With "
        "Δp = f(i, −c) − f(i) and Δr = |f(i, −c) − y(i)| − |f(i) − y(i)|, the alignment-importance "
        "score is AIS(i, c) = sign(Δr) · |Δp|: positive where removing the channel makes the "
        "prediction worse. The evidence score is E(i, c) = −Δp: positive where the channel raises "
        "the predicted rating. A heatmap by channel is the sum over channels of the score times "
        "the rectified activation, at the layer’s resolution. For comparison maps are "
        f"{averaged}resampled bilinearly to 224 × 224 pixels (half-pixel centres, "
        "no antialiasing) and z-scored over the pixels of the image, or of the part of the "
        "photograph that both networks saw where their crops differ; constant maps are undefined "
        "in every metric and counted."
    )


def _places(provenance: dict[str, Any]) -> str:
    """Describe maps by place, with the window and the replacement that each network had."""
    records = {
        label: facts["places"]
        for label, facts in provenance.get("backbones", {}).items()
        if facts.get("places") and not facts.get("predicts_only")
    }
    if not records:
        return ""
    windows: dict[int, list[str]] = {}
    for label, one in records.items():
        windows.setdefault(int(one.get("window") or 1), []).append(label)
    areas = [_window(size, labels, alone=len(windows) == 1) for size, labels in windows.items()]
    means = [label for label, one in records.items() if one.get("replace") == "mean"]
    by = "zero" if not means else "its channel’s mean over the image"
    if means and len(means) < len(records):
        by = f"zero (for {and_list(means)}: its channel’s mean over the image)"
    return (
        "For maps by place all channels of the layer’s output are removed at one place (y, x) of "
        f"it, {and_list(areas)}, each value replaced by {by}, and everything after the layer is "
        "computed again. With Δp(y, x) = f(i, −(y, x)) − f(i), evidence by place is −Δp(y, x), "
        "positive where the place raises the predicted rating, and AIS by place is "
        "sign(|f(i, −(y, x)) − y(i)| − |f(i) − y(i)|) · |Δp(y, x)|. The map is the score itself, "
        "in rating units: no activation and no sign of a channel enters it."
    )


def _window(size: int, labels: list[str], *, alone: bool) -> str:
    area = "by itself" if size == 1 else f"with the window of {size} × {size} places around it"
    return area if alone else f"{area} for {and_list(labels)}"


def _agreement(metrics: list[str], record: StudyRecord) -> str:
    draws, n = record.config.get("bootstrap"), record.agreement.get("n", pd.Series(dtype=float))
    how = f"studentised bootstrap, {draws:,} draws" if draws else "studentised bootstrap"
    over = f" ({_range(n)} a pair)" if n.notna().any() else ""
    intervals = "" if draws == 0 else (
        f" with 95% intervals of the mean ({how}; of fewer than five images Student’s t), which do "
        "not cover other seeds, networks or people"
    )  # fmt: skip
    text = (
        "The maps of every pair of networks were compared image by image "
        f"by {'; '.join(_metric(name) for name in metrics)}. Values are summarised over images"
        f"{over}{intervals}."
    )
    if len(record.differences):
        text += (
            " Pairs, and networks by their mean over pairs, are called different by their "
            "differences on the same images alone, corrected over all that are compared (by the "
            "largest studentised difference of each bootstrap draw; with fewer than 20 images by "
            "Bonferroni’s correction of Student’s t)."
        )
    return text


def _range(n: pd.Series) -> str:
    low, high = int(n.min()), int(n.max())
    return count(low, "image") if low == high else f"{low:,} to {count(high, 'image')}"


def _metric(name: str) -> str:
    """Name a metric with its formula."""
    about = describe(name)
    title, formula = about.title, about.formula
    if not title.startswith(("Pearson", "Spearman")):
        title = title[:1].lower() + title[1:]
    return title + (f" ({formula})" if formula else "")


def references(record: StudyRecord) -> list[str]:
    """List the works that the methods rest on, alphabetically."""
    provenance, metrics = record.provenance, metric_names(record.agreement)
    labels = record.backbones
    names = " ".join(
        [*labels, *(str(_facts(provenance, b).get("network")) for b in labels)]
    ).lower()
    found = [*_ALWAYS, *(text for key, text in _NETWORKS.items() if key in names)]
    if "barlow" in names and "resnet" not in names:
        found.append(_NETWORKS["resnet"])
    if "ssim" in metrics:
        found.append(_SSIM)
    if provenance.get("ratings", {}).get("noise_ceiling"):
        found.append(SPEARMAN_BROWN)
    if len(record.human_maps):
        found += _SALIENCY
    return sorted({*found, *inference_references(record)})
