"""What is said of the noise of seeds, and of AIS maps that repeat evidence maps, is in the tables."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import random_tables as made
from reading import LIST, NUM, checks, names, read, says, table_read

from aisthesis.report.sentences.observed_agreement import observe_noise
from aisthesis.report.sentences.signed_copies import COPY_FROM, observe_signed_copies


def pairs_of(table):
    """Rows of evidence maps by cosine with a mean."""
    own = table[(table["map"] == "evidence") & (table["metric"] == "cosine")]
    return own.dropna(subset=["mean"]).to_dict("records")


SHARE = rf"{NUM}% (?:\({NUM} to {NUM}\) )?[a-z ]+?"
NOISE = (
    rf"(?:Of the variance of evidence maps (?P<s0>{SHARE}), (?P<s1>{SHARE}) and (?P<s2>{SHARE})\. )?"
    rf"Trained from another seed, the same network agrees with itself to a cosine of (?P<least>{NUM})"
    rf"(?: to (?P<most>{NUM}))? between evidence maps(?: \(not known for (?P<silent>{LIST})\))?"
    rf"(?:; freed of that noise two networks would agree to (?P<freed>{NUM}) on average"
    r"(?P<beyond> \(chance can carry it beyond 1\))?(?:(?P<bare>, but that has no interval)|, with an "
    r"interval that (?:(?P<below>ends below 1: they differ by more than noise)|(?P<above>does not end "
    r"below 1))|, and no pair’s interval(?: of the (?P<known>\d+) known)? (?P<none>ends below 1)|, and "
    r"(?:all (?P<all>\d+)|(?P<some>\d+) of the (?P<of>\d+)) pairs’ intervals end below 1(?: "
    r"\((?P<without>\d+) ha(?:s|ve) none\))?: these differ by more than noise))?\."
)
COMPONENTS = {
    "is what all networks see in an image": "image",
    "is what one network alone sees in an image": "image x backbone",
    "comes with the seed of its training": "seed",
}


def check_shares(found, variance):
    if found["s0"] is None:
        return
    order = []
    for key in ("s0", "s1", "s2"):
        one = re.fullmatch(
            rf"(?P<share>{NUM})% (?:\((?P<low>{NUM}) to (?P<high>{NUM})\) )?(?P<what>.+)",
            found[key],
        )
        row = variance[COMPONENTS[one["what"]]]
        says(one["share"], 100 * max(row["share"], 0))
        if one["low"]:
            says(one["low"], 100 * row["low"])
            says(one["high"], 100 * row["high"])
        order.append(row["share"])
    assert order == sorted(order, reverse=True)


@checks(
    "sentences.observed_agreement.observe_noise", "sentences.observed_agreement._freed", "sentences.observed_agreement._shares",
    "sentences.observed_agreement._not_known", "words.wording.span", "words.wording.and_list",
)  # fmt: skip
def test_noise():
    reached = set()
    for mode, rng, n in made.generators(180, seed=7):
        table = made.agreement(rng, mode, made.agreement_images(rng, mode, n))
        own = made.values(rng, n, mode if rng.random() < 0.8 else "holes")
        seeds = int(rng.integers(1, 3))
        reliability = pd.DataFrame({"map": "evidence", "metric": "cosine", "n_seeds": seeds,
                                    "backbone": made.NETWORKS[:n], "mean": own})  # fmt: skip
        shares = made.values(rng, 3, mode, -0.1, 0.9)
        low, high = made.ends(rng, shares, mode)
        variance = pd.DataFrame({"map": "evidence", "component": list(COMPONENTS.values()),
                                 "share": shares, "low": low, "high": high})  # fmt: skip
        said = observe_noise(table, reliability, variance)
        table_read()
        if table.empty:
            assert said is None
            continue
        finite = own[np.isfinite(own)]
        rows = [r for r in pairs_of(table)
                if math.isfinite(r["disattenuated"])]  # fmt: skip

        def one_seed(found, finite=finite, seeds=seeds):
            assert not len(finite)
            assert seeds == 1

        def undefined(found, finite=finite, seeds=seeds):
            assert not len(finite)
            assert seeds > 1

        def noise(found, finite=finite, own=own, rows=rows, variance=variance):
            reached.update(k for k, text in found.groupdict().items() if text)
            says(found["least"], finite.min())
            says(found["most"] or found["least"], finite.max())
            silent = {b for b, v in zip(made.NETWORKS, own, strict=False) if not np.isfinite(v)}
            assert set(names(found["silent"]) if found["silent"] else []) == silent
            check_shares(found, variance.set_index("component").to_dict("index"))
            if not rows:
                assert found["freed"] is None
                return
            mean = np.mean([r["disattenuated"] for r in rows])
            says(found["freed"], mean)
            assert bool(found["beyond"]) == (mean > 1)
            ends = [r["disattenuated_high"] for r in rows if math.isfinite(r["disattenuated_high"])]
            below = sum(end < 1 for end in ends)
            assert bool(found["bare"]) == (not ends)
            if found["below"]:
                assert (len(rows), below) == (1, 1)
            if found["above"]:
                assert (len(rows), below) == (1, 0)
            if found["none"]:
                assert not below
                assert int(found["known"] or len(rows)) == len(ends)
            if found["all"]:
                assert below == len(rows) == int(found["all"])
            if found["some"]:
                assert (below, len(rows)) == (int(found["some"]), int(found["of"]))
                assert int(found["without"] or 0) == len(rows) - len(ends)

        read(said, {
            NOISE: noise,
            "Every network was trained from one seed only, so it is not known how much of the "
            "disagreement is the noise of training.": one_seed,
            "How far a network’s evidence maps from different seeds agree is undefined, so it is not "
            "known how much of the disagreement is the noise of training.": undefined,
        })  # fmt: skip
    assert {"bare", "below", "above", "none", "all", "some", "s0", "silent"} <= reached


@checks("sentences.signed_copies.observe_signed_copies")
def test_signed_copies():
    for _, rng, n in made.generators(80, seed=8):
        total = rng.integers(0, 30, n)
        copies = rng.integers(0, total + 1)
        if rng.random() < 0.3:
            copies = total
        table = pd.DataFrame({"backbone": made.NETWORKS[:n], "n": total, "n_copies": copies})
        said = observe_signed_copies(table)
        table_read()
        rows = table[table["n"] > 0].set_index("backbone")
        if rows.empty:
            assert said is None
            continue

        def claim(found, rows=rows):
            assert float(found["limit"]) == COPY_FROM
            share = rows["n_copies"] / rows["n"]
            if found["k"]:
                assert [int(found["k"]), int(found["n"])] == rows[["n_copies", "n"]].iloc[
                    0
                ].tolist()
            else:
                parts = re.findall(rf"({NUM})% \((\w+)\)", found["shares"])
                assert [name for _, name in parts] == rows.index.tolist()
                for text, name in parts:
                    says(text, 100 * share[name])
            assert bool(found["second"]) == (share > 0.5).all()

        read(said, {
            r"On (?:(?P<k>\d+) of (?P<n>\d+) images?|(?P<shares>.+) of the images) a network’s AIS map "
            r"is its evidence map or the negative of it \(absolute cosine above (?P<limit>[\d.]+)\)"
            r"(?P<second>: agreement of AIS maps is no second result beside that of evidence maps)?\.":
            claim
        })  # fmt: skip
