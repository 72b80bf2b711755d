"""What the templates say of numbers holds by how the page is made, or only where it is true."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import random_tables as made
from reading import READ, checks, names, read, table_read
from template_prose import claims, texts

from aisthesis.report.folder.record import INFERENCE
from aisthesis.report.parts.yardsticks import what_they_are, yardsticks
from aisthesis.report.sentences.observed_prediction import no_ceiling

#: How a claim of a template is true, by the word in the list.
TRUE_BY = {
    "made": "how the page is made from the tables: its order, its number of things, what was done",
    "colours": "how every picture is drawn: the values, zero white, one stated limit",
    "defined": "it defines a term, or says how a number in the page is computed",
    "labels": "it names a part, a column, a control or what a reader can do; it says no result",
    "absent": "it is said where its condition finds nothing, which is what it says",
}
LISTED = Path(__file__).with_name("template_claims.csv")


def test_every_claim_of_a_template_is_listed_with_its_condition():
    """A new claim, or one under another condition, is to be thought about and listed."""
    with LISTED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = set(claims())
    listed = {(row["template"], row["condition"], row["text"]) for row in rows}
    READ["claims"] += len(found)
    assert not found - listed, f"true under its condition? list {sorted(found - listed)}"
    assert not listed - found, f"no longer there: {sorted(listed - found)}"
    assert {row["true_by"] for row in rows} == set(TRUE_BY)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>No maps.</p>", [("", "No maps.")]),
        ("{% if a %}All{% elif b %}Some{% else %}None{% endif %} of them",
         [("a", "All"), ("b", "Some"), ("not (b)", "None"), ("", "of them")]),
        ("{% if a %}<b title=\"most {{ n }}\">of {{ m }}</b>{% endif %}",
         [("a", "most …"), ("a", "of …")]),
        ("{# best #}<td{% if a %} class=\"best\"{% endif %}>one</td>", [("", "one")]),
        ("One is red. The <em>other</em> is blue.",
         [("", "One is red."), ("", "The other is blue.")]),
    ],
)  # fmt: skip
def test_sentences_of_a_template_are_found_with_their_conditions(source, expected):
    assert list(texts(source)) == expected


@checks("sentences.observed_prediction.no_ceiling")
def test_why_there_is_no_ceiling():
    for ratings in ({}, {"n_raters": None}, {"n_raters": 1}, {"n_raters": 2, "noise_ceiling": None},
                    {"n_raters": 5, "noise_ceiling": {"correlation": None}}):  # fmt: skip
        table_read()

        def single(found, ratings=ratings):
            assert not ratings.get("n_raters")

        def given(found, ratings=ratings):
            assert int(found["n"]) == ratings["n_raters"]
            assert ratings.get("noise_ceiling") is None

        def unreliable(found, ratings=ratings):
            assert ratings["noise_ceiling"]["correlation"] is None

        read(no_ceiling(ratings), {
            "There is no noise ceiling: it needs the ratings of single raters.": single,
            r"There is no noise ceiling: the ratings of (?P<n>\d+) raters? do not allow one\.": given,
            "There is no noise ceiling: the reliability of the ratings is undefined or below zero.":
            unreliable,
        })  # fmt: skip


@checks("parts.yardsticks.what_they_are")
def test_yardsticks_that_are_named_are_those_shown():
    empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in INFERENCE.items()}
    for mode, rng, n in made.generators(21, seed=61):
        if n < 2:
            continue
        per_image = made.agreement_images(rng, mode, n)
        table = made.agreement(rng, mode, per_image)
        if rng.random() < 0.5:
            table = table.drop(columns="chance")
        own = pd.DataFrame({"map": "ais", "metric": "cosine", "backbone": made.NETWORKS[:n]})
        of = {
            name: own.assign(mean=made.values(rng, n, mode), low=np.nan, high=np.nan)
            if rng.random() < 0.5 else empty[name]
            for name in ("reliability", "baselines")
        }  # fmt: skip
        labels = list(made.NETWORKS[:n])
        ruler = yardsticks(table, per_image, of["reliability"], of["baselines"], "ais", "cosine",
                           labels)  # fmt: skip
        table_read()
        there = {
            "its own maps from other seeds": of["reliability"]["mean"].notna().any(),
            "its layer’s mean activation": of["baselines"]["mean"].notna().any(),
            "others’ maps of other images (chance)":
                "chance" in table and table[table["map"] == "ais"]["chance"].notna().any(),
        }  # fmt: skip
        if ruler is None:
            assert not any(there.values())
            continue

        def named(found, there=there):
            assert names(found["which"]) == [words for words, has in there.items() if has]

        read(what_they_are([ruler]), {
            "How far each network’s maps agree with those of the others on the same image, beside how "
            r"far they agree with (?P<which>.+)\.": named
        })  # fmt: skip


def test_the_yardsticks_of_no_chart_name_none():
    assert "its own maps" not in what_they_are([SimpleNamespace(chart=SimpleNamespace(series={}))])
