"""The statistics of agreement in words ready for a paper, each only where the study holds it."""

from __future__ import annotations

from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.wording import and_list, count

__all__ = ["SPEARMAN_BROWN", "inference_references", "inference_text"]

_BENJAMINI = (
    "Benjamini, Y., & Hochberg, Y. (1995). Controlling the false discovery rate: A practical and "
    "powerful approach to multiple testing. Journal of the Royal Statistical Society B, 57(1), "
    "289–300."
)
_PHIPSON = (
    "Phipson, B., & Smyth, G. K. (2010). Permutation p-values should never be zero: Calculating "
    "exact p-values when permutations are randomly drawn. Statistical Applications in Genetics and "
    "Molecular Biology, 9(1), 39."
)
_SPEARMAN = (
    "Spearman, C. (1904). The proof and measurement of association between two things. The "
    "American Journal of Psychology, 15(1), 72–101."
)
SPEARMAN_BROWN = (
    "Brown, W. (1910). Some experimental results in the correlation of mental abilities. British "
    "Journal of Psychology, 3(3), 296–322."
)
_CLUSTERS = (
    "Sokal, R. R., & Michener, C. D. (1958). A statistical method for evaluating systematic "
    "relationships. University of Kansas Science Bulletin, 38, 1409–1438."
)
_VARIANCE = (
    "Cornfield, J., & Tukey, J. W. (1956). Average values of mean squares in factorials. Annals of "
    "Mathematical Statistics, 27(4), 907–949."
)
_FELSENSTEIN = (
    "Felsenstein, J. (1985). Confidence limits on phylogenies: An approach using the bootstrap. "
    "Evolution, 39(4), 783–791."
)


def _has(record: StudyRecord, *columns: str) -> bool:
    table = record.agreement
    return all(name in table.columns and table[name].notna().any() for name in columns)


def _pairings(record: StudyRecord) -> str:
    n = (record.provenance.get("inference") or {}).get("permutations")
    return f"{int(n):,} " if n else ""


def _of_images(record: StudyRecord) -> str:
    """Say from how many images chance and p are, by metric where they differ."""
    table = record.agreement
    if "chance_n" not in table or not table["chance_n"].notna().any():
        return ""
    most = table.groupby("metric", sort=False)["chance_n"].max().dropna().astype(int)
    if most.nunique() == 1:
        return f" (from {count(int(most.iloc[0]), 'image')})"
    by_n: dict[int, list[str]] = {}
    for name, n in most.items():
        by_n.setdefault(int(n), []).append(describe(str(name)).title)
    return (
        " (from "
        + and_list([f"{n:,} by {and_list(names)}" for n, names in by_n.items()])
        + " images)"
    )


def inference_text(record: StudyRecord) -> str:
    """Write the paragraph on inference; empty where the study holds none of it."""
    said = []
    if _has(record, "chance"):
        said.append(
            "The level of chance of a pair is the mean agreement between one network’s map of an "
            "image and the other’s map of another image, which is what a bias shared by all images "
            f"gives{_of_images(record)}. AIS maps are compared among images on which the two heads "
            "err on the same sides, because the sign of an AIS map is that of the error."
        )
    if _has(record, "p"):
        said.append(
            f"Its p value is that of the observed mean among the means under {_pairings(record)}"
            "random pairings of the images (one-sided, the observed pairing counted among them; "
            "all pairings there are where they are fewer)"
            + (
                ", corrected over pairs by the procedure of Benjamini and Hochberg."
                if _has(record, "p_corrected")
                else "."
            )
        )
    if record.reliability["mean"].notna().any():
        stepped = "stepped_up" in record.reliability.columns and (
            record.reliability["stepped_up"].notna().any()
        )
        said.append(
            "The reliability of a network is the mean agreement between its maps of the same image "
            "by heads of different seeds"
            + (
                "; that of the average over seeds follows by the Spearman–Brown formula."
                if stepped
                else "."
            )
        )
    if _has(record, "disattenuated"):
        said.append(
            "Disattenuated agreement is the mean agreement between maps of single, different seeds "
            "of two networks over the root of the product of their reliabilities, with percentile "
            "bootstrap intervals over images of the whole ratio."
        )
    if record.baselines["mean"].notna().any():
        said.append(
            "As a baseline every map is compared with the plain mean of its layer’s activations."
        )
    if record.variance["share"].notna().any():
        said.append(
            "Every z-scored map has a variance over its pixels of 1, which is split by random "
            "effects (seeds within networks) into what is shared by all maps, by all networks on "
            "one image (image), by one network on all images (backbone), by one network on one "
            "image (image × backbone), and what changes with the seed; estimates are those of the "
            "expected mean squares and can fall below zero, with percentile bootstrap intervals "
            "over images."
        )
    if len(record.clusters):
        said.append(
            "Networks are clustered by average linkage on the distances between their maps; the "
            "support of a group is the share of bootstrap samples of the images in which it is "
            "found again."
        )
    return " ".join(said)


def inference_references(record: StudyRecord) -> list[str]:
    """List the works that the paragraph on inference rests on."""
    wanted = {
        _BENJAMINI: _has(record, "p_corrected"),
        _PHIPSON: _has(record, "p"),
        _SPEARMAN: _has(record, "disattenuated"),
        SPEARMAN_BROWN: bool(record.reliability["mean"].notna().any()),
        _VARIANCE: bool(record.variance["share"].notna().any()),
        _CLUSTERS: len(record.clusters) > 0,
        _FELSENSTEIN: len(record.clusters) > 0,
    }
    return [text for text, said in wanted.items() if said]
