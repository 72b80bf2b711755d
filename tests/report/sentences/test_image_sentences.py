"""What is said of images, by agreement, by the side of the error and by choice, is in the tables."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
import random_tables as made
from reading import NUM, checks, read, says, table_read

from aisthesis.report.parts.dividing import observe_dividing
from aisthesis.report.pictures.channel_cards import _words
from aisthesis.report.pictures.examples import choose_examples
from aisthesis.report.pictures.planted_pictures import Planted
from aisthesis.report.pictures.rank_pictures import _finding
from aisthesis.report.pictures.showcases import Showcases
from aisthesis.report.sections import planted_page
from aisthesis.report.sentences.residual_side import observe_residual_side

SIDE = (
    r"(?:(?:(?P<two>The two networks)|Two networks) err on the same side of the human rating on "
    rf"(?P<share>{NUM})% of the images(?: \(pairs: (?P<least>{NUM})% to (?P<most>{NUM})%\))?\.(?: There "
    rf"their AIS(?P<place> by place)? maps have a mean cosine of (?P<same>{NUM}), where they err on opposite sides of "
    rf"(?P<other>{NUM}) \(difference (?P<gap>{NUM}), (?:95% interval (?P<low>{NUM}) to (?P<high>{NUM})"
    r"|no interval)\): (?:(?P<part>part of the disagreement is the side of the error, not the "
    r"place)|the side is not shown to explain the disagreement)\.)?)?(?: ?Evidence(?P<place2> by place)? maps, which do not "
    rf"know the side, (?:agree (?P<word>better|less) by (?P<by>{NUM}|less than 0\.01) in mean cosine "
    rf"\(95% interval (?P<from>{NUM}) to (?P<to>{NUM})\)|do not agree better or worse than can be told "
    rf"from chance \(difference (?P<none>{NUM}), 95% interval (?P<nfrom>{NUM}) to (?P<nto>{NUM})\))\.)?"
)


@checks(
    "sentences.residual_side._same_side", "sentences.residual_side._contrast", "words.wording.size"
)
def test_side_of_the_error():
    reached = set()
    for mode, rng, n in made.generators(70, seed=21):
        table = made.agreement_images(rng, mode, n)
        if mode == "plain":
            evidence = table["map"] == "evidence"
            table.loc[evidence, "value"] = table.loc[~evidence, "value"].to_numpy() + rng.choice(
                [0.003, -0.4, 0.4]
            )
        if n < 2:
            continue
        count = table["image"].nunique()
        residual = np.where(rng.random((n, count)) < 0.3, -1.0, 1.0)
        if mode == "holes":
            residual[0, 0] = np.nan
        averaged = pd.concat([
            pd.DataFrame({"image": [f"i{k}" for k in range(count)], "backbone": b, "rating": 5.0,
                          "prediction": 5.0 + r})
            for b, r in zip(made.NETWORKS, residual, strict=False)
        ])  # fmt: skip
        end = "_place" if rng.random() < 0.5 else ""
        if end:
            table = made.with_places(rng, table)
        if mode == "negative":  # the side decides
            side_of = {b: dict(zip([f"i{k}" for k in range(count)], r, strict=True))
                       for b, r in zip(made.NETWORKS, residual, strict=False)}  # fmt: skip
            same = [side_of[a][i] == side_of[b][i] for i, a, b in
                    zip(table["image"], table["backbone_a"], table["backbone_b"], strict=True)]  # fmt: skip
            table["value"] += 0.9 * (np.array(same) & (table["map"] == f"ais{end}"))
        said = observe_residual_side(table, averaged, n_boot=200)
        table_read()
        if said is None:
            assert table.empty or table["value"].isna().any() or count < 5
            continue
        sides = averaged.set_index(["image", "backbone"])["prediction"] - 5.0
        own = table[(table["map"] == f"ais{end}") & table["value"].notna()]
        signs = [
            np.array([sides[i, b] for i, b in zip(own["image"], own[f"backbone_{x}"], strict=True)])
            for x in "ab"
        ]
        own = own.assign(equal=signs[0] == signs[1])[np.isfinite(signs[0] + signs[1])]
        wide = table.pivot(
            index=["image", "backbone_a", "backbone_b"], columns="map", values="value"
        )
        gap = (wide[f"evidence{end}"] - wide[f"ais{end}"]).dropna().groupby("image").mean()

        def side(found, own=own, gap=gap, end=end):
            assert not found["same"] or bool(found["place"]) == bool(end)
            assert not (found["word"] or found["none"]) or bool(found["place2"]) == bool(end)
            reached.update(k for k, text in found.groupdict().items() if text)
            if found["share"]:
                by_pair = own.groupby(["backbone_a", "backbone_b"])["equal"].mean()
                assert bool(found["two"]) == (len(by_pair) == 1)
                says(found["share"], 100 * own["equal"].mean())
                if found["least"]:
                    says(found["least"], 100 * by_pair.min())
                    says(found["most"], 100 * by_pair.max())
            if found["same"]:
                means = own.groupby("equal")["value"].mean()
                says(found["same"], means[True])
                says(found["other"], means[False])
                says(found["gap"], means[True] - means[False])
                if found["part"]:
                    assert means[True] > means[False]
                    assert not found["low"].startswith("−")
            mean = gap.mean()
            if found["word"]:
                assert len(gap) >= 5
                assert (mean > 0) == (found["word"] == "better")
                if found["by"].startswith("less"):
                    assert 0 < abs(mean) < 0.01
                else:
                    says(found["by"], abs(mean))
                assert not found["from"].startswith("−")
            if found["none"]:
                says(found["none"], mean)
                assert not float(found["nfrom"].replace("−", "-")) > 0
                assert not float(found["nto"].replace("−", "-")) < 0

        read(said, {SIDE: side})
    assert {"share", "least", "same", "part", "word", "none"} <= reached


PREDICTORS = {"that people rate low": ("rating", 1), "that people rate high": ("rating", -1),
              "with a middling rating": ("extremeness of the rating", 1),
              "with an extreme rating": ("extremeness of the rating", -1),
              "whose rating is predicted well": ("prediction error", 1),
              "whose rating is predicted badly": ("prediction error", -1)}  # fmt: skip
NAMED = r"(?:rating|extremeness of the rating|prediction error)"
LISTED = rf"{NAMED}(?:, {NAMED})*(?: and {NAMED})?"
FIFTHS = (
    r"(?: (?P<k>\d+) of (?P<n>\d+) images (?:is|are) both in the fifth with the most equal predictions "
    r"and in the fifth with the least alike maps \((?P<chance>[\d.]+) expected by chance\)\.)?"
)
LESS = (
    r"The AIS maps agree less on images (?P<kinds>.+?)\.(?: These go together \(rank correlation of "
    r"(?P<between>.+?)\)(?: and are not (?P<count>\d) findings)?(?P<colon>[:;]) with the others? held "
    r"equal (?P<held>none of them is shown|only .+? (?:is|are) still shown by its partial rank "
    r"correlation|each is still shown, by partial rank correlations of .+?)\.)?" + FIFTHS
)
NONE = (
    rf"No kind of image is shown to divide them: the rank correlations? of (?P<names>{LISTED}) with how "
    rf"far AIS maps agree (?:is (?P<one>{NUM})|run from (?P<low>{NUM}) to (?P<high>{NUM})), and every "
    r"interval includes zero\." + FIFTHS
)


@checks(
    "parts.dividing.observe_dividing", "parts.dividing._candidates", "parts.dividing._together",
    "parts.dividing._same_rating_other_evidence",
)  # fmt: skip
def test_what_divides_the_networks():
    reached = set()
    for k in range(36):
        rng = np.random.default_rng((22, k))
        n = 15 if k % 12 == 0 else 60
        rating = rng.uniform(0, 100, n) if k % 5 else rng.choice([20.0, 80.0, 81.0], n)
        error = np.abs(rating - 50) / 10 + rng.normal(0, (0.3, 3.0)[k % 2], n)
        consensus = (k % 3) * 0.02 * np.abs(rating - 50) + (k % 4 == 1) * 0.01 * rating
        consensus = consensus + rng.normal(0, 0.2, n)
        scores = rng.permutation(np.arange(1, n + 1) / n) if k % 4 else np.ones(n)
        facts = pd.DataFrame(
            {
                "rating": rating,
                "error": error,
                "consensus": consensus,
                "prediction_sd": 1 - scores,
                "same_rating_other_evidence": scores,
            }
        )
        said = observe_dividing(facts.assign(consensus=consensus), "ais")
        table_read()
        if n < 20:
            assert said is None
            continue
        columns = {
            "rating": facts["rating"],
            "prediction error": facts["error"],
            "extremeness of the rating": (facts["rating"] - facts["rating"].median()).abs(),
        }
        rho = {a: c.corr(facts["consensus"], method="spearman") for a, c in columns.items()}

        def fifths(found, facts=facts, n=n):
            if found["k"]:
                reached.add("fifths")
                fifth = n // 5
                assert int(found["n"]) == n
                assert int(found["k"]) <= fifth
                says(found["chance"], fifth**2 / n)
            if facts["prediction_sd"].nunique() == 1:
                assert not found["k"]

        def less(found, columns=columns, rho=rho):
            kinds = re.findall(
                rf"(that people rate \w+|with an? \w+ rating|whose rating is predicted \w+) \(rank "
                rf"correlation of ({NAMED}) and agreement ({NUM}), \d+% interval ({NUM}) to ({NUM})\)",
                found["kinds"],
            )
            assert kinds
            for words, name, x, low, high in kinds:
                expected, sign = PREDICTORS[words]
                assert expected == name
                says(x, rho[name])
                assert sign * rho[name] > 0
                assert low.startswith("−") == high.startswith("−") or "0.00" in (low, high)
            # Several predictors are never left standing as so many findings.
            assert bool(found["between"]) == (len(kinds) > 1)
            if found["between"]:
                reached.add("together")
                for a, b, x in re.findall(rf"({NAMED}) and ({NAMED}) ({NUM})", found["between"]):
                    says(x, columns[a].corr(columns[b], method="spearman"))
                left = len(re.findall(r"interval", found["held"]))
                assert (found["count"] is None) == (left == len(kinds))
                assert found["count"] is None or int(found["count"]) == len(kinds)
                for name, x in re.findall(rf"({NAMED}) \(({NUM}), interval", found["held"]):
                    others = [c for c in [m[1] for m in kinds] if c != name]
                    says(x, partial_by_regression(columns, name, others, facts["consensus"]))
            fifths(found)

        def none(found, rho=rho):
            told = [rho[a] for a in re.split(", | and ", found["names"])]
            if found["one"]:
                says(found["one"], told[0])
            else:
                says(found["low"], min(told))
                says(found["high"], max(told))
            fifths(found)

        reached.add(read(said, {LESS: less, NONE: none}))
    assert {LESS, NONE, "together", "fifths"} <= reached


def partial_by_regression(columns, name, others, y):
    """Correlation of what the others leave of both ranks."""
    design = np.column_stack([np.ones(len(y)), *(columns[o].rank() for o in others)])
    left = [r - design @ np.linalg.lstsq(design, r, rcond=None)[0]
            for r in (columns[name].rank().to_numpy(), y.rank().to_numpy())]  # fmt: skip
    return float(np.corrcoef(*left)[0, 1])


@checks("pictures.examples.choose_examples", "pictures.examples._rankings")
def test_reasons_for_examples():
    extreme = {
        "networks agree most (AIS maps)": ("consensus", max),
        "networks agree least (AIS maps)": ("consensus", min),
        "highest human rating": ("rating", max),
        "lowest human rating": ("rating", min),
        "largest prediction error": ("error", max),
    }
    for mode, rng, _ in made.generators(70, seed=23):
        n = made.images(rng, mode)
        index = [f"i{k}" for k in range(n)]
        facts = pd.DataFrame(
            {
                name: made.values(rng, n, mode, 0.0, 9.0)
                for name in ("rating", "error", "consensus")
            },
            index=index,
        )
        chosen = choose_examples(facts)
        table_read()
        assert len({one.image for one in chosen}) == len(chosen) == min(6, n)
        for one in chosen:

            def reasons(found, one=one, facts=facts, chosen=chosen):
                for why in one.why.split("; "):
                    rule = why.removeprefix("next: ")
                    if rule in extreme:
                        column, end = extreme[rule]
                        best = end(facts[column].dropna())
                        held = facts.loc[one.image, column]
                        assert facts[column].nunique() > 1
                        assert (held == best) or why.startswith("next: ")
                    if rule == "nearest the median human rating" and not why.startswith("next"):
                        away = (facts["rating"] - facts["rating"].median()).abs()
                        assert away[one.image] == away.min()

            rule = "|".join(map(re.escape, (*extreme, "nearest the median human rating")))
            read(one.why, {rf"(?:{rule})(?:; (?:{rule}))*|next: (?:{rule})|in the order of the study":
                           reasons})  # fmt: skip


@checks("pictures.showcases.Showcases.words")
def test_how_many_were_left_out():
    for _, rng, _ in made.generators(40, seed=24):
        left_out = int(rng.integers(0, 5))
        dead = int(rng.integers(0, left_out + 1))
        said = Showcases([], left_out, dead).words
        table_read()

        def counts(found, left_out=left_out, dead=dead):
            assert int(found["n"]) == left_out
            assert int(found["dead"] or 0) == dead
            assert int(found["flat"] or 0) == left_out - dead

        read(said, {
            "": lambda found, n=left_out: None if not n else 1 / 0,
            r"(?P<n>\d+) images? (?:is|are) left out of the choice: (?:(?P<dead>\d+) where a head of "
            r"some seed is dead)?(?: and )?(?:(?P<flat>\d+) where a network’s map is flat or "
            r"undefined)?\.": counts,
        })  # fmt: skip


@checks("sections.planted_page", "pictures.rank_pictures._finding")
def test_planted_evidence():
    for _, rng, _ in made.generators(20, seed=25):
        n = int(rng.integers(1, 2000))
        raising, lowering = (int(rng.integers(0, n + 1)) for _ in range(2))
        area = float(rng.random()) if raising else math.nan
        said = planted_page(Planted(n, raising, lowering, area, []))["sentence"]
        table_read()

        def counts(found, given=(n, raising, lowering), area=area):
            for key, actual in zip("nrl", given, strict=True):
                assert int(found[key].replace(",", "")) == actual
            assert bool(found["area"]) == math.isfinite(area)
            if found["area"]:
                says(found["area"], 100 * area)

        read(said, {
            r"Of (?P<n>[\d,]+) explained images?, (?P<r>[\d,]+) hold evidence that raises the rating "
            r"and (?P<l>[\d,]+) evidence that lowers it(?:; where there is raising evidence it covers "
            rf"(?P<area>{NUM})% on average)?\.": counts
        })  # fmt: skip
        auc = float(rng.choice([rng.random(), 0.5, 0.4999, 0.501]))
        word = _finding(auc)
        assert (word == "misses") == (f"{auc:.2f}" < "0.50")
        assert (word == "finds") == (f"{auc:.2f}" > "0.50")


CHANNEL = (
    rf"(?P<does>raises|lowers) the prediction by (?P<size>{NUM}|\S+ × 10\S+) on average"
    r"(?: \(95% interval of the effect (?P<low>[^ ]+(?: × 10\S+)?) to (?P<high>[^ ]+(?: × 10\S+)?)\)"
    r"(?P<zero>, which may be zero)?)?"
    rf"(?:; of the same sign in (?P<same>\d+) of (?P<seeds>\d+) seeds"
    rf"(?:, correlation of the seeds over images (?P<rho>{NUM}))?)?"
)


@checks("pictures.channel_cards._words")
def test_what_a_channel_does():
    rng = np.random.default_rng(4)
    for _ in range(60):
        effect = float(rng.normal() * 10.0 ** rng.integers(-6, 3))
        reach = abs(effect) * rng.choice([0.2, 1.5, np.nan])
        seeds = int(rng.integers(1, 4))
        row = {
            "effect": effect, "low": effect - reach, "high": effect + reach, "n_seeds": seeds,
            "seeds_same_sign": int(rng.integers(0, seeds + 1)),
            "reliability": float(rng.choice([rng.uniform(-1, 1), np.nan])),
        }  # fmt: skip
        table_read()

        def told(found, row=row):
            assert (found["does"] == "raises") == (row["effect"] > 0)
            if "×" not in found["size"]:
                assert float(found["size"]) > 0
                assert float(found["size"]) == pytest.approx(abs(row["effect"]), rel=0.051)
            assert (found["low"] is None) == (not math.isfinite(row["low"]))
            if found["low"] is not None:
                assert bool(found["zero"]) == (row["low"] <= 0 <= row["high"])
            assert (found["seeds"] is not None) == (row["n_seeds"] > 1)
            if found["seeds"]:
                assert int(found["same"]) == row["seeds_same_sign"]
                assert (found["rho"] is None) == (not math.isfinite(row["reliability"]))
                if found["rho"]:
                    says(found["rho"], row["reliability"])

        read(_words(row), {CHANNEL: told})
    assert _words({"effect": math.nan, "low": 0, "high": 0}) == "its effect is undefined"
