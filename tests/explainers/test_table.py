"""One table says everything of the package's explainers, and everything else reads it."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from aisthesis.config import ExplainingConfig, StudyConfig, checked
from aisthesis.explainers.registry import explainer_table, explainers_named
from aisthesis.names.explainer_table import EXPLAINER_TABLE
from aisthesis.names.explainers import BASE, CONTROLS, EXPLAINERS, RESERVED, checked_names
from aisthesis.report.folder.asked import Asked
from aisthesis.report.words.colour_words import meaning, unit_of
from aisthesis.report.words.wording import KIND_NAMES

DOCS = Path(__file__).parents[2] / "docs"


def test_explainers_are_what_the_table_says() -> None:
    made = {one.name: one for one in explainers_named(["all"], batch_size=3, cells=9)}
    assert [*BASE, *made] == list(EXPLAINER_TABLE)
    for name, one in made.items():
        kind = EXPLAINER_TABLE[name]
        assert (one.title, one.signed, one.control) == (kind.title, kind.signed, kind.control)
        assert bool(one.words)
    assert {made[name].at_once for name in ("integrated_gradients", "lime")} == {3}
    assert made["lime"].cells == 9


def test_options_are_keys_of_the_study_file() -> None:
    keys = {*ExplainingConfig.model_fields, "batch_size"}
    used = {key for kind in EXPLAINER_TABLE.values() for key in kind.options.values()}
    assert used == keys
    assert keys <= set(inspect.signature(explainers_named).parameters)


def test_the_docs_and_the_report_have_the_table_s_words() -> None:
    page = (DOCS / "explainers.md").read_text("utf-8")
    for kind in EXPLAINER_TABLE.values():
        assert f"| `{kind.name}` | {kind.words} | {kind.grid} | {kind.cost} |" in page
        assert KIND_NAMES[kind.name] == kind.said
        assert (unit_of(kind.name), meaning(kind.name)) == (kind.unit, kind.meaning)
    assert explainer_table()["name"].tolist() == list(EXPLAINERS)
    assert set(CONTROLS) <= set(RESERVED)


def test_one_s_own_has_words_that_are_true_of_any() -> None:
    assert unit_of("edges") == "units of the method"
    assert "positive" in meaning("edges")


def test_the_centre_prior_has_one_name_and_the_former_is_taken() -> None:
    assert checked_names(["centre_prior", "centre"]) == (*BASE, "centre")
    values = {"images": "a", "ratings": "b", "out": "c", "explainers": ["centre_prior"]}
    assert checked(StudyConfig, values, "test").explainers == (*BASE, "centre")
    assert Asked.by({"explainers": ["centre_prior"]}).explainers == ("centre",)
    with pytest.raises(ValueError, match="would be called 'centre_prior' in tables"):
        checked_names(["mine:centre_prior"])


def test_a_former_table_is_read_by_the_names_of_now() -> None:
    import pandas as pd

    table = pd.DataFrame({"method_a": ["ais", "lime"], "method_b": ["centre_prior"] * 2})
    asked = Asked.by({"explainers": ["lime", "centre_prior"]})
    assert asked.rows(table)["method_b"].tolist() == ["centre"] * 2
    assert asked.rows(table)["method_a"].tolist() == ["ais", "lime"]
