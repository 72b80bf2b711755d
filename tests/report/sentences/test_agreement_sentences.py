"""What is said of agreement is what the tables of pairs, seeds and variance hold."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import random_tables as made
from reading import NUM, checks, estimated, names, read, same, says, says_estimate, table_read

from aisthesis.agreement.metrics import METRICS
from aisthesis.report.sentences.observed_agreement import observe_level
from aisthesis.report.sentences.observed_pairs import (
    observe_emd,
    observe_mse_identity,
    observe_pairs,
)
from aisthesis.report.words.metricnames import describe
from aisthesis.report.words.pair_words import pair_line, self_line

METRIC_NAMES = ("cosine", "emd")
PAIR = r"[a-z]+–[a-z]+"
PAIRS = rf"{PAIR}(?:, {PAIR})*(?: and {PAIR})?"


def of_kind(table, kind, metric):
    rows = table[(table["map"] == kind) & (table["metric"] == metric)]
    return {
        f"{r['backbone_a']}–{r['backbone_b']}": r
        for r in rows.to_dict("records")
        if math.isfinite(r["mean"])
    }


def check_group(text, rows, best):
    """One end of the order: the pair with its interval, or all that share its value."""
    level = {p for p, r in rows.items() if same(r["mean"], best)}
    one = re.fullmatch(rf"(?P<pair>{PAIR}), {estimated('x')}", text)
    if one:
        row = rows[one["pair"]]
        assert level == {one["pair"]}
        says_estimate(one, "x", row["mean"], row["low"], row["high"])
        return
    many = re.fullmatch(rf"(?P<pairs>{PAIRS}), (?P<x>{NUM})", text)
    assert set(names(many["pairs"])) == level
    assert len(level) > 1
    says(many["x"], best)


def known(row):
    return math.isfinite(row["low"]) and math.isfinite(row["high"])


ORDER = (
    r"(?P<title>[^:]+): most alike are (?P<most>.+?); least alike are (?P<least>.+?)\.(?: (?P<few>Over "
    r"(?P<n>\d+) images? this order says little\.)| (?P<bare>Their difference was not tested, so this "
    r"order may be chance\.)| (?P<none>Even these two do not differ clearly on the same images "
    r"\(corrected over all pairs\), so no pair stands out\.)| The first place is not decided: "
    r"(?:(?P<contenders>\d+) other pairs? do(?:es)? not differ clearly from it on the same images)?"
    r"(?: and )?(?:(?P<without>\d+) other pairs? (?:was|were) not tested)?\.)?"
)


def of_tests(differences, kind, metric):
    own = differences[(differences["map"] == kind) & (differences["metric"] == metric)]
    return own.to_dict("records")


def p_between(tests, a, b):
    names = ["|".join((one["backbone_a"], one["backbone_b"])) for one in (a, b)]
    found = [
        r["p_corrected"] for r in tests
        if r["compared"] == "pairs" and {r["first"], r["second"]} == set(names)
    ]  # fmt: skip
    return found[0] if found else math.nan


@checks(
    "sentences.observed_pairs.observe_pairs", "sentences.observed_pairs._order", "sentences.observed_pairs._tested",
    "words.metricnames.describe",
)  # fmt: skip
def test_pairs():
    reached = set()
    for mode, rng, n in made.generators(150, seed=3):
        table = made.agreement(rng, mode, made.agreement_images(rng, mode, n, METRIC_NAMES))
        # Differences as random as they can be: clear, not clear, and not tested.
        differences = made.differences(rng, table)
        table_read()
        for kind in ("ais", "evidence"):
            for metric in METRIC_NAMES:
                rows = of_kind(table, kind, metric)
                said = observe_pairs(table, kind, metric, differences)
                tests = of_tests(differences, kind, metric)
                if not rows:
                    assert said is None
                    continue
                higher = metric == "cosine"
                best, worst = (max, min) if higher else (min, max)
                first, last = (f(r["mean"] for r in rows.values()) for f in (best, worst))

                def only(found, rows=rows):
                    row = rows[found["pair"]]
                    assert len(rows) == 1
                    says_estimate(found, "x", row["mean"], row["low"], row["high"])

                def alike(found, rows=rows, first=first, last=last):
                    assert int(found["n"]) == len(rows) > 1
                    assert same(first, last)
                    says(found["x"], first)

                def order(found, rows=rows, first=first, last=last, higher=higher, tests=tests):
                    assert not same(first, last)
                    check_group(found["most"], rows, first)
                    check_group(found["least"], rows, last)
                    reached.update(k for k, v in found.groupdict().items() if v)
                    ranked = sorted(
                        rows.values(), key=lambda r: -r["mean"] if higher else r["mean"]
                    )
                    fewest = min(r["n"] for r in rows.values())
                    if found["few"]:
                        assert int(found["n"]) == fewest < 5
                        return
                    assert fewest >= 5
                    p = [p_between(tests, ranked[0], other) for other in ranked[1:]]
                    assert bool(found["bare"]) == math.isnan(p[-1])
                    if found["bare"]:
                        return
                    assert bool(found["none"]) == (p[-1] >= 0.05)
                    if found["none"] or same(ranked[0]["mean"], ranked[1]["mean"]):
                        return
                    assert int(found["contenders"] or 0) == sum(one >= 0.05 for one in p)
                    assert int(found["without"] or 0) == sum(map(math.isnan, p))

                read(said, {
                    rf"[^:]+: the one pair, (?P<pair>{PAIR}), {estimated('x')}\.": only,
                    rf"[^:]+: all (?P<n>\d+) pairs are alike to two digits, (?P<x>{NUM})\.": alike,
                    ORDER: order,
                })  # fmt: skip
    assert {"few", "bare", "none", "contenders", "without"} <= reached


@checks("sentences.observed_pairs.observe_mse_identity")
def test_mse():
    for mode, rng, n in made.generators(60, seed=4):
        if n < 2:
            continue
        table = made.agreement_images(rng, mode, n, ("cosine",))
        shift = rng.choice([0.0, 4e-5, 0.3])
        mse = table.assign(metric="mse", value=2 * (1 - table["value"]) + shift)
        both = pd.concat([table, mse])
        said = observe_mse_identity(pd.DataFrame(), both)
        table_read()
        count = int(table["value"].notna().sum())
        if not count:
            assert said is None
            continue

        def holds(found, shift=shift, count=count):
            assert shift < 1e-3
            assert int(found["n"].replace(",", "")) == count
            assert float(found["gap"]) >= shift - 1e-12

        def fails(found, shift=shift):
            assert shift > 1e-3
            says(found["gap"], shift)

        read(said, {
            r"MSE says nothing that cosine does not: on z-scored maps it equals 2\(1 − cosine\), and "
            r"in this study’s (?P<n>[\d,]+) values? it does, to within (?P<gap>\S+)\.": holds,
            r"On z-scored maps MSE should equal 2\(1 − cosine\); in this study it departs from that "
            rf"by up to (?P<gap>{NUM}), so the maps that were compared were not z-scored alike\.":
            fails,
        })  # fmt: skip


@checks("sentences.observed_pairs.observe_emd")
def test_emd():
    for mode, rng, n in made.generators(30, seed=5):
        table = made.agreement(rng, mode, made.agreement_images(rng, mode, n, METRIC_NAMES))
        said = observe_emd(table)
        table_read()
        if table.empty:
            assert said is None
            continue

        def blind(found):
            pass

        def compared(found, table=table):
            rows = table[table["map"] == found["kind"].lower()]
            wide = rows.pivot(index=["backbone_a", "backbone_b"], columns="metric", values="mean")
            wide = wide.dropna()
            assert int(found["n"]) == len(wide) >= 4
            says(found["rho"], (-wide["emd"]).corr(wide["cosine"], method="spearman"))

        start = r"EMD compares .+ wherever their evidence is\."
        rho = r" Here its order of the (?P<n>\d+) pairs’ (?P<kind>\w+) maps has a rank correlation "
        read(said, {start: blind, rf"{start}{rho}of (?P<rho>{NUM}) with cosine’s\.": compared})


LEVELS = {"are rather opposed": (-9, -0.1), "hardly agree": (-0.1, 0.1), "agree weakly": (0.1, 0.3),
          "agree moderately": (0.3, 0.6), "agree strongly": (0.6, 9)}  # fmt: skip
WORD = "|".join(LEVELS)


def kind_pattern(k):
    return (
        rf"(?P<x{k}>{NUM})(?: \((?:95% interval (?P<low{k}>{NUM}) to (?P<high{k}>{NUM}))?(?:; )?"
        rf"(?:(?P<n{k}>\d+) pairs (?:from (?P<min{k}>{NUM}) to (?P<max{k}>{NUM})|all "
        rf"(?P<all{k}>{NUM})))?\))?"
    )


LEVEL = (
    rf"The (?:maps (?P<both>{WORD})|(?P<kind0>\w+) maps (?P<word0>{WORD})(?:, the (?P<kind1>\w+) maps "
    rf"(?P<word1>{WORD}))?): on the same image the (?P<a>\w+) maps of two networks have a mean cosine "
    rf"of {kind_pattern(0)}(?:, their (?P<b>\w+) maps of {kind_pattern(1)})?\."
    rf"(?P<chance> Maps of different images, which share only what all images share, have .+)?"
)
CHANCE = (
    rf" Maps of different images, which share only what all images share, have (?P<c0>{NUM})(?: "
    rf"\((?P<k0>\w+)\) and (?P<c1>{NUM}) \((?P<k1>\w+)\))?; (?:(?P<no>no pair is shown to agree "
    r"better)|(?P<all>(?:the|every) pair agrees better)|(?P<same>\d+) of the (?P<of>\d+) pairs? "
    r"agrees? better|(?P<better0>\d+) of (?P<of0>\d+) pairs? \((?P<kind0>\w+)\) and (?P<better1>\d+) "
    r"of (?P<of1>\d+) pairs? \((?P<kind1>\w+)\) agree better) than that \(p < 0\.05, corrected over "
    r"pairs\)\."
)


def check_chance(text, table):
    found = re.fullmatch(CHANCE, text)
    assert found, text
    counts = {}
    for kind in ("ais", "evidence"):
        rows = [r for r in of_kind(table, kind, "cosine").values()
                if math.isfinite(r["chance"]) and math.isfinite(r["p_corrected"])]  # fmt: skip
        if rows:
            better = sum(r["p_corrected"] < 0.05 and r["mean"] > r["chance"] for r in rows)
            counts[kind] = better, len(rows), np.mean([r["chance"] for r in rows])
    kinds = [found["k0"], found["k1"]] if found["k0"] else list(counts)
    assert [k.lower() for k in kinds] == list(counts)
    for key, kind in zip(("c0", "c1"), counts, strict=False):
        says(found[key], counts[kind][2])
    pairs = [c[:2] for c in counts.values()]
    if found["no"]:
        assert all(k == 0 for k, _ in pairs)
    elif found["all"]:
        assert all(k == n for k, n in pairs)
    elif found["same"]:
        assert all(c == (int(found["same"]), int(found["of"])) for c in pairs)
    else:
        for side in "01":
            expected = int(found[f"better{side}"]), int(found[f"of{side}"])
            assert counts[found[f"kind{side}"].lower()][:2] == expected


@checks(
    "sentences.observed_agreement.observe_level", "sentences.observed_agreement.agreement_word",
    "sentences.observed_agreement._in_words", "sentences.observed_agreement.observe_chance",
    "sentences.observed_agreement._better",
)  # fmt: skip
def test_level_and_chance():
    for mode, rng, n in made.generators(40, seed=6):
        per_image = made.agreement_images(rng, mode, n)
        table = made.agreement(rng, mode, per_image)
        said = observe_level(table, per_image)
        table_read()
        means = {
            kind: [r["mean"] for r in of_kind(table, kind, "cosine").values()]
            for kind in ("ais", "evidence")
        }
        means = {kind: found for kind, found in means.items() if found}
        if not means:
            assert said is None
            continue

        def level(found, means=means, table=table):
            kinds = [found["a"], found["b"]] if found["b"] else [found["a"]]
            assert [k.lower() for k in kinds] == list(means)
            words = [found["both"]] * 2 if found["both"] else [found["word0"], found["word1"]]
            for k, own in enumerate(means.values()):
                mean = float(np.mean(own))
                says(found[f"x{k}"], mean)
                low, high = LEVELS[words[k]]
                kind = list(means)[k]
                chances = [r["chance"] for r in of_kind(table, kind, "cosine").values()]
                chances = [one for one in chances if math.isfinite(one)]
                chance = np.mean(chances) if chances else 0.0
                if mean > 0 and 0 < chance < 1:  # as much as chance is no agreement
                    assert low <= round(max(0, 1 - (1 - mean) / (1 - chance)), 2) < high
                else:
                    assert low <= round(mean, 2) < high
                assert (found[f"n{k}"] is None) == (len(own) == 1)
                if found[f"min{k}"]:
                    says(found[f"min{k}"], min(own))
                    says(found[f"max{k}"], max(own))
                if found[f"all{k}"]:
                    assert same(min(own), max(own))
                if found[f"low{k}"]:
                    ends = [float(found[f"{e}{k}"].replace("−", "-")) for e in ("low", "high")]
                    assert ends[0] - 0.006 <= mean <= ends[1] + 0.006
            if found["chance"]:
                check_chance(found["chance"], table)

        read(said, {LEVEL: level})


@checks("words.pair_words.pair_line", "words.pair_words._chance", "words.pair_words.self_line")
def test_lines_of_pairs():
    for mode, rng, n in made.generators(21, seed=9):
        table = made.agreement(rng, mode, made.agreement_images(rng, mode, n))
        table_read()
        for row in table.to_dict("records"):
            for view, column in (("raw", "mean"), ("disattenuated", "disattenuated")):

                def line(found, row=row, view=view, column=column):
                    assert [found["a"], found["b"]] == [row["backbone_a"], row["backbone_b"]]
                    says(found["x"], row[column])
                    assert bool(found["freed"]) == (view == "disattenuated")
                    for key, name in (("chance", "chance"), ("p", "p"), ("q", "p_corrected")):
                        if found[key] and not found[key].startswith("<"):
                            says(found[key].removeprefix("= "), row[name])
                    if found["q"] and found["q"].startswith("= "):
                        assert (float(found["q"][2:]) < 0.05) == (row["p_corrected"] < 0.05)
                    assert int(found["n"]) == row["n"]
                    assert int(found["gone"] or 0) == row["n_undefined"]

                read(pair_line(row, view), {
                    rf"(?P<a>\w+) and (?P<b>\w+): (?P<x>{NUM})(?P<freed> freed of seed noise)?"
                    rf"(?:, 95% interval {NUM} to {NUM})?(?:; as measured {NUM}(?:, 95% interval {NUM} "
                    rf"to {NUM})?)?(?:; reliabilities {NUM} and {NUM})?(?:; chance (?P<chance>{NUM})"
                    rf"(?: \(95% of random pairings {NUM} to {NUM}\))?)?(?:; p (?P<p>[=<] {NUM})(?:, "
                    rf"corrected (?P<q>[=<] {NUM}))?)?; (?P<n>\d+) images?(?:; (?P<gone>\d+) "
                    r"undefined)?": line
                })  # fmt: skip
        row = {"backbone": "alpha", "mean": float(rng.normal()), "low": np.nan, "high": np.nan,
               "stepped_up": float(rng.choice([np.nan, 0.5]))}  # fmt: skip

        def itself(found, row=row):
            says(found["x"], row["mean"])
            assert bool(found["up"]) == math.isfinite(row["stepped_up"])

        read(self_line(row), {
            rf"alpha with itself across seeds: (?P<x>{NUM})(?:; the average over seeds "
            rf"\(Spearman–Brown\) (?P<up>{NUM}))?": itself
        })  # fmt: skip


@checks("words.metricnames.MetricWords.direction")
def test_notes_of_metrics_give_the_range():
    for name, metric in METRICS.items():
        table_read()

        def note(found, metric=metric):
            says(found["low"], metric.low)
            says(found["high"], metric.high)
            for end in ("low", "high"):  # to the digits that it has, not rounded to a smaller range
                exact = getattr(metric, end)
                assert "." in found[end] or float(exact).is_integer()

        read(describe(name).note, {rf"From (?P<low>{NUM}) to (?P<high>{NUM}): .+\.": note})
        higher = describe(name).direction.startswith("higher")
        assert higher == (metric.direction == "higher")
