"""The table method x measure of a study, as Markdown.

Run `python benchmarks/method_by_measure.py STUDY_DIR`. Each cell: the mean over networks; in
brackets the span that holds every network's 95% interval; then for how many of the networks the
difference to random maps is on the faithful side with a corrected p below .05. ROAD takes its own
baseline, noisy linear imputation; the others take the study's first one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from aisthesis.errors import RequestError
from aisthesis.faithfulness import FAITHFULNESS_MEASURES

MEASURES = {
    "deletion_positive": "Deletion + (MoRF)",
    "deletion_negative": "Deletion − (LeRF)",
    "insertion_positive": "Insertion +",
    "insertion_negative": "Insertion −",
    "road": "ROAD",
    "magnitude": "Magnitude",
    "infidelity": "Infidelity ↓",
    "sensitivity": "Sensitivity ↓",
}
CONTROLS = ("activation", "random", "centre")


def markdown(study: Path) -> str:
    """Give the table of one study folder."""
    table = pd.read_csv(study / "faithfulness.csv")
    cascade = pd.read_csv(study / "cascade.csv")
    first = next(b for b in table["baseline"] if b not in ("zero", "nearby"))
    pixel = table[table["baseline"] != "zero"]
    names = list(dict.fromkeys(pixel["method"]))
    names = [n for n in names if n not in CONTROLS] + [n for n in CONTROLS if n in names]
    places = study / "localisation.csv"
    found = pd.read_csv(places) if places.is_file() else None
    head = ["Method", *MEASURES.values(), "Cascade"]
    head += ["AUC raising", "AUC lowering"] if found is not None else []
    lines = [head, ["---"] * len(head)]
    for name in names:
        cells = [_measure(pixel, name, measure, first) for measure in MEASURES]
        cells.append(_cascade(cascade, name))
        if found is not None:
            cells += [_places(found, name, side) for side in ("raising", "lowering")]
        lines.append([name, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _measure(table: pd.DataFrame, name: str, measure: str, first: str) -> str:
    baseline = {"sensitivity": "nearby", "road": "noisy_linear"}.get(measure, first)
    own = table[(table["method"] == name) & (table["measure"] == measure)]
    own = own[own["baseline"] == baseline]
    said = _cell(own.drop_duplicates("backbone"))
    against = own[own["control"] == "random"]
    if not len(against) or said == "–":
        return said
    higher = FAITHFULNESS_MEASURES[measure].direction == "higher"
    faithful = (against["difference"] > 0) == higher
    clear = faithful & (against["difference_p_corrected"] < 0.05)
    return f"{said} {int(clear.sum())}/{len(against)}"


def _cascade(table: pd.DataFrame, name: str) -> str:
    if table.empty:
        return "–"
    own = table[(table["method"] == name) & (table["metric"] == "cosine")]
    return _cell(own[own["stage"] == own["stage"].max()])


def _places(table: pd.DataFrame, name: str, side: str) -> str:
    own = table[(table["map"] == name) & (table["side"] == side) & (table["score"] == "auc")]
    return _cell(own[own["control"] == "none"])


def _cell(rows: pd.DataFrame) -> str:
    defined = rows.dropna(subset=["mean"]) if len(rows) else rows
    if not len(defined):
        return "–"
    mean, low, high = defined["mean"].mean(), defined["low"].min(), defined["high"].max()
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    study = parser.parse_args().study
    if not (study / "faithfulness.csv").is_file():
        raise RequestError(f"expected a study with faithfulness.csv, found none in {study}")
    print(markdown(study))


if __name__ == "__main__":
    main()
