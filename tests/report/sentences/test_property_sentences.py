"""What a report on several properties says is what its tables hold."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import random_tables as made
from reading import NUM, checks, estimated, read, same, says, says_estimate, table_read

from aisthesis.report.properties.words import (
    on_noise,
    on_people,
    on_places,
    on_predictions,
    on_property_or_network,
    on_size,
)
from aisthesis.report.words.metricnames import describe
from aisthesis.studies.ratings.properties.tables import OTHER_NETWORK, OTHER_PROPERTY

PAIR = ("beauty", "calm")
_IMAGES = r"(?P<n>\d+) (?:test )?images?"


def ratings(rng, mode, n_networks):
    """`properties.csv` of two properties."""
    n = 2 + n_networks
    table = pd.DataFrame(
        {"of": ["human ratings"] * 2 + ["predictions"] * n_networks,
         "images": ["all", "test", *["test"] * n_networks], "n": rng.integers(2, 60, n),
         "pearson": made.values(rng, n, mode)}
    )  # fmt: skip
    table["pearson_low"], table["pearson_high"] = made.ends(rng, table["pearson"].to_numpy(), mode)
    table["disattenuated"] = np.where(rng.random() < 0.5, table["pearson"] / 0.9, np.nan)
    return table


def maps(rng, mode, n_networks):
    """Rows of `properties_agreement.csv`, one a network."""
    own = pd.DataFrame(
        {"image": "i", "map": "m", "metric": "cosine", "value": made.values(rng, n_networks, mode),
         "backbone_a": made.NETWORKS[:n_networks], "backbone_b": "x"}
    )  # fmt: skip
    table = made.agreement(rng, mode, own)
    table["activation_a"], table["activation_b"] = (
        made.values(rng, n_networks, mode) for _ in "ab"
    )
    return table


@checks("properties.words.on_people", "properties.words._together")
def test_how_peoples_ratings_go_together():
    for mode, rng, n in made.generators(28, seed=71):
        table = ratings(rng, mode, n)
        row = table.iloc[0]
        table_read()

        def known(found, row=row):
            assert int(found["n"]) == row["n"]
            says_estimate(found, "r", row["pearson"], row["pearson_low"], row["pearson_high"])
            assert (found["freed"] is None) == (not math.isfinite(row["disattenuated"]))
            if found["freed"]:
                says(found["freed"], row["disattenuated"])
            signs = {"higher": row["pearson_low"] > 0, "lower": row["pearson_high"] < 0}
            assert found["which"] == next((k for k, holds in signs.items() if holds), None)

        def unknown(found, row=row):
            assert not math.isfinite(row["pearson"])

        read(on_people(table, PAIR), {
            rf"Over {_IMAGES} people’s ratings of beauty and of calm have r = {estimated('r')}"
            rf"(?:; freed of the raters’ noise (?P<freed>{NUM}))?: (?:what is rated higher for one tends "
            r"to be rated (?P<which>higher|lower) for the other|they are not shown to go together)\.": known,
            r"How people’s ratings of beauty and of calm go together is undefined \(\d+ images? rated "
            r"for both\)\.": unknown,
        })  # fmt: skip


@checks("properties.words.on_predictions")
def test_how_predictions_go_together():
    for mode, rng, n in made.generators(28, seed=72):
        table = ratings(rng, mode, n)
        rows = table[table["of"] == "predictions"].dropna(subset=["pearson"])
        table_read()
        text = on_predictions(table, PAIR)
        if rows.empty:
            assert text == ""
            continue

        def said(found, rows=rows, table=table):
            low, high = rows["pearson"].min(), rows["pearson"].max()
            says(found["people"], table.loc[1, "pearson"])
            assert int(found["n"]) == rows["n"].iloc[0]
            if found["one"] is not None:
                assert len(rows) == 1
                says(found["one"], low)
                return
            assert int(found["k"]) == len(rows) > 1
            says(found["low"] or found["alike"], low)
            says(found["high"] or found["alike"], high)
            assert (found["alike"] is not None) == same(low, high)

        read(text, {
            rf"Over {_IMAGES} the predictions of beauty and of calm have (?:r = (?P<one>{NUM})|an r "
            rf"(?:from (?P<low>{NUM}) to (?P<high>{NUM})|of (?P<alike>{NUM}) alike) \((?P<k>\d+) "
            rf"networks\)); people’s ratings of these images have r = (?P<people>{NUM})\.": said
        })  # fmt: skip


MEAN = (
    rf"have a mean cosine of (?:{estimated('one')}|(?P<mean>{NUM}) \((?P<k>\d+) networks, (?:from "
    rf"(?P<low>{NUM}) to (?P<high>{NUM})|all (?P<alike>{NUM}))\))"
)
IN = r"(?:in (?:all (?P<{0}_all>\d+)|(?P<{0}>\d+) of (?P<{0}_of>\d+)) networks(?: \((?P<{0}_not>\d+) not tested\))? )?"
CHANCE = (
    rf"(?:There is no chance level to hold that against\.|Maps of different images have "
    rf"(?P<chance>{NUM}) \(chance\); (?:(?P<nothing>maps of the same image are not shown to differ)|"
    rf"(?P<is_less>{IN.format('less')}maps of the same image are less alike \(their interval lies "
    r"beyond 95% of random pairings\))?(?: and )?"
    rf"(?P<is_more>{IN.format('more')}maps of the same image are more alike \(p < 0\.05, corrected\))?"
    r")\.)"
)


def check_maps(found, rows):
    """Mean, range and chance are the table's, and so are the networks beyond it."""
    rows = rows.dropna(subset=["mean"])
    if found["one"] is not None:
        row = rows.iloc[0]
        says_estimate(found, "one", row["mean"], row["low"], row["high"])
    else:
        assert int(found["k"]) == len(rows) > 1
        says(found["mean"], rows["mean"].mean())
        says(found["low"] or found["alike"], rows["mean"].min())
        says(found["high"] or found["alike"], rows["mean"].max())
    known = rows.dropna(subset=["chance", "p_corrected"])
    assert (found["chance"] is None) == known.empty
    if known.empty:
        return
    says(found["chance"], known["chance"].mean())
    counts = {
        "more": sum((known["mean"] > known["chance"]) & (known["p_corrected"] < 0.05)),
        "less": sum(known["high"] < known["chance_low"]),
    }
    for what, n in counts.items():
        assert (found[f"is_{what}"] is not None) == (n > 0)
        if n and len(rows) > 1:
            assert int(found[what] or found[f"{what}_all"]) == n
            assert found[f"{what}_all"] is None or n == len(rows)
            assert found[f"{what}_of"] is None or int(found[f"{what}_of"]) == len(known)
            assert int(found[f"{what}_not"] or 0) == len(rows) - len(known)
    assert (found["nothing"] is not None) == (not any(counts.values()))


@checks(
    "properties.words.on_places", "properties.words._mean_of", "properties.words._beside_chance",
    "properties.words._in",
)  # fmt: skip
def test_where_the_evidence_lies():
    for mode, rng, n in made.generators(42, seed=73):
        rows = maps(rng, mode, n)
        table_read()
        text = on_places(rows, PAIR, "cosine")
        if rows["mean"].isna().all():
            assert text == ""
            continue
        read(text, {
            "On the same image, a network’s maps of what raises and what lowers its beauty and its "
            rf"calm {MEAN}, where 1 is that the same places raise both and −1 that what raises one "
            rf"lowers the other\. {CHANCE}": lambda found, rows=rows: check_maps(found, rows),
        })  # fmt: skip


@checks("properties.words.on_size")
def test_where_it_matters_at_all():
    assert describe("cosine").signed
    for mode, rng, n in made.generators(42, seed=74):
        rows = maps(rng, mode, n)
        table_read()
        text = on_size(rows, PAIR, "cosine")
        if rows["mean"].isna().all():
            assert text == ""
            continue

        def said(found, rows=rows):
            check_maps(found, rows)
            a, b = rows.dropna(subset=["mean"])[["activation_a", "activation_b"]].mean()
            assert (found["a"] is not None) == (a > 0 and b > 0)
            if found["a"]:
                says(found["a"], a)
                says(found["b"], b)

        read(text, {
            r"Maps of how much a place matters, up or down, for beauty and for calm "
            rf"{MEAN}\. {CHANCE}(?: With the layer’s mean activation they have (?P<a>{NUM}) for beauty "
            rf"and (?P<b>{NUM}) for calm: where a layer responds, any prediction moves, so a part of "
            "their agreement may speak of the network and not of what was asked\\.)?": said,
        })  # fmt: skip


@checks("properties.words.on_noise")
def test_beside_the_noise_of_training():
    for mode, rng, n in made.generators(42, seed=75):
        rows = maps(rng, mode, n)
        known = rows.dropna(subset=["reliability_a", "reliability_b"])
        table_read()
        text = on_noise(rows, PAIR)
        if known.empty:
            assert text == ""
            continue

        def said(found, known=known):
            says(found["a"], known["reliability_a"].mean())
            says(found["b"], known["reliability_b"].mean())
            freed = known.dropna(subset=["disattenuated"])
            assert (found["freed"] is None) == freed.empty
            if freed.empty:
                return
            says(found["freed"], freed["disattenuated"].mean())
            below = int((freed["disattenuated_high"] < 1).sum())
            assert (found["not"] is not None) == (below == 0)
            if below and len(freed) > 1:
                assert int(found["all"] or found["k"]) == below
                assert int(found["all"] or found["of"]) == len(freed)

        read(text, {
            r"Trained from other seeds, a network’s maps agree with themselves at "
            rf"(?P<a>{NUM}) for beauty and (?P<b>{NUM}) for calm(?:; freed of that noise maps for both "
            rf"would agree at (?P<freed>{NUM}), and (?:(?:in (?:all (?P<all>\d+)|(?P<k>\d+) of "
            r"(?P<of>\d+)) networks )?the maps for the two differ by more than noise|(?P<not>the maps "
            r"for the two are not shown to differ by more than noise)))?\.": said,
        })  # fmt: skip


@checks("properties.words.on_property_or_network", "properties.words._paired")
def test_property_or_network():
    measured = (
        r"the mean (?:cosine|Earth mover’s distance|.+) of one network’s maps for two properties, less "
        rf"that of two networks’ maps for one, is {estimated('d')} on {_IMAGES} "
        rf"\(p (?P<p>< 0\.001|= {NUM}|undefined)\)"
    )
    for mode, rng, _ in made.generators(35, seed=76):
        metric = str(rng.choice(["cosine", "emd"]))
        mean = made.values(rng, 1, mode)
        low, high = made.ends(rng, mean, mode)
        row = {"metric": metric, "difference": mean[0], "low": low[0], "high": high[0],
               "p_corrected": rng.choice([0.0004, 0.03, 0.05, 0.4, np.nan]), "n": 12,
               "first": OTHER_PROPERTY, "second": OTHER_NETWORK}  # fmt: skip
        table_read()
        text = on_property_or_network(pd.DataFrame([row]), metric)
        if not math.isfinite(row["difference"]):
            assert text == ""
            continue

        def paired(found, row=row):
            says_estimate(found, "d", row["difference"], row["low"], row["high"])
            assert int(found["n"]) == row["n"]

        def clear(found, row=row):
            paired(found)
            assert row["p_corrected"] < 0.05
            alike = row["difference"] if row["metric"] == "cosine" else -row["difference"]
            assert (found["more"], found["fewer"]) == (
                ("properties", "networks") if alike < 0 else ("networks", "properties")
            )

        def doubtful(found, row=row):
            paired(found)
            assert not row["p_corrected"] < 0.05

        read(text, {
            rf"Maps differ more between (?P<more>\w+) than between (?P<fewer>\w+): {measured}\. The "
            "sign counts here: maps for properties that people rate oppositely differ by it even where "
            r"they lie in the same places\.": clear,
            "Whether maps differ more between properties \\(in one network\\) or between networks "
            rf"\(for one property\) is not shown: {measured}\.": doubtful,
        })  # fmt: skip
    assert on_property_or_network(pd.DataFrame(), "cosine") == ""
