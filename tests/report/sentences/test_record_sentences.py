"""Cautions, methods, tables and alignment reports say what the study's record holds."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import random_tables as made
from reading import NUM, checks, names, read, says, table_read

from aisthesis.report.charts.dendrogram import dendrogram
from aisthesis.report.charts.distribution import distribution
from aisthesis.report.folder.record import INFERENCE, StudyRecord
from aisthesis.report.parts.variance import variance_parts
from aisthesis.report.sentences.cautions import cautions
from aisthesis.report.sentences.methods import methods_text
from aisthesis.report.sentences.tables import split_rows
from aisthesis.report.similarity.words import _agreement, _triplets, _validation, observations
from aisthesis.report.similarity.words import cautions as alignment_cautions


def provenance_of(rng, n):
    """What a study of n networks may have gone through."""
    backbones = {}
    for label in made.NETWORKS[:n]:
        low, mean, high = np.sort(rng.choice([0.31, 0.5, 0.9, 1.0], 3))
        backbones[label] = {
            "weights": {"kind": str(rng.choice(["random", "official"])), "warning": "w"},
            "flat_maps": {"ais": int(rng.integers(0, 3)), "evidence": int(rng.integers(0, 2))},
            "dead_heads": [{"stage": str(rng.choice(["fit", "explain"])), "seed": k,
                            "n": int(rng.integers(1, 9)), "of": 40}
                           for k in range(int(rng.integers(0, 3)))],
            "seen": {"min": low, "mean": mean, "max": high}, "view": "crop",
        }  # fmt: skip
    skipped = [{"image": f"x{k}.jpg", "reason": "is empty"} for k in range(int(rng.integers(0, 3)))]
    return {"backbones": backbones, "images": {"skipped": skipped},
            "explained": {"which": str(rng.choice(["all", "test"]))},
            "warnings": ["odd", *([f"{len(skipped)} skipped"] if skipped else [])]}  # fmt: skip


@checks(
    "sentences.cautions._random_weights", "sentences.cautions._dead_heads", "sentences.cautions._flat_maps", "sentences.cautions._undefined",
    "sentences.cautions._skipped", "sentences.cautions._told", "sentences.cautions._other_crops", "sentences.cautions._how_compared",
    "sentences.cautions._unreadable", "sentences.cautions._explained_training", "sentences.cautions._partly_seen", "sentences.tables.seen_in_words",
)  # fmt: skip
def test_cautions():
    for mode, rng, n in made.generators(70, seed=31):
        facts = provenance_of(rng, n)
        table = made.agreement(rng, mode, made.agreement_images(rng, mode, n))
        if rng.random() < 0.5:
            table = table.assign(compared_share=rng.uniform(0.2, 1.0, len(table)))
        unreadable = {f"u{k}.jpg": "is gone" for k in range(int(rng.integers(0, 30)))}
        crops = list(made.NETWORKS[1:n]) if rng.random() < 0.5 else []
        found = {c.title: c for c in cautions(facts, table, unreadable, crops)}
        table_read()
        own = facts["backbones"]
        random = [b for b, f in own.items() if f["weights"]["kind"] == "random"]
        assert ("Random weights" in found) == bool(random)
        if random:
            text = found["Random weights"].text.split(":")[0]
            everyone = text == "None of the networks has been trained"
            assert everyone == (len(random) == n)
            assert everyone or names(re.sub(" ha(s|ve) not been trained", "", text)) == random
        dead = [(b, one) for b, f in own.items() for one in f["dead_heads"]]
        assert ("Dead heads" in found) == bool(dead)
        for item, (label, one) in zip(found["Dead heads"].items if dead else [], dead, strict=True):

            def head(text, label=label, one=one):
                assert (text["b"], int(text["s"])) == (label, one["seed"])
                assert (int(text["n"]), int(text["of"])) == (one["n"], one["of"])
                assert bool(text["explained"]) == (one["stage"] == "explain")

            read(item, {
                r"(?P<b>\w+), seed (?P<s>\d+): on (?P<n>\d+) of (?P<of>\d+) (?:images it predicts the "
                r"same constant|(?P<explained>explained images no channel changes its prediction))":
                head
            })  # fmt: skip
        if dead:
            serious = any(one["n"] / one["of"] >= 0.1 for _, one in dead)
            assert (found["Dead heads"].level == "serious") == serious
        flat = [(b, k, v) for b, f in own.items() for k, v in f["flat_maps"].items() if v]
        assert ("Flat maps" in found) == bool(flat)
        for item, (label, kind, count) in zip(
            found["Flat maps"].items if flat else [], flat, strict=True
        ):

            def flat_maps(text, expected=(label, kind, count)):
                assert (text["b"], text["kind"].lower(), int(text["n"])) == expected

            read(item, {r"(?P<b>\w+): (?P<n>\d+) (?P<kind>\w+) maps?": flat_maps})
        gone = int(table["n_undefined"].sum()) if len(table) else 0
        titles = [t for t in found if t.endswith(("undefined value", "undefined values"))]
        assert bool(titles) == bool(gone)
        if gone:

            def undefined(text, table=table, gone=gone):
                assert int(text["n"].replace(",", "")) == gone
                assert int(text["all"].replace(",", "")) == gone + int(table["n"].sum())

            read(found[titles[0]].text, {
                r"Of (?P<all>[\d,]+) agreements between two maps (?P<n>[\d,]+) are undefined; they are "
                "counted in the tables and take no part in means.": undefined
            })  # fmt: skip
        skipped = facts["images"]["skipped"]
        for title, items in (("skipped", skipped), ("cannot be shown", unreadable)):
            assert any(title in t for t in found) == bool(items)
        if len(unreadable) > 20:
            items = found["Photographs that cannot be shown"].items
            assert items[-1] == f"and {len(unreadable) - 20} more"
        assert "Warnings of the run" in found
        assert found["Warnings of the run"].items == ["odd"]
        apart = [c for title, c in found.items() if "same part" in title]
        assert bool(apart) == bool(crops)
        if apart and len(table):
            least = table["compared_share"].min() if "compared_share" in table else None
            said = re.search(r"both saw, (\d+)% of their area", apart[0].text)
            assert (said is None) == (least is None), apart[0].text
            assert said is None or int(said[1]) == round(100 * least)
        assert any("Training images" in t for t in found) == (facts["explained"]["which"] == "all")
        part = {b: f for b, f in own.items() if f["seen"]["min"] < 0.995}
        seen = next((c.items for t, c in found.items() if t.startswith("Networks saw part")), [])
        assert len(seen) == len(part)
        for item, (label, f) in zip(seen, part.items(), strict=True):

            def shares(text, label=label, seen=f["seen"]):
                assert text["b"] == label
                says(text["mean"], 100 * seen["mean"])
                says(text["low"] or text["mean"], 100 * seen["min"])
                says(text["high"] or text["mean"], 100 * seen["max"])

            read(item, {
                rf"(?P<b>\w+): (?P<mean>{NUM})%(?: \((?P<low>{NUM})% to (?P<high>{NUM})%\))?, centre":
                shares
            })  # fmt: skip


def alignment_row(rng, mode):
    n_subjects = int(rng.integers(1, 4))
    folds = int(rng.integers(2, 9))
    x = made.values(rng, 8, mode)
    low, high = (end[0] for end in made.ends(rng, x[:1], mode))
    n_channels = int(rng.integers(3, 500))
    return pd.Series({
        "backbone": "alpha", "n_images": made.images(rng, mode), "n_pairs": int(rng.integers(1, 4000)),
        "measure": "pearson", "agreement": x[1], "agreement_subjects": x[2], "n_subjects": n_subjects,
        "difference": x[0], "difference_low": low, "difference_high": high,
        "r2_full": x[3], "r2_retained": x[4], "p": float(abs(x[5])) / 3, "n_folds": folds,
        "n_better": int(rng.integers(0, folds + 1)), "n_channels": n_channels,
        "n_retained_mean": float(rng.uniform(1, n_channels)),
        "ceiling_lower": x[6] if n_subjects > 1 else np.nan,
        "ceiling_upper": x[7] if n_subjects > 1 else np.nan})  # fmt: skip


COMPARED = (
    r"(?P<b>alpha: )?(?:T|t)he similarities that the network computes between (?P<n>\d+) images? agree "
    rf"with the mean human judgments at (?P<x>{NUM}) \(.+? over (?P<pairs>[\d,]+) pairs?\)(?:, and with "
    rf"single subjects at (?P<single>{NUM}) on average)?\."
)
NOT_COMPARED = (
    r"(?:alpha: )?(?:T|t)he agreement of the similarities that the network computes between \d+ images? "
    r"with the mean human judgments is undefined\."
)
VALIDATED = (
    r"(?:alpha: o|O)n held-out images, keeping (?P<kept>\d+) of (?P<of>\d+) channels on average changes "
    rf"R² from (?P<full>{NUM}) to (?P<less>{NUM}): a difference of (?P<gap>{NUM}) \(95% interval "
    rf"(?:not known|(?P<low>{NUM}) to (?P<high>{NUM})); p (?:undefined|(?P<rel>[=<]) (?P<p>\.\d+|1\.0+))"
    r"\), better in (?P<k>\d+) of (?P<folds>\d+) folds, (?:(?P<more>more than the folds’ variation "
    r"explains)|(?P<open>which the variation between folds could also bring about)|(?P<bare>without an "
    r"interval it may be chance))\."
)


TRIPLETS = (
    rf"(?:alpha: t|T)he similarities predict (?P<share>{NUM}) of (?P<n>[\d,]+) choices among three images "
    rf"\((?:no interval|95% interval (?P<a>{NUM}) to (?P<z>{NUM})); "
    rf"(?P<chance>{NUM}) is chance\); (?:no question was answered twice, so there is no ceiling for it|of "
    rf"the (?P<m>[\d,]+) answers to questions that were answered more than once they predict (?P<again>{NUM}), "
    rf"the majority of the other answers (?P<lower>{NUM}), and nothing can predict more than (?P<upper>{NUM}))\."
)
NO_TRIPLETS = (
    r"(?:alpha: t|T)he share of [\d,]+ choices among three images that the similarities predict is "
    r"undefined\."
)


@checks("similarity.words._triplets")
def test_choices_among_three():
    for mode, rng, _ in made.generators(40, seed=34):
        x = np.abs(made.values(rng, 5, mode))
        low, high = (end[0] for end in made.ends(rng, x[:1], mode))
        row = pd.Series({
            "backbone": "alpha", "n_triplets": float(rng.integers(1, 9000)), "triplet_share": x[0],
            "triplet_share_low": low, "triplet_share_high": high, "triplet_chance": x[1],
            "n_triplets_repeated": 7.0, "triplet_share_repeated": x[2],
            "triplet_ceiling_lower": x[3], "triplet_ceiling_upper": x[4]})  # fmt: skip
        table_read()

        def told(found, row=row):
            says(found["share"], row["triplet_share"])
            says(found["chance"], row["triplet_chance"])
            assert int(found["n"].replace(",", "")) == row["n_triplets"]
            ends = row[["triplet_share_low", "triplet_share_high"]].to_numpy(float)
            assert (found["a"] is not None) == np.isfinite(ends).all()
            if found["a"]:
                says(found["a"], ends[0])
                says(found["z"], ends[1])
            names = ["triplet_share_repeated", "triplet_ceiling_lower", "triplet_ceiling_upper"]
            assert bool(found["m"]) == np.isfinite(row[names].to_numpy(float)).all()
            if found["m"]:
                for key, name in zip(("again", "lower", "upper"), names, strict=True):
                    says(found[key], row[name])

        def not_told(found, row=row):
            assert not math.isfinite(row["triplet_share"])

        read(_triplets(row, True), {TRIPLETS: told, NO_TRIPLETS: not_told})


@checks(
    "similarity.words.observations", "similarity.words._agreement", "similarity.words._validation",
)  # fmt: skip
def test_alignment():
    for mode, rng, _ in made.generators(90, seed=32):
        row = alignment_row(rng, mode)
        table_read()

        def compared(found, row=row):
            assert int(found["n"]) == row["n_images"]
            assert int(found["pairs"].replace(",", "")) == row["n_pairs"]
            says(found["x"], row["agreement"])
            single = row["n_subjects"] > 1 and math.isfinite(row["agreement_subjects"])
            assert bool(found["single"]) == single
            if single:
                says(found["single"], row["agreement_subjects"])

        def undefined(found, row=row):
            assert not math.isfinite(row["agreement"])

        def validated(found, row=row):
            says(found["kept"], row["n_retained_mean"])
            assert int(found["of"]) == row["n_channels"]
            for key, name in (("full", "r2_full"), ("less", "r2_retained"), ("gap", "difference")):
                says(found[key], row[name])
            has = math.isfinite(row["difference_low"]) and math.isfinite(row["difference_high"])
            assert bool(found["bare"]) == (not has) == (found["low"] is None)
            if has:
                says(found["low"], row["difference_low"])
                apart = row["difference_low"] > 0 or row["difference_high"] < 0
                assert bool(found["more"]) == apart
            assert (int(found["k"]), int(found["folds"])) == (row["n_better"], row["n_folds"])

        def no_validation(found, row=row):
            assert not math.isfinite(row["difference"])

        def ceiling(found, row=row):
            assert int(found["n"]) == row["n_subjects"] > 1
            says(found["low"], row["ceiling_lower"])
            says(found["high"], row["ceiling_upper"])

        def no_ceiling(found, row=row):
            ends = [row["ceiling_lower"], row["ceiling_upper"]]
            assert not np.isfinite(ends).all()
            assert bool(found["several"]) == (row["n_subjects"] > 1)

        known = {
            COMPARED: compared, NOT_COMPARED: undefined, VALIDATED: validated,
            r"(?:alpha: o|O)n held-out images the agreement is undefined\.": no_validation,
            r"The (?P<n>\d+) subjects agree with each other only so far: a model of them can be "
            r"expected to reach a mean agreement with single subjects between "
            rf"(?P<low>{NUM}) and (?P<high>{NUM})\.": ceiling,
            r"There is no noise ceiling: (?:(?P<several>the subjects’ agreement is undefined)|it needs "
            r"the judgments of several subjects)\.": no_ceiling,
        }  # fmt: skip
        for sentence in observations(SimpleNamespace(tables={"alignment": pd.DataFrame([row])})):
            read(sentence, known)
        for sentence in (_agreement(row, True), _validation(row, True)):
            assert sentence.startswith("alpha: ")
            read(sentence, known)


@checks("similarity.words.cautions")
def test_alignment_cautions():
    for _, rng, _ in made.generators(20, seed=33):
        missing, nobody, without, placeless = (int(rng.integers(0, 3)) for _ in range(4))
        facts = {"judgments": {"n_missing": missing, "n_pairs_nobody_judged": nobody},
                 "backbones": {"alpha": {"images_without_map": without,
                                         "images_without_place_map": placeless}}}  # fmt: skip
        table_read()
        seen = set()
        for one in alignment_cautions(SimpleNamespace(provenance=facts), {}):

            def judged(found, expected=(missing, nobody)):
                assert (int(found["n"]), int(found["m"])) == expected
                seen.add("judged")

            def maps(found, expected=without):
                assert int(found["n"]) == expected
                seen.add("maps")

            def places(found, expected=placeless):
                assert int(found["n"]) == expected
                seen.add("places")

            read(one["text"], {
                r"alpha: (?P<n>\d+) images? (?:has|have) no map by place, because its own agreement "
                r"with people is undefined \(with fewer than three judged pairs, say\) or its "
                r"embedding is constant without some place\.": places,
                r"(?P<n>\d+) judgments? of pairs (?:is|are) missing, counted over subjects; (?P<m>\d+) "
                r"pairs? nobody judged\. Everything here rests on the pairs that were\.": judged,
                r"alpha: (?P<n>\d+) images? (?:has|have) no heatmap, because no channel’s removal makes "
                r"it agree less with people, or its agreement is undefined\.": maps,
            })  # fmt: skip
        told = (("judged", missing), ("maps", without), ("places", placeless))
        assert seen == {k for k, v in told if v}


@checks("charts.distribution.Strip.words", "charts.dendrogram.Tree.words")
def test_words_for_who_does_not_see_a_chart():
    for mode, rng, n in made.generators(35, seed=34):
        per_image = made.agreement_images(rng, mode, n)
        table = made.agreement(rng, mode, per_image)
        table_read()
        found = distribution(table, per_image, "ais", "cosine")
        for strip in found.strips if found else []:
            a, b = strip.pair.split(" – ")
            own = per_image[(per_image["map"] == "ais") & (per_image["backbone_a"] == a)
                            & (per_image["backbone_b"] == b)]["value"].dropna()  # fmt: skip

            def words(text, own=own):
                for key, actual in (
                    ("x", own.mean()),
                    ("m", own.median()),
                    ("q", own.quantile(0.25)),
                    ("r", own.quantile(0.75)),
                    ("low", own.min()),
                    ("high", own.max()),
                ):
                    says(text[key], actual)
                assert int(text["n"]) == len(own)

            read(strip.words, {
                rf"\w+ – \w+: mean (?P<x>{NUM})(?: \({NUM} to {NUM}\))?, median (?P<m>{NUM}), middle "
                rf"half (?P<q>{NUM}) to (?P<r>{NUM}), all from (?P<low>{NUM}) to (?P<high>{NUM})(?:, "
                rf"chance {NUM})?; (?P<n>\d+) images?\.": words
            })  # fmt: skip
        if found:
            means = [s.values.mean() for s in found.strips]
            assert means == sorted(means, reverse=True)
        members = ["|".join(made.NETWORKS[: k + 2]) for k in range(n - 1)]
        merges = pd.DataFrame({"map": "ais", "metric": "cosine", "members": members,
                               "distance": np.sort(rng.uniform(0, 2, n - 1)),
                               "support": made.values(rng, n - 1, "holes", 0.0, 1.0)})  # fmt: skip
        tree = dendrogram(merges, "ais", "cosine")
        for part, row in zip(
            tree.words.partition(": ")[2].removesuffix(".").split("; ") if tree else [],
            merges.to_dict("records"), strict=True,
        ):  # fmt: skip

            def join(text, row=row):
                assert names(text["who"]) == row["members"].split("|")
                says(text["at"], row["distance"])
                assert bool(text["s"]) == math.isfinite(row["support"])
                if text["s"]:
                    says(text["s"], 100 * abs(row["support"]))

            read(part, {
                rf"(?P<who>[\w, ]+) join at (?P<at>{NUM})(?:, support (?P<s>{NUM})%)?": join
            })  # fmt: skip


@checks("parts.variance.Component.words", "sentences.tables.split_rows")
def test_shares_and_counts():
    for mode, rng, _ in made.generators(28, seed=35):
        shares = made.values(rng, 3, mode, -0.2, 1.0)
        low, high = made.ends(rng, shares, mode)
        table = pd.DataFrame({"map": "ais", "component": ["image", "seed", "odd_one"],
                              "share": shares, "low": low, "high": high})  # fmt: skip
        table_read()
        rows = table.dropna(subset=["share"]).to_dict("records")
        for part, row in zip(variance_parts(table).get("ais", []), rows, strict=True):

            def share(text, row=row):
                says(text["x"], 100 * row["share"])
                if text["low"]:
                    says(text["low"], 100 * row["low"])
                    says(text["high"], 100 * row["high"])

            read(part.words, {rf"(?P<x>{NUM})%(?: \((?P<low>{NUM}) to (?P<high>{NUM})\))?": share})
        sizes = {"train": int(rng.integers(0, 3000)), "test": int(rng.integers(0, 3))}
        said = dict(
            split_rows({"splits": sizes, "explained": {"n": sizes["test"], "which": "test"}})
        )
        for name, text in said.items():
            actual = sizes["test" if name == "Explained" else name.lower()]
            read(text, {r"(?P<n>[\d,]+) images?(?: \(the test images\))?":
                        lambda found, n=actual: says(found["n"], n)})  # fmt: skip


@checks("sentences.methods._data", "sentences.methods_fit.heads_text", "sentences.methods._maps")
def test_methods_of_the_record():
    empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in INFERENCE.items()}
    for _, rng, n in made.generators(30, seed=36):
        sizes = {name: int(rng.integers(0, 50)) for name in ("train", "validation", "test")}
        seeds, raters = int(rng.integers(1, 4)), int(rng.integers(0, 3))
        reliability = float(rng.choice([0.81, 0.4]))
        ceiling = {"reliability": reliability, "low": None, "high": None,
                   "correlation": None if rng.random() < 0.3 else reliability**0.5}  # fmt: skip
        facts = {
            "backbones": {b: {} for b in made.NETWORKS[:n]}, "images": {"n": sum(sizes.values())},
            "ratings": {"n_raters": raters, "min": -1.5, "max": 7.25, "noise_ceiling": ceiling},
            "splits": {**sizes, "seeds": seeds, "seed": 3},
        }  # fmt: skip
        record = StudyRecord(
            path=Path(), config={}, provenance=facts, maps={},
            predictions=pd.DataFrame({"backbone": []}), scores=pd.DataFrame({"backbone": []}),
            agreement=pd.DataFrame(columns=["map", "metric", "mean"]),
            agreement_images=pd.DataFrame(), localisation=pd.DataFrame(), **empty,
        )  # fmt: skip
        data, heads, maps = methods_text(record)
        table_read()

        def of_data(found, sizes=sizes, raters=raters, ceiling=ceiling):
            assert int(found["n"]) == sum(sizes.values())
            assert int(found["raters"] or 0) == raters
            for words, name in (("training", "train"), ("early stopping", "validation"),
                                ("testing", "test")):  # fmt: skip
                told = re.search(rf"(\d+) for {words}", found[0])
                assert (int(told[1]) if told else 0) == sizes[name]
            assert bool(found["limit"]) == (ceiling["correlation"] is not None)
            if found["limit"]:
                says(found["r"], ceiling["reliability"])
                says(found["limit"], ceiling["correlation"])

        read(data, {
            r"The study has (?P<n>\d+) images?(?:, rated by (?P<raters>\d+) (?:person|people))? \(mean "
            r"ratings from −1\.50 to 7\.25\)(?:, split into [^.]+)?\. The test images were drawn once "
            r"with seed 3 and never change\. Both divisions are stratified by rating: [^.]+\.(?: The split-half reliability of the mean ratings, "
            rf"Spearman–Brown corrected, is R = (?P<r>{NUM}); a correlation with the mean rating cannot "
            rf"be expected above √R = (?P<limit>{NUM})\.)?": of_data
        })  # fmt: skip

        def of_heads(found, n=n, seeds=seeds):
            words = ["One", "Two", "Three", "Four"]
            assert words.index(found["n"]) + 1 == n
            assert int(found["seeds"] or 1) == seeds

        read(heads, {
            r"(?P<n>\w+) networks? (?:was|were) used as .+?; (?:(?P<seeds>\d+) heads were|one head was) "
            r"trained per network.+": of_heads
        })  # fmt: skip
        assert ("averaged over heads" in maps) == (seeds > 1)
