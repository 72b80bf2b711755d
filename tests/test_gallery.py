"""The gallery's sentences say what the tables say, also where nothing is decided or defined."""

from __future__ import annotations

import runpy
from pathlib import Path

import pandas as pd
import pytest

TOOLS = Path(__file__).parent.parent / "tools"
NAN = float("nan")


@pytest.fixture(scope="module")
def page() -> dict:
    return runpy.run_path(str(TOOLS / "gallery_page.py"))


def _kept(**intervals: tuple[float, float]) -> pd.DataFrame:
    rows = [(name, low, high) for name, (low, high) in intervals.items()]
    return pd.DataFrame(rows, columns=["backbone", "difference_low", "difference_high"])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (_kept(a=(0.01, 0.1)), "The retained channels of a predict held-out judgments better."),
        (_kept(a=(-0.1, -0.01)), "The retained channels of a predict them worse."),
        (_kept(a=(-0.1, 0.1), b=(NAN, NAN)), "For a the interval of the difference holds zero"),
        (
            _kept(a=(0.1, 0.2), b=(0.0, 0.2)),
            "The retained channels of a predict held-out judgments better; for b the interval of "
            "the difference holds zero.",
        ),
    ],
)
def test_what_is_kept_is_called_better_only_where_the_interval_leaves_zero_out(page, table, said):
    assert page["retention_sentence"](table).startswith(said)


def test_an_undefined_interval_is_not_said_to_hold_zero(page) -> None:
    said = page["retention_sentence"](_kept(a=(NAN, NAN)))
    assert "zero" not in said
    assert "a" in said
    assert "undefined" in said


def test_pairs_without_a_p_do_not_count_as_agreeing(page) -> None:
    table = pd.DataFrame(
        {
            "map": ["evidence"] * 3,
            "metric": ["cosine"] * 3,
            "p_corrected": [0.01, 0.2, NAN],
            "mean": [0.4, -0.1, NAN],
        }
    )
    said = page["agreement_sentence"](table)
    assert "1 of 3 pairs on evidence (mean cosine −.10 to .40)" in said


def test_a_method_is_counted_where_its_difference_is_clearly_above_random(page) -> None:
    table = pd.DataFrame(
        {
            "backbone": ["a", "b", "a"],
            "method": ["evidence", "evidence", "ais"],
            "measure": ["road"] * 3,
            "control": ["random"] * 3,
            "difference": [0.2, -0.3, NAN],
            "difference_p_corrected": [0.01, 0.01, NAN],
            "n": [8, 8, 8],
        }
    )
    said = page["faithfulness_sentence"](table)
    assert "ais for 0 of 1, evidence for 1 of 2 networks" in said
    undecided = table.assign(difference_p_corrected=0.2)
    assert "evidence for 0 of 2" in page["faithfulness_sentence"](undecided)
    assert page["faithfulness_sentence"](table.iloc[:0]) == ""


@pytest.mark.parametrize(
    ("value", "said"), [(0.345, ".34"), (-0.2, "−.20"), (1.0, "1.00"), (NAN, "–"), (-0.001, ".00")]
)
def test_numbers_are_written_as_in_papers(page, value, said) -> None:
    assert page["_n"](value) == said
