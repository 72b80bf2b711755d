"""What is said of maps by channel and by place is what the tables and the provenance hold."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import random_tables as made
from reading import NUM, checks, names, read, says, table_read

from aisthesis.report.sections import ExamplePage, units_said
from aisthesis.report.sentences.kinds_of_evidence import observe_kinds, observe_signs
from aisthesis.report.sentences.methods import _places

WHAT = {
    "finding evidence that raises the rating (pixel AUC)": "raising",
    "finding evidence that lowers the rating (pixel AUC)": "lowering",
    "ranking highest what lowers the prediction when removed (deletion)": "deletion_positive",
    "ranking what moves the prediction when removed (ROAD)": "road",
}
SAID = (
    r"Evidence by place against evidence by channel at (?P<what>[^:,]+), corrected "
    r"over networks: (?P<groups>.+)\."
)
GROUP = r"(better|worse|not told apart) for ([^;]+)"
ONE = rf"(\w+) \(([+]?)({NUM}), (?:95% interval ({NUM}) to ({NUM})|no interval)\)"


def differences(rng, mode, n, columns):
    """Rows of evidence by place against random, by channel and Grad-CAM, each with its own values."""
    parts = []
    for control in ("random", "grad_cam", "evidence", "none"):
        means = made.values(rng, n, mode, -0.5, 0.5)
        values = dict(zip(columns, (means, *made.ends(rng, means, mode)), strict=True))
        parts.append(pd.DataFrame({"backbone": made.NETWORKS[:n], "control": control, **values}))
    return pd.concat(parts, ignore_index=True)


@checks("sentences.kinds_of_evidence.observe_kinds", "sentences.kinds_of_evidence._verdict")
def test_by_channel_or_by_place():
    reached = set()
    for mode, rng, n in made.generators(70, seed=51):
        local = pd.concat([
            differences(rng, mode, n, ("mean", "low", "high")).assign(
                map=kind, side=side, score=score,
                p_corrected=lambda one: rng.choice([0.04, 0.06, np.nan], len(one)))
            for kind in ("evidence_place", "ais_place")
            for side in ("raising", "lowering") for score in ("auc", "mass")
        ])  # fmt: skip
        columns = ("difference", "difference_low", "difference_high")
        tested = pd.concat([
            differences(rng, mode, n, columns).assign(
                method="evidence_place", measure=measure, mean=9.0, baseline=baseline,
                difference_p_corrected=lambda one: rng.choice([0.04, 0.06, np.nan], len(one)))
            for measure in ("deletion_positive", "road", "infidelity")
            for baseline in ("blur", "mean")
        ])  # fmt: skip
        table_read()
        own = {
            side: local[
                (local["map"] == "evidence_place") & (local["side"] == side)
                & (local["score"] == "auc") & (local["control"] == "evidence")
            ].set_index("backbone")[["mean", "low", "high", "p_corrected"]].set_axis(
                ["mean", "low", "high", "p"], axis=1)
            for side in ("raising", "lowering")
        }  # fmt: skip
        for measure in ("deletion_positive", "road"):
            rows = tested[(tested["measure"] == measure) & (tested["baseline"] == "blur")]
            rows = rows[rows["control"] == "evidence"].set_index("backbone")
            names = ["mean", "low", "high", "p"]
            own[measure] = rows[[*columns, "difference_p_corrected"]].set_axis(names, axis=1)

        def verdicts(found, own=own):
            rows = own[WHAT[found["what"]]]
            told = set()
            for group, networks in re.findall(GROUP, found["groups"]):
                reached.add(group)
                for name, plus, mean, low, high in re.findall(ONE, networks):
                    row = rows.loc[name]
                    told.add(name)
                    says(mean, row["mean"])
                    assert bool(plus) == (float(mean.replace("−", "-")) > 0)
                    known = math.isfinite(row["low"]) and math.isfinite(row["high"])
                    assert bool(low) == known
                    if known:
                        says(low, row["low"])
                        says(high, row["high"])
                    clear = row["p"] < 0.05
                    right = {"better": clear and row["mean"] > 0,
                             "worse": clear and row["mean"] < 0}  # fmt: skip
                    assert right.get(group, not any(right.values()))
            assert told == set(rows["mean"].dropna().index)

        for text in observe_kinds(local, tested):
            read(text, {SAID: verdicts})
        assert len(observe_kinds(local, tested)) == sum(
            bool(one["mean"].notna().any()) for one in own.values()
        )
        assert observe_kinds(local[local["control"] != "evidence"], pd.DataFrame()) == []
    assert observe_kinds(pd.DataFrame(), pd.DataFrame()) == []
    assert reached == {"better", "worse", "not told apart"}


SIGNS = (
    r"The AIS and evidence maps of (?P<who>.+?) that are weighted by channels depend on (?P<many>a "
    r"sign that is|signs that are) arbitrary: .+ Maps by place do not depend on it\."
)


@checks("sentences.kinds_of_evidence.observe_signs")
def test_signs_that_nobody_chose():
    for _, rng, n in made.generators(20, seed=52):
        facts = {name: {"sign_is_arbitrary": rng.choice([True, False, None])}
                 for name in made.NETWORKS[:n]}  # fmt: skip
        facts = {k: {"sign_is_arbitrary": None if v["sign_is_arbitrary"] is None
                     else bool(v["sign_is_arbitrary"])} for k, v in facts.items()}  # fmt: skip
        free = [name for name, one in facts.items() if one["sign_is_arbitrary"]]
        said = observe_signs(facts)
        table_read()
        if not free:
            assert said is None
            continue

        def who(found, free=free):
            assert names(found["who"]) == free
            assert found["many"].startswith("a sign") == (len(free) == 1)

        read(said, {SIGNS: who})
    assert observe_signs({"alpha": {}}) is None


PLACES = (
    r"For maps by place all channels of the layer’s output are removed at one place \(y, x\) of it, "
    r"(?P<areas>.+?), each value replaced by (?P<by>zero|its channel’s mean over the image|zero \(for "
    r"(?P<means>.+?): its channel’s mean over the image\)), and everything after the layer is computed "
    r"again\. .+ in rating units: no activation and no sign of a channel enters it\."
)
AREA = r"(?:by itself|with the window of (\d) × \d places around it)(?: for ([a-z, ]+))?"


@checks("sentences.methods._places", "sentences.methods._window")
def test_places_in_the_methods():
    for _, rng, n in made.generators(30, seed=53):
        facts = {
            name: {"places": {"window": int(rng.choice([1, 3, 5])),
                              "replace": str(rng.choice(["zero", "mean"]))}}
            for name in made.NETWORKS[:n]
        }  # fmt: skip
        said = _places({"backbones": facts})
        table_read()

        def described(found, facts=facts):
            sizes = {one["places"]["window"] for one in facts.values()}
            for name, one in facts.items():
                size = one["places"]["window"]
                if len(sizes) == 1:
                    words = "by itself" if size == 1 else f"window of {size} × {size} places"
                    assert words in found["areas"]
                    assert " for " not in found["areas"]
                    continue
                start = "by itself for " if size == 1 else f"{size} × {size} places around it for "
                part = found["areas"].split(start)[1].split(" by itself")[0].split(" with the")[0]
                assert re.search(rf"\b{name}\b", part)
            means = [k for k, one in facts.items() if one["places"]["replace"] == "mean"]
            if not means:
                assert found["by"] == "zero"
            elif len(means) == len(facts):
                assert found["by"].startswith("its channel")
            else:
                assert names(found["means"]) == means

        read(said, {PLACES: described})
    assert _places({"backbones": {"alpha": {"layer": "x"}}}) == ""
    assert _places({"backbones": {"alpha": {"predicts_only": True, "places": {"window": 1}}}}) == ""


def test_units_of_examples_are_said_by_kind():
    def page(name, unit):
        return ExamplePage(name, name, "", unit, [], [])

    place = [page("evidence by place", "rating units"), page("AIS by place", "rating units")]
    channel = [page("AIS", "rating units × activation")]
    assert units_said(place) == "rating units"
    assert units_said([*place, *channel]) == (
        "rating units (evidence by place and AIS by place) and rating units × activation (AIS)"
    )
    assert np.char.count(units_said(place * 2), "rating") == 1
