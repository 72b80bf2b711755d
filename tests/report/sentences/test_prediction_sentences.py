"""What is said of prediction is what `scores.csv` holds."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import random_tables as made
from reading import LIST, NUM, checks, estimated, names, read, same, says, says_estimate, table_read

from aisthesis.report.sentences.observed_prediction import (
    observe_ceiling,
    observe_prediction,
    observe_ridge,
)

WHERE = r"on (?P<n>\d+) held-out test images?"


def own(table, head):
    return {r["backbone"]: r for r in table[table["head"] == head].to_dict("records")}


def defined(rows, name):
    return {b: r for b, r in rows.items() if math.isfinite(r[name])}


def has_interval(row, name="srcc"):
    return math.isfinite(row[f"{name}_low"]) and math.isfinite(row[f"{name}_high"])


def best_of(found, rows, name="srcc"):
    """The network named has the highest value of all, said with its interval; the n is right."""
    row = rows[found["who"]]
    assert all(row[name] >= other[name] for other in rows.values())
    says_estimate(found, "x", row[name], row[f"{name}_low"], row[f"{name}_high"])
    says(found["n"], row["n"])
    return row


def nothing_defined(rows, found):
    assert not rows


def few(rows, found):
    assert rows
    assert all(r["n"] == int(found["n"]) < 10 for r in rows.values())


def no_intervals(rows, found):
    best_of(found, rows)
    assert not any(has_interval(r) for r in rows.values())


def not_shown(rows, found):
    best_of(found, rows)
    assert any(has_interval(r) for r in rows.values())
    assert not any(has_interval(r) and r["srcc_low"] > 0 for r in rows.values())


def the_one(rows, found):
    assert len(rows) == 1
    assert best_of(found, rows)["srcc_low"] > 0


def p_of(differences, compared, *who):
    """Corrected p of a difference of rank correlations; NaN where it was not tested."""
    rows = differences[(differences["compared"] == compared) & (differences["score"] == "srcc")]
    found = [
        r["p_corrected"] for r in rows.to_dict("records")
        if {r["backbone_a"], r["backbone_b"]} == set(who)
    ]  # fmt: skip
    return found[0] if found else math.nan


def the_best(rows, found, differences):
    row = best_of(found, rows)
    others = [b for b in rows if b != found["who"]]
    assert others
    assert all(p_of(differences, "networks", b, found["who"]) < 0.05 for b in others)
    assert not any(same(rows[b]["srcc"], row["srcc"]) for b in others)


def tied(rows, found):
    best = max(r["srcc"] for r in rows.values())
    assert set(names(found["who"])) == {b for b, r in rows.items() if same(r["srcc"], best)}
    assert len(names(found["who"])) > 1
    says(found["x"], best)


def open_question(rows, found, differences):
    best_of(found, rows)
    others = [b for b in rows if b != found["who"]]
    p = {b: p_of(differences, "networks", b, found["who"]) for b in others}
    rivals = {b for b in others if p[b] >= 0.05}
    without = {b for b in others if math.isnan(p[b])}
    if found["all"]:
        assert rivals == set(others)
        assert len(others) > 1
    else:
        assert set(names(found["rivals"]) if found["rivals"] else []) == rivals
    assert set(names(found["without"]) if found["without"] else []) == without
    assert rivals | without


BEST = rf"(?P<who>\w+) has the highest rank correlation, {estimated('x')}"
PREDICTION = {
    "No rank correlation with the human ratings is defined on the held-out test images, so nothing "
    "can be said about prediction.": nothing_defined,
    r"With (?P<n>\d+) held-out test images? nothing can be said about prediction; a correlation "
    "needs at least 10 to mean something.": few,
    rf"The highest rank correlation with the human ratings {WHERE} is (?P<who>\w+)’s "
    rf"{estimated('x')}; without an interval no network can be called the best.": no_intervals,
    rf"No network is shown to predict the ratings {WHERE}: no rank correlation has an interval "
    rf"above zero; the highest is (?P<who>\w+)’s {estimated('x')}.": not_shown,
    rf"(?P<who>\w+) predicts the human ratings {WHERE} with a rank correlation of "
    rf"{estimated('x')}.": the_one,
    rf"(?P<who>\w+) predicts the human ratings best {WHERE}: its rank correlation is "
    rf"{estimated('x')}, and its difference from every other on the same images is clear "
    r"\(corrected over all pairs\)\.": the_best,
    rf"No single best predictor can be named {WHERE}: (?P<who>{LIST}) have the same, "
    rf"(?P<x>{NUM}).": tied,
    rf"No single best predictor can be named {WHERE}: {BEST}, but (?P<all>every other network’s "
    r"difference from it on the same images may be chance)?(?:(?P<rivals>"
    rf"{LIST}) (?:does|do) not differ clearly from it on the same images)?(?: and )?"
    rf"(?:its difference from (?P<without>{LIST}) was not tested)?\.": open_question,
}  # fmt: skip


@checks(
    "sentences.observed_prediction.observe_prediction", "sentences.observed_prediction._undecided",
)  # fmt: skip
def test_prediction():
    reached = set()
    for mode, rng, n in made.generators(180):
        table = made.scores(rng, mode, n)
        rows = defined(own(table, "mlp"), "srcc")
        table_read()
        differences = made.prediction_differences(rng, n)
        known = {
            pattern: partial(verify, rows, differences=differences)
            if verify in (the_best, open_question) else partial(verify, rows)
            for pattern, verify in PREDICTION.items()
        }  # fmt: skip
        reached.add(read(observe_prediction(table, differences), known))
    assert reached == set(PREDICTION)


START = (
    rf"The raters’ reliability allows a correlation of (?P<limit>{NUM}) with their mean at most; "
)


def highest_plcc(rows):
    return max(rows.items(), key=lambda item: item[1]["plcc"])


def as_high(rows, limit, found):
    assert same(rows[found["who"]]["plcc"], limit)


def above(rows, limit, found):
    plcc = rows[found["who"]]["plcc"]
    says(found["x"], plcc)
    assert plcc > limit
    assert value_apart(found["x"], found["limit"])


def value_apart(one, other):
    return one != other


def none_above_zero(rows, limit, found):
    assert all(r["plcc"] <= 0 for r in rows.values())


def share_of(rows, limit, found):
    plcc = rows[found["who"]]["plcc"]
    says(found["x"], plcc)
    says(found["share"], 100 * plcc / limit)
    assert 0 < plcc < limit


CEILING = {
    rf"{START}the highest, (?P<who>\w+)’s, is as high\.": as_high,
    rf"{START}(?P<who>\w+)’s (?P<x>{NUM}) lies above that, as chance alone can bring about\.": above,
    rf"{START}no network correlates with it above zero\.": none_above_zero,
    rf"{START}the highest, (?P<who>\w+)’s (?P<x>{NUM}), is (?P<share>{NUM})% of it\.": share_of,
}


@checks("sentences.observed_prediction.observe_ceiling", "words.wording.percent")
def test_ceiling():
    reached = set()
    for mode, rng, n in made.generators(90, seed=1):
        table = made.scores(rng, mode, n)
        rows = defined(own(table, "mlp"), "plcc")
        top = highest_plcc(rows)[1]["plcc"] if rows else 0.5
        limit = float(rng.choice([0.2, 0.95, np.nan, top + 0.001 if top > 0 else 0.4]))
        ceiling = {"correlation": None if rng.random() < 0.1 else limit}
        said = observe_ceiling(table, ceiling)
        table_read()
        enough = rows and next(iter(rows.values()))["n"] >= 10
        if not enough or ceiling["correlation"] is None or math.isnan(limit):
            assert said is None
            continue

        def verify(check, found, rows=rows, limit=limit):
            says(found["limit"], limit)
            if "who" in found.re.groupindex:
                assert rows[found["who"]]["plcc"] == highest_plcc(rows)[1]["plcc"]
            check(rows, limit, found)

        reached.add(read(said, {p: partial(verify, check) for p, check in CEILING.items()}))
    assert reached == set(CEILING)


EMBEDDING = "on the same embedding"
RIDGE = (
    rf"(?:[Oo]n (?P<ahead>every network|{LIST}) a plain ridge regression {EMBEDDING} has a higher "
    rf"rank correlation than the head; )?(?:[Oo]n (?P<behind>every network|{LIST}) the head "
    rf"has a higher rank correlation than ridge regression {EMBEDDING}; )?(?:[Oo]n (?P<equal>every "
    rf"network|{LIST}) the head and ridge regression {EMBEDDING} have the same rank correlation "
    rf"to two digits; )?(?:the difference on the same images is clear for (?P<clear>{LIST}) "
    r"\(corrected over networks\)|(?P<unknown>their difference was not tested, so neither is shown "
    r"to be better)|(?P<open>no difference on the same images is clear, so neither is shown to be "
    r"better))\."
)
FEW = (
    r"With (?P<n>\d+) images? neither the head nor ridge regression on the same embedding is "
    r"shown to be better\."
)


@checks("sentences.observed_prediction.observe_ridge", "sentences.observed_prediction._decided")
def test_ridge():
    reached = set()
    for mode, rng, n in made.generators(120, seed=2):
        table = made.scores(rng, mode, n)
        mlp, ridge = (defined(own(table, head), "srcc") for head in ("mlp", "ridge"))
        both = [b for b in mlp if b in ridge]
        differences = made.prediction_differences(rng, n)
        said = observe_ridge(table, differences)
        table_read()
        if not both:
            assert said is None
            continue

        def few_images(found, mlp=mlp, both=both):
            assert int(found["n"]) == mlp[both[0]]["n"] < 10

        def compared(found, mlp=mlp, ridge=ridge, both=both, differences=differences):
            assert mlp[both[0]]["n"] >= 10
            gap = {b: ridge[b]["srcc"] - mlp[b]["srcc"] for b in both}
            level = {b for b in both if same(ridge[b]["srcc"], mlp[b]["srcc"])}
            expected = {
                "ahead": {b for b in both if gap[b] > 0} - level,
                "behind": {b for b in both if gap[b] < 0} - level,
                "equal": level,
            }
            for group, members in expected.items():
                text = found[group]
                named = both if text == "every network" else names(text) if text else []
                assert set(named) == members
            p = {b: p_of(differences, "heads", b) for b in both}
            clear = {b for b in both if p[b] < 0.05}
            assert set(names(found["clear"]) if found["clear"] else []) == clear
            assert bool(found["unknown"]) == all(math.isnan(one) for one in p.values())
            reached.update(k for k, text in found.groupdict().items() if text)

        reached.add(read(said, {RIDGE: compared, FEW: few_images}))
    assert reached >= {RIDGE, FEW, "ahead", "behind", "equal", "clear", "open", "unknown"}
