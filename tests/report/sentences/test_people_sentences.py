"""What the report says of where people look is what the table holds."""

from __future__ import annotations

import math
import re

import pandas as pd
import random_tables as made
from reading import LIST, NUM, checks, names, read, same, says, table_read

from aisthesis.report.parts.where_people_look import people_chart, peoples_places

GROUP = rf"(?:every network|{LIST})"


def group(key: str) -> str:
    """Pattern of verdicts, each with the networks that it is of."""
    return (
        rf"(?:better for (?P<{key}better>{GROUP}))?(?:, | and )?(?:worse for (?P<{key}worse>{GROUP}))?"
        rf"(?:, | and )?(?:not distinguishable for (?P<{key}open>{GROUP}))?(?:, | and )?"
        rf"(?:not known for (?P<{key}unknown>{GROUP}))?"
    )


RANGE = (
    rf"an? (?P<score>NSS|CC) of (?:(?P<one>{NUM}) \((?:95% interval (?P<low>{NUM}) to (?P<high>{NUM})|"
    rf"no interval)\) \((?P<who>\w+)\)|(?P<all>{NUM}) on all (?P<n>\d+) networks|(?P<least>{NUM}) "
    rf"\((?P<worst>\w+)\) to (?P<most>{NUM}) \((?P<best>\w+)\))"
)
FOUND = (
    rf"(?P<kind>AIS|Evidence)(?P<place> by place)? maps, without regard to their sign, say where people "
    rf"click with {RANGE}; 0 is (?:chance|no relation)(?P<centred>; against a map that knows only the "
    rf"centre that is {group('c_')})?(?P<othered>; against the same network’s maps of other images that "
    rf"is {group('o_')})?\."
)
CEILING = (
    rf"All other people’s places say it of one person with {RANGE}(?P<compared>; against that, person "
    rf"by person, evidence(?P<place> by place)? maps are {group('p_')})?\."
)
UNCOUNTED = (
    r"Images that are not counted, because people’s places within what the network saw are not known "
    r"or the map is flat: (?P<parts>.+)\."
)


def human_maps(rng, mode, n):
    parts = []
    score = "nss" if rng.random() < 0.7 else "cc"
    kinds = ["evidence", "ais", *(["evidence_place", "ais_place"] if rng.random() < 0.5 else [])]
    controls = ["none", "centre", "other_images"]
    if people := rng.random() < 0.6:
        controls.append("people")
    wanted = [(kind, side, control) for kind in kinds for side in ("either", "raising")
              for control in controls]  # fmt: skip
    wanted += [("centre", "either", "none"), *([("people", "either", "none")] if people else [])]
    for kind, side, control in wanted:
        means = made.values(rng, n, mode)
        low, high = made.ends(rng, means, mode)
        parts.append(pd.DataFrame({
            "backbone": made.NETWORKS[:n], "map": kind, "side": side, "score": score,
            "control": control, "mean": means, "low": low, "high": high, "n": 9,
            "n_undefined": rng.integers(0, 2, n)}))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def rows_of(table, kind, control="none"):
    own = (table["map"] == kind) & (table["side"] == "either") & (table["control"] == control)
    return table[own].dropna(subset=["mean"]).set_index("backbone")


def range_is(text, rows):
    if text["one"]:
        assert rows.index.tolist() == [text["who"]]
        says(text["one"], rows["mean"].iloc[0])
    elif text["all"]:
        assert int(text["n"]) == len(rows)
        assert same(rows["mean"].min(), rows["mean"].max())
        says(text["all"], rows["mean"].max())
    else:
        says(text["least"], rows["mean"].min())
        says(text["most"], rows["mean"].max())
        assert rows.loc[text["worst"], "mean"] == rows["mean"].min()
        assert rows.loc[text["best"], "mean"] == rows["mean"].max()


def verdicts_are(text, key, rows, control):
    expected = dict.fromkeys(rows.index, "unknown")
    for b, row in control[control.index.isin(rows.index)].iterrows():
        if math.isfinite(row["low"]) and math.isfinite(row["high"]):
            expected[b] = "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "open"
    for verdict in ("better", "worse", "open", "unknown"):
        said = text[f"{key}{verdict}"]
        named = rows.index.tolist() if said == "every network" else names(said) if said else []
        assert sorted(named) == sorted(b for b, v in expected.items() if v == verdict)


@checks(
    "parts.where_people_look.observe_people", "parts.where_people_look._ceiling",
    "parts.where_people_look._uncounted", "parts.known_places.verdicts", "parts.where_people_look._range", "parts.where_people_look.people_chart",
)  # fmt: skip
def test_where_people_look():
    seen = set()
    for mode, rng, n in made.generators(28, seed=18):
        table = human_maps(rng, mode, n)
        section = peoples_places(table, {"kind": "clicks", "said": ["one row is left out"]})
        table_read()
        lead = "evidence_place" if (table["map"] == "evidence_place").any() else "evidence"

        def found(text, table=table):
            kind = text["kind"].lower() + ("_place" if text["place"] else "")
            rows = rows_of(table, kind)
            range_is(text, rows)
            for part, key, control in (
                ("centred", "c_", "centre"),
                ("othered", "o_", "other_images"),
            ):
                beside = rows_of(table, kind, control)
                beside = beside[beside.index.isin(rows.index)]
                assert bool(text[part]) == bool(len(beside))
                if text[part]:
                    verdicts_are(text, key, rows, beside)

        def ceiling(text, table=table, lead=lead):
            range_is(text, rows_of(table, "people"))
            if text["compared"]:
                verdicts_are(text, "p_", rows_of(table, lead), rows_of(table, lead, "people"))

        def uncounted(text, table=table, lead=lead):
            own = table[(table["map"] == lead) & (table["side"] == "either")]
            own = own[(own["control"] == "none") & (own["n_undefined"] > 0)]
            said = re.findall(r"(\d+) of (\d+) \((\w+)\)", text["parts"])
            expected = [(str(u), str(n + u), b) for b, n, u in
                        zip(own["backbone"], own["n"], own["n_undefined"], strict=True)]  # fmt: skip
            assert said == expected

        for sentence in section.sentences:
            seen.add(read(sentence, {FOUND: found, CEILING: ceiling, UNCOUNTED: uncounted}))
        chart = people_chart(table)
        shown = table[(table["control"] == "none") & (table["side"] == "either")]
        assert chart is None or len(chart.table()) == shown["mean"].notna().sum()
        score = table["score"].iloc[0].upper()
        assert chart is None or chart.unit.startswith(score)
    assert seen == {FOUND, CEILING, UNCOUNTED}


def test_tables_of_another_make_have_no_section():
    assert peoples_places(pd.DataFrame()) is None
    assert peoples_places(pd.DataFrame({"backbone": ["a"]})) is None
    assert people_chart(pd.DataFrame({"backbone": ["a"]})) is None
