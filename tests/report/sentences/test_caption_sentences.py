"""Titles, captions and cells that go with a picture or a chart say what it holds."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import random_tables as made
import xarray as xr
from reading import NUM, checks, estimated, read, says, says_estimate, table_read

from aisthesis.report.charts.letters import on_missing_letters
from aisthesis.report.charts.scatter import scatter_panels
from aisthesis.report.charts.score_chart import score_chart
from aisthesis.report.folder.record import INFERENCE, StudyRecord
from aisthesis.report.folder.selection import averaged_predictions, headline_scores
from aisthesis.report.folder.stored_maps import BackboneMaps
from aisthesis.report.parts.method_ranks import Contrast
from aisthesis.report.pictures import planted_pictures, rank_pictures
from aisthesis.report.pictures.examples import HIGHEST_RATED, Example
from aisthesis.report.pictures.pair_figure import _scale, _title
from aisthesis.report.pictures.planted_pictures import Masks, _choose
from aisthesis.report.pictures.rank_pictures import _card
from aisthesis.report.sections import example_page
from aisthesis.report.sentences.methods_inference import inference_text
from aisthesis.report.similarity.charts import agreement_chart
from aisthesis.report.similarity.pair import pair_cards
from aisthesis.report.similarity.write import _validation_rows
from aisthesis.report.words.wording import rating_text
from aisthesis.report.write import _hero

NO_PHOTOGRAPHS = SimpleNamespace(
    get=lambda name: None, thumbnail_uri=lambda name, side: None, unreadable={}
)
COLOUR = r"(?:full colour ±(?P<limit>[\d.,]+))?"


def scale_of(text: str, maps: np.ndarray) -> None:
    """A scale is the largest magnitude, rounded up to two digits; none where nothing shows."""
    largest = np.abs(maps).max() if np.isfinite(maps).all() else np.nan

    def limit(found):
        if found["limit"] is None:
            assert not largest > 0
        else:
            assert largest <= float(found["limit"].replace(",", "")) <= 1.1001 * largest

    read(text, {COLOUR: limit})


@checks("similarity.charts.agreement_chart")
def test_rows_of_agreement_with_subjects():
    for mode, rng, n in made.generators(42, seed=71):
        table = pd.DataFrame({"backbone": made.NETWORKS[:n]})
        for name in ("agreement_subjects", "agreement_retained_subjects"):
            table[name] = made.values(rng, n, mode)
        table["ceiling_lower"], table["ceiling_upper"] = made.ends(rng, np.full(n, 0.4), mode)
        chart = agreement_chart(table)
        table_read()
        bounds = table[["ceiling_lower", "ceiling_upper"]].iloc[0]
        assert (chart.band is not None) == bounds.notna().all()
        assert [label for label, _ in chart.rows] == table["backbone"].tolist()
        for (_, marks), one in zip(chart.rows, table.to_dict("records"), strict=True):
            own = {
                name: one[name] for name in ("agreement_subjects", "agreement_retained_subjects")
                if not math.isnan(one[name])
            }  # fmt: skip
            assert {mark.name: mark.mean for mark in marks} == own
            for value in own.values():
                assert chart.axis.low <= value <= chart.axis.high
            parts = chart.words(marks).split("; ") if marks else []
            for part, (name, value) in zip(parts, own.items(), strict=True):

                def words(found, value=value, name=name):
                    says(found["value"], value)
                    assert bool(found["kept"]) == ("retained" in name)

                read(part, {
                    rf"(?:all channels|(?P<kept>retained channels \(chosen on these images\))) "
                    rf"(?P<value>{NUM})": words
                })  # fmt: skip


@checks("similarity.write._validation_rows")
def test_cells_of_the_validation():
    for mode, rng, n in made.generators(35, seed=72):
        table = pd.DataFrame({"backbone": made.NETWORKS[:n]})
        for name in ("r2_full", "r2_retained", "difference"):
            table[name] = made.values(rng, n, mode)
            table[f"{name}_low"], table[f"{name}_high"] = made.ends(
                rng, table[name].to_numpy(), mode
            )
        table["p"] = rng.choice([0.0001, 0.0499, 0.04996, 0.05, 0.7, np.nan], n)
        table["n_folds"] = rng.integers(1, 9, n)
        table["n_better"] = rng.integers(0, table["n_folds"] + 1)
        table["n_retained_min"], table["n_retained_max"] = 3, rng.integers(3, 90, n)
        table["n_retained_mean"] = (3 + table["n_retained_max"]) / 2
        table_read()
        for row, one in zip(_validation_rows(table), table.to_dict("records"), strict=True):
            kept, *values, p, better = row["values"]
            assert kept.interval == f"3 to {one['n_retained_max']}"
            names = ("r2_full", "r2_retained", "difference")
            for cell, name in zip(values, names, strict=True):
                ends = one[f"{name}_low"], one[f"{name}_high"]
                says("undefined" if cell.text == "–" else cell.text, one[name])
                assert bool(cell.interval) == np.isfinite(ends).all()
                for text, end in zip(filter(None, cell.interval.split(" to ")), ends, strict=False):
                    says(text, end)

            def p_value(found, one=one):
                if found["p"]:
                    says(found["p"].replace(".", "0.", 1), one["p"])
                    assert (float(found["p"]) < 0.05) == (one["p"] < 0.05)
                else:
                    assert (found["small"] and one["p"] < 0.001) or math.isnan(one["p"])

            read(p.text, {r"(?P<p>\.\d+)|(?P<small>< \.001)|undefined": p_value})

            def folds(found, one=one):
                assert (int(found["k"]), int(found["n"])) == (one["n_better"], one["n_folds"])

            read(better.text, {r"(?P<k>\d+) of (?P<n>\d+) folds?": folds})


@checks("similarity.pair.pair_cards")
def test_cards_of_the_pair():
    for mode, rng, _ in made.generators(14, seed=73):
        human = np.full((3, 3), 0.9)
        human[0, 2] = human[2, 0] = 0.1
        maps = np.stack([made.values(rng, 4, mode).reshape(2, 2) for _ in range(2)])
        if rng.random() < 0.3:
            maps[0] = 0.0
        record = SimpleNamespace(human=human, images=("a", "b", "c"),
                                 pair_maps=lambda label, pair, m=maps: (m, (None, None)))  # fmt: skip
        table_read()
        cards = pair_cards(record, "alpha", NO_PHOTOGRAPHS)
        assert [card["name"] for card in cards] == ["a", "c"]
        for card, own in zip(cards, maps, strict=True):
            there = bool(np.isfinite(own).all() and (own != 0).any())
            assert (card["uri"] is not None) == there == bool(card["scale"])
            if there:
                scale_of(card["scale"], np.nan_to_num(maps))  # one scale for both
            else:
                assert (card["why"] == "no place changes it") == (own == 0).all()


@checks("pictures.pair_figure._title", "pictures.pair_figure._scale")
def test_title_and_scale_of_a_pair():
    for mode, rng, _ in made.generators(7, seed=74):
        similarity, window = made.values(rng, 1, mode)[0], int(rng.choice([1, 3, 5]))
        found = xr.DataArray(np.zeros((2, 1, 1)), attrs={
            "similarity": similarity, "backbone": "alpha", "layer": "conv"})  # fmt: skip
        table_read()

        def title(text, similarity=similarity):
            says(text["r"] or "undefined", similarity)

        layer, said = _title(found)
        assert layer == "alpha, conv"
        read(said, {rf"similarity of the two: (?:r = (?P<r>{NUM})|undefined)": title})

        def label(text, window=window):
            assert int(text["w"] or 1) == int(text["v"] or 1) == window

        read(_scale(window)[0], {
            r"what a place(?: with the (?P<w>\d+) × (?P<v>\d+) around it)? adds to r": label
        })  # fmt: skip


@checks("charts.scatter.scatter_panels", "charts.score_chart.score_chart")
def test_points_and_marks_of_prediction():
    for mode, rng, n in made.generators(21, seed=75):
        scores = made.scores(rng, mode, n)
        count = made.images(rng, mode)
        predictions = pd.concat([
            pd.DataFrame({"image": [f"i{k}" for k in range(count)], "backbone": b, "seed": "mean",
                          "split": "test", "rating": made.values(rng, count, mode, 0.0, 9.0),
                          "prediction": made.values(rng, count, mode, 0.0, 9.0)})
            for b in made.NETWORKS[:n]
        ])  # fmt: skip
        labels = list(made.NETWORKS[:n])
        averaged = averaged_predictions(predictions)
        _axis, panels = scatter_panels(averaged, scores, headline_scores(scores), labels)
        table_read()
        rows = scores[scores["head"] == "mlp"].set_index("backbone")
        known = predictions.dropna().set_index(["backbone", "image"])
        shown = {(panel.label, point.name) for panel in panels for point in panel.points}
        assert shown == set(known.index)
        for panel in panels:
            row = rows.loc[panel.label]

            def srcc(found, row=row):
                says_estimate(found, "x", row["srcc"], row["srcc_low"], row["srcc_high"])

            read(panel.srcc, {rf"SRCC {estimated('x')}": srcc})
            for point in panel.points[:4]:
                own = known.loc[(panel.label, point.name)]

                def title(found, own=own, point=point):
                    assert found["name"] == point.name
                    says(found["y"], own["rating"])
                    says(found["p"], own["prediction"])

                read(point.title, {
                    rf"(?P<name>\w+): rated (?P<y>{NUM}), predicted (?P<p>{NUM})": title
                })  # fmt: skip
        limit = {"correlation": 0.875} if rng.random() < 0.5 else None
        chart = score_chart(scores, labels, limit)
        defined = {
            (row["backbone"], row["head"])
            for row in scores.dropna(subset=["plcc"]).to_dict("records")
        }
        marks = {} if chart is None else {(b, m.name): m for b, own in chart.rows for m in own}
        assert set(marks) == defined
        for (label, head), mark in marks.items():
            of = scores[(scores["backbone"] == label) & (scores["head"] == head)].iloc[0]
            says(mark.text.split(" (")[0], of["plcc"])
        if chart is not None:

            def unit(found, limit=limit):
                assert bool(found["limit"]) == (limit is not None)
                if limit:
                    says(found["limit"], limit["correlation"])

            read(chart.unit, {
                rf"PLCC with the mean human rating(?: \(dashed: noise ceiling (?P<limit>{NUM})\))?": unit
            })  # fmt: skip


INFERRED = {
    "The level of chance of a pair": ("agreement", "chance"),
    "Its p value is": ("agreement", "p"),
    "corrected over pairs by the procedure": ("agreement", "p_corrected"),
    "The reliability of a network": ("reliability", "mean"),
    "that of the average over seeds follows": ("reliability", "stepped_up"),
    "Disattenuated agreement is": ("agreement", "disattenuated"),
    "As a baseline every map": ("baselines", "mean"),
    "Every z-scored map has a variance": ("variance", "share"),
    "Networks are clustered": ("clusters", "distance"),
}


@checks("sentences.methods_inference.inference_text")
def test_statistics_that_are_described_are_in_the_tables():
    for _, rng, _ in made.generators(40, seed=76):
        tables = {
            name: pd.DataFrame({c: [] for c in columns}) for name, columns in INFERENCE.items()
        }
        tables["agreement"] = pd.DataFrame({"map": ["ais"], "metric": ["cosine"], "mean": [0.3]})
        for table, column in INFERRED.values():
            has = rng.random()
            if has > 0.3:
                rows = tables[table].reindex([0]) if tables[table].empty else tables[table]
                tables[table] = rows.assign(**{column: 0.5 if has > 0.5 or table == "clusters"
                                               else np.nan})  # fmt: skip
        record = StudyRecord(
            path=Path(), config={}, provenance={}, maps={}, predictions=pd.DataFrame(),
            scores=pd.DataFrame(), agreement_images=pd.DataFrame(), localisation=pd.DataFrame(),
            **tables,
        )  # fmt: skip
        said = inference_text(record)
        table_read()

        def held(table, column, tables=tables):
            return column in tables[table] and bool(tables[table][column].notna().any())

        for words, (table, column) in INFERRED.items():
            needed = {"p_corrected": [("agreement", "p")], "stepped_up": [("reliability", "mean")]}
            expected = held(table, column) and all(held(*n) for n in needed.get(column, []))
            assert (words in said) == expected, (words, said)


@checks("pictures.planted_pictures._choose")
def test_why_a_planted_image_is_shown(monkeypatch):
    for mode, rng, n in made.generators(42, seed=77):
        count = made.images(rng, mode)
        names = [f"i{k}" for k in range(count)]
        aucs = {b: made.values(rng, count, mode, 0.0, 1.0) for b in made.NETWORKS[:n]}
        monkeypatch.setattr(planted_pictures, "map_aucs", lambda stack, *_, a=aucs: a[stack])
        nothing = Masks(np.zeros((count, 1, 1), bool), np.zeros((count, 1, 1), bool))
        whole = [name for name in names if rng.random() < 0.8]
        chosen = _choose(
            names, {b: b for b in aucs}, dict.fromkeys(aucs, nothing), whole, "evidence"
        )
        table_read()
        mean = pd.Series(np.mean(list(aucs.values()), axis=0), index=names).loc[whole].dropna()
        assert bool(chosen) == bool(len(mean))
        for k, name, why in chosen:
            assert names[k] == name
            assert name in mean.index

            def reason(found, name=name, mean=mean, chosen=chosen):
                at, why = mean[name], found[0]
                if why == "found best":
                    assert at == mean.max()
                if why == "found worst":
                    assert at == mean.min()
                if why == "found middling well":
                    assert (mean >= at).sum() >= len(mean) // 2
                    assert (mean <= at).sum() >= len(mean) // 2
                if why.startswith("found as well"):
                    assert f"{mean.min():.2f}" == f"{mean.max():.2f}"
                    assert len(mean) > 1
                if why.startswith("the one"):
                    assert len(mean) == 1 == len(chosen)

            read(why, {"found best|found middling well|found worst|found as well as every other|"
                       "the one that can be shown": reason})  # fmt: skip


CONTRAST = (
    rf"Grad-CAM (?P<does>misses|finds|neither finds nor misses) the raising evidence here \(pixel AUC "
    rf"(?P<auc>{NUM}), the (?P<end>lowest|highest) of those it was chosen from\): "
    rf"(?:(?P<mass>{NUM})%|an undefined share) of its positive mass lies on the (?P<area>{NUM})% of the "
    r"image that hold it\. By what it moves it is placed (?P<placed>better|worse) than by what it finds\."
)


@checks("pictures.rank_pictures._card")
def test_contrasts_of_methods(monkeypatch):
    for mode, rng, _ in made.generators(21, seed=78):
        n = int(rng.integers(1, 4))
        maps = made.values(rng, 16 * n, mode).reshape(n, 4, 4)
        aucs = made.values(rng, n, "holes" if mode == "holes" else "plain", 0.0, 1.0)
        names = tuple(f"i{k}" for k in range(n))
        stack = BackboneMaps("alpha", names, {"grad_cam": maps}, (None,) * n)
        monkeypatch.setattr(rank_pictures, "map_aucs",
                            lambda s, own, *_, a=aucs: a[[int(i[1:]) for i in own]].copy())  # fmt: skip
        whole = [name for name in names if rng.random() < 0.8]
        raising = rng.random((n, 4, 4)) < 0.4
        raising[:, 0, 0] = True
        by_place, by_deletion = rng.permutation(5)[:2] + 1
        one = Contrast("alpha", "grad_cam", int(by_place), int(by_deletion), 5)
        card = _card(one, stack, NO_PHOTOGRAPHS, raising, ~raising, whole)
        table_read()
        allowed = {name: auc for name, auc in zip(names, aucs, strict=True)
                   if name in whole and np.isfinite(auc)}  # fmt: skip
        assert (card is None) == (not allowed)
        if card is None:
            continue
        k = names.index(card["name"])

        def contrast(found, k=k, card=card, allowed=allowed, one=one, maps=maps, raising=raising):
            says(found["auc"], allowed[card["name"]])
            end = min if found["end"] == "lowest" else max
            assert allowed[card["name"]] == end(allowed.values())
            assert (found["placed"] == "better") == (one.by_deletion < one.by_place)
            says(found["area"], 100 * raising[k].mean())
            positive = maps[k].clip(0)
            if found["mass"]:
                says(found["mass"], 100 * positive[raising[k]].sum() / positive.sum())
            else:
                assert not positive.sum() > 0

        read(card["sentence"], {CONTRAST: contrast})


@checks("sections.example_page", "write._hero")
def test_examples_and_the_first_picture():
    for mode, rng, n in made.generators(14, seed=79):
        count = int(rng.integers(1, 4))
        names = [f"i{k}" for k in range(count)]
        maps = {
            b: BackboneMaps(b, tuple(names), {"evidence": made.values(rng, 4 * count, mode)
                            .reshape(count, 2, 2)}, (None,) * count)
            for b in made.NETWORKS[:n]
        }  # fmt: skip
        rating = pd.Series(made.values(rng, count, mode, 0.0, 9.0), index=names)
        averaged = pd.DataFrame([
            {"image": i, "backbone": b, "prediction": made.values(rng, 1, mode)[0]}
            for i in names for b in maps
        ])  # fmt: skip
        at = rating.dropna().index
        chosen = [Example(i, HIGHEST_RATED if i == (rating[at].idxmax() if len(at) else "") else "x")
                  for i in names[: count - int(rng.random() < 0.3 and count > 1)]]  # fmt: skip
        page = example_page(SimpleNamespace(maps=maps), chosen, pd.DataFrame({"rating": rating}),
                            averaged, NO_PHOTOGRAPHS, "evidence")  # fmt: skip
        table_read()
        told = averaged.set_index(["image", "backbone"])["prediction"]
        for card in page.cards:

            def rated(found, card=card, rating=rating):
                says(found["y"] or "undefined", rating[card["name"]])

            read(card["rating"], {rf"human rating (?P<y>{NUM})|no human rating": rated})
            for panel in card["panels"]:
                own = maps[panel["label"]].kinds["evidence"][names.index(card["name"])]
                scale_of(panel["scale"], own)
                said = panel["prediction"]
                says("undefined" if said == "–" else said, told[(card["name"], panel["label"])])
        hero = _hero([page], rating, "evidence")
        if hero is None:
            continue

        def who(found, hero=hero, rating=rating):
            own = rating[hero["card"]["name"]]
            if found["only"]:
                assert (rating >= own).sum() == 1
            if found["one"]:
                assert own == rating.max()
                assert (rating == own).sum() > 1
            if found["some"]:
                assert own < rating.max()

        read(hero["who"], {
            "(?P<only>The explained image that people rated highest)|(?P<one>One of the explained images "
            "that people rated highest)|(?P<some>Of the images that the examples were chosen from, the "
            "one rated highest)": who
        })  # fmt: skip


@checks("words.wording.rating_text", "words.wording.scientific")
def test_rating_units_are_said_so_that_ratings_differ():
    rng = np.random.default_rng(80)
    for scale, offset in ((1, 0), (15, 50), (0.2, 0.5), (1e-13, 0), (1e-13, -1e-12), (1e12, 0),
                          (1.3, 1e7), (1.3, -1.7e9), (1e-4, 3), (1e30, 0), (1e-30, 0)):  # fmt: skip
        values = rng.normal(size=20) * scale + offset
        spread = float(values.std())
        table_read()
        said = [rating_text(value, spread) for value in values]
        assert all(len(text) <= 24 for text in said)
        for text, actual in zip(said, values, strict=True):

            def rating(found, actual=actual, spread=spread):
                power = found["power"] or "0"
                power = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
                told = float(f"{found['x'].replace('−', '-')}e{power}")
                # To a tenth of the SD, and by rounding of the last digit said.
                assert abs(told - actual) <= 0.1 * spread + 1e-15 * abs(actual)

            read(text, {rf"(?P<x>{NUM})(?: × 10(?P<power>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?": rating})
    assert rating_text(math.nan, 1.0) == "undefined"
    assert rating_text(0.0, 1e-13) == "0"
    assert rating_text(3.25, 0.0) == rating_text(3.25, math.nan) == "3.2"


@checks("charts.letters.on_missing_letters")
def test_missing_letters():
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 3, 4, 9):
        lines = [f"月{k}" for k in rng.integers(0, 5, n)]
        table_read()
        text = on_missing_letters(lines)
        different = set(lines)

        def verify(found, different=different):
            named = found["named"].split(", ")
            assert len(set(named)) == len(named)
            assert set(named) <= different
            assert len(named) + int(found["more"] or 0) == len(different)

        if different:
            read(text, {r"no installed font has all letters of (?P<named>.*?)"
                        r"(?: and (?P<more>\d+) more)?: boxes stand for them .*": verify})  # fmt: skip
        else:
            assert text == ""
