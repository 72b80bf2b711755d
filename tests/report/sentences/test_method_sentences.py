"""What is said of methods, of known places and of rankings is what their tables hold."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import random_tables as made
from reading import LIST, NUM, checks, names, read, same, says, table_read

from aisthesis.report.parts.faithfulness import _sentence, other_methods
from aisthesis.report.parts.known_places import _sentence as _finding
from aisthesis.report.parts.known_places import observe_agreeing_pair, observe_wrong
from aisthesis.report.parts.method_ranks import method_ranks
from aisthesis.report.parts.retention import retention
from aisthesis.report.sentences.method_standing import method_standing, sharing_letters
from aisthesis.report.sentences.methods_verdict import verdict
from aisthesis.report.words.wording import KIND_NAMES

SIGNS = (
    ("deletion_positive", "removing what it ranks highest lowers the prediction", "a random map does"),
    ("deletion_negative", "removing what it ranks lowest raises it", "a random map does"),
    ("channels_positive", "removing its highest-scored channels lowers the prediction",
     "random channels do"),
    ("channels_error", "without its highest-scored channels the prediction gets further from the "
     "rating", "random channels do"),
)  # fmt: skip


def moved(claim, control):
    key = re.sub(r"\W", "_", claim)[:24]
    return key, (
        rf"{claim} on average for (?:no network of (?P<{key}_none>\d+)|(?P<{key}_k>\d+) of "
        rf"(?P<{key}_n>\d+) networks?, more than {control} for (?P<{key}_more>\d+|none)(?: and less "
        rf"for (?P<{key}_less>\d+))?)"
    )


MOVED = {measure: moved(claim, control) for measure, claim, control in SIGNS}
VERDICT = r"(?:hardly changes|changes in part|changes)"
PARTS = "|".join([
    *(pattern for _, pattern in MOVED.values()),
    r"of its maps with random weights nothing can be said, they are (?P<flat>undefined)",
    rf"the map (?P<verdict>{VERDICT}(?: or {VERDICT})*)(?:, by network,)? when all weights are random "
    rf"\(cosine (?P<low>{NUM})(?: to (?P<high>{NUM}))?\)",
    rf"on average it moves by up to (?P<moves>{NUM})% of its norm on images nearby",
    rf"networks agree by it with a mean cosine of (?P<between>{NUM})",
    rf"its cosine with the evidence map is (?P<like>{NUM})",
])  # fmt: skip


def table_of(rng, mode, n, method):
    parts = []
    for measure, *_ in SIGNS:
        means, difference = made.values(rng, n, mode), made.values(rng, n, mode)
        low, high = made.ends(rng, difference, mode)
        parts.append(pd.DataFrame({
            "backbone": made.NETWORKS[:n], "method": method, "measure": measure,
            "baseline": "zero" if measure.startswith("channels") else "blur", "mean": means,
            "control": "random", "difference": difference, "difference_low": low,
            "difference_high": high,
            "difference_p_corrected": rng.choice([0.01, 0.049, 0.051, np.nan], n)}))  # fmt: skip
    sensitivity = parts[0].assign(
        measure="sensitivity", baseline="nearby", mean=made.values(rng, n, mode, 0.0, 1.5)
    )
    return pd.concat([*parts, sensitivity.assign(mean=sensitivity["mean"].abs())])


def says_moved(found, key, rows):
    rows = rows[rows["mean"].notna()]
    fell = rows[rows["mean"] > 0]
    if found[f"{key}_none"]:
        assert fell.empty
        assert int(found[f"{key}_none"]) == len(rows)
        return
    assert (int(found[f"{key}_k"]), int(found[f"{key}_n"])) == (len(fell), len(rows))
    more = found[f"{key}_more"]
    clear, apart = rows["difference_p_corrected"] < 0.05, rows["difference"]
    assert (0 if more == "none" else int(more)) == (clear & (apart > 0))[fell.index].sum()
    assert int(found[f"{key}_less"] or 0) == (clear & (apart < 0)).sum()


def level(cosine):
    shown = round(cosine, 2)
    return "hardly changes" if shown >= 0.9 else "changes in part" if shown >= 0.5 else "changes"


@checks(
    "parts.faithfulness._sentence", "parts.faithfulness._against_random", "parts.faithfulness._moved",
    "parts.faithfulness._channels", "parts.faithfulness._changes", "parts.faithfulness._verdict",
    "parts.faithfulness._moves", "parts.faithfulness._between", "parts.faithfulness._like_evidence",
)  # fmt: skip
def test_methods():
    for mode, rng, n in made.generators(50, seed=11):
        method = str(rng.choice(["evidence", "ais", "lime"]))
        table = table_of(rng, mode, n, method)
        cascade = pd.DataFrame({"backbone": made.NETWORKS[:n], "method": method, "stage": 5,
                                "metric": "cosine", "mean": made.values(rng, n, mode)})  # fmt: skip
        between = pd.DataFrame({"map": method, "metric": "cosine",
                                "mean": made.values(rng, n, mode)})  # fmt: skip
        like = float(made.values(rng, 1, mode)[0])
        pairs = pd.Series({(method, "evidence"): like})
        record = SimpleNamespace(cascade=cascade, between=between)
        said = _sentence(record, table, pairs, method, "blur")
        table_read()
        if said == "No measure is defined for it.":
            assert table["mean"].isna().all()
            continue
        told = set()
        for text in said.removesuffix(".").split("; "):

            def part(found, table=table, cascade=cascade, between=between, like=like):
                for measure, (key, _) in MOVED.items():
                    if found[f"{key}_none"] or found[f"{key}_k"]:
                        told.add(measure)
                        says_moved(found, key, table[table["measure"] == measure])
                cosines = cascade["mean"].dropna()
                if found["flat"]:
                    assert cosines.empty
                if found["verdict"]:
                    says(found["low"], cosines.min())
                    says(found["high"] or found["low"], cosines.max())
                    assert set(found["verdict"].split(" or ")) == {level(c) for c in cosines}
                if found["moves"]:
                    moves = table.loc[table["measure"] == "sensitivity", "mean"]
                    says(found["moves"], 100 * moves.mean())
                if found["between"]:
                    says(found["between"], between["mean"].mean())
                if found["like"]:
                    says(found["like"], like)

            read(text[:1].lower() + text[1:], {PARTS: part})
        for measure in ("deletion_positive", "deletion_negative"):
            defined = table.loc[table["measure"] == measure, "mean"].notna().any()
            assert (measure in told) == defined


METHODS = ("evidence", "ais", "lime", "occlusion", "grad_cam", "random")
SHOWN = {"evidence": "evidence", "AIS": "ais", "LIME": "lime", "occlusion": "occlusion",
         "Grad-CAM": "grad_cam", "random": "random"}  # fmt: skip
RANKS = (
    r"Ranked by the pixel AUC of raising evidence and by deletion, (?P<n>\d+)(?: to (?P<to>\d+))? "
    rf"methods and controls have a Spearman correlation \(SRCC\) of (?P<rho>{NUM}) on average over "
    rf"(?P<k>\d+) networks?(?: \((?P<low>{NUM}) to (?P<high>{NUM})\))?(?:(?P<alike>: what finds the "
    r"known evidence is mostly what moves the prediction)|; below 0\.50 for (?P<apart>[\w ,]+?)(?:\. "
    r"Of the methods, the rankings place (?P<methods>[\w, -]+?) (?:furthest|among the furthest) "
    r"apart)?)\."
)


@checks(
    "parts.method_ranks.method_ranks",
    "parts.method_ranks._sentence",
    "parts.method_ranks.Contrast.words",
)
def test_rankings():
    for mode, rng, n in made.generators(40, seed=12):
        keys = [(b, m) for b in made.NETWORKS[:n] for m in METHODS]
        frame = pd.DataFrame(keys, columns=["backbone", "method"])
        auc, area = (made.values(rng, len(keys), mode, 0.0, 1.0) for _ in range(2))
        if rng.random() < 0.3:
            area = auc
        places = frame.rename(columns={"method": "map"}).assign(
            side="raising", score="auc", control="none", mean=auc
        )
        removed = frame.assign(measure="deletion_positive", baseline="blur", mean=area)
        found = method_ranks(places, removed, "blur")
        table_read()
        both = frame.assign(auc=auc, area=area).dropna()
        own = {
            b: part for b, part in both.groupby("backbone")
            if len(part) > 3 and part["auc"].nunique() > 1 and part["area"].nunique() > 1
        }  # fmt: skip
        if not own:
            assert found is None
            continue
        rhos = {b: p["auc"].corr(p["area"], method="spearman") for b, p in own.items()}

        def ranks(text, own=own, rhos=rhos, contrasts=found.contrasts):
            sizes = sorted(len(p) for p in own.values())
            assert int(text["n"]) == sizes[0]
            assert int(text["to"] or text["n"]) == sizes[-1]
            assert int(text["k"]) == len(rhos)
            says(text["rho"], np.mean(list(rhos.values())))
            if text["low"]:
                says(text["low"], min(rhos.values()))
                says(text["high"], max(rhos.values()))
            below = {b for b, rho in rhos.items() if round(rho, 2) < 0.5}
            assert bool(text["alike"]) == (not below)
            assert set(names(text["apart"]) if text["apart"] else []) == below
            if text["methods"]:
                gaps = {}
                for part in own.values():
                    gap = part[["auc", "area"]].rank(ascending=False, method="min")
                    gap = (gap["auc"] - gap["area"]).abs()
                    for method, value in zip(part["method"], gap, strict=True):
                        gaps[method] = max(gaps.get(method, 0), value)
                named = [SHOWN[m] for m in names(text["methods"])]
                others = [g for m, g in gaps.items() if m not in (*named, "random")]
                assert min(gaps[m] for m in named) >= max(others, default=0)
                assert min(gaps[m] for m in named) > 0
                assert [c.method for c in contrasts] == named

        read(found.sentence, {RANKS: ranks})
        for one in found.contrasts:
            part = own[one.backbone].set_index("method")

            def place(text, one=one, part=part):
                assert SHOWN[text["method"]] == one.method
                for key, column in (("place", "auc"), ("removal", "area")):
                    better = (part[column] > part.loc[one.method, column]).sum()
                    assert int(text[key]) == better + 1
                assert int(text["n"]) == int(text["m"]) == len(part)

            read(one.words, {
                r"(?P<method>[\w-]+) on (?P<b>\w+): (?P<removal>\d+) of (?P<n>\d+) by deletion, "
                r"(?P<place>\d+) of (?P<m>\d+) by pixel AUC": place
            })  # fmt: skip


def localisation(rng, mode, n):
    parts = []
    sought = (("evidence", "raising"), ("ais", "either"), ("evidence", "lowering"))
    by_place = [(f"{kind}_place", side) for kind, side in sought] if rng.random() < 0.5 else []
    for kind, side in (*sought, *by_place):
        for control, bounds in (("none", (0.0, 1.0)), ("centre", (-0.5, 0.5))):
            means = made.values(rng, n, mode, *bounds)
            low, high = made.ends(rng, means, mode)
            parts.append(pd.DataFrame({
                "backbone": made.NETWORKS[:n], "map": kind, "side": side, "score": "auc",
                "control": control, "mean": means, "low": low, "high": high,
                "p_corrected": rng.choice([0.01, 0.06, np.nan], n)}))  # fmt: skip
    table = pd.concat(parts, ignore_index=True)
    return table if rng.random() < 0.7 else table.drop(columns="p_corrected")  # as before


def side_of(row):
    """What a difference may be called: by its corrected p, in older tables by its interval."""
    if "p_corrected" not in row:
        return "better" if row["low"] > 0 else "worse" if row["high"] < 0 else "open"
    if not row["p_corrected"] < 0.05 or row["mean"] == 0:
        return "open"
    return "better" if row["mean"] > 0 else "worse"


GROUP = rf"(?:every network|{LIST})"
FOUND = (
    r"(?P<kind>AIS|Evidence)(?P<place> by place)? maps find evidence (?:that raises the rating|of either sign) with a pixel "
    rf"AUC of (?:(?P<one>{NUM}) \((?:95% interval (?P<low>{NUM}) to (?P<high>{NUM})|no interval)\) "
    rf"\((?P<who>\w+)\)|(?P<all>{NUM}) on all (?P<n>\d+) networks|(?P<least>{NUM}) \((?P<worst>\w+)\) "
    rf"to (?P<most>{NUM}) \((?P<best>\w+)\)); 0\.50 is chance(?:; against a map that knows only the "
    rf"centre that is (?:better for (?P<better>{GROUP}))?(?:, | and )?(?:worse for (?P<worse>{GROUP}))?"
    rf"(?:, | and )?(?:not distinguishable for (?P<open>{GROUP}))?(?:, | and )?(?:not known for "
    rf"(?P<unknown>{GROUP}))?)?\."
)
WRONG = (
    rf"Some evidence(?P<place> by place)? maps are wrong, not only vague: (?:(?P<raising>{LIST}) points? away from evidence "
    rf"that raises the rating)?(?: and )?(?:(?P<lowering>{LIST}) points? away from evidence that lowers "
    r"the rating)? \(pixel AUC below 0\.50 with all of its interval\)\."
)
PAIR = (
    r"The two networks whose evidence(?P<place> by place)? maps agree most, (?P<a>\w+) and (?P<b>\w+), have pixel AUCs of "
    rf"(?P<x>{NUM}) and (?P<y>{NUM})(?:(?P<yes>: here those who agree both find the evidence)|, not "
    r"both of them shown to be above chance: agreement is no proof of being right)\."
)


def rows_of(table, kind, side, control="none"):
    own = (table["map"] == kind) & (table["side"] == side) & (table["control"] == control)
    return table[own].dropna(subset=["mean"]).set_index("backbone")


@checks(
    "parts.known_places._sentence",
    "parts.known_places.over_networks",
    "parts.known_places.observe_wrong",
    "parts.known_places.observe_agreeing_pair",
)
def test_known_places():
    reached = set()
    for mode, rng, n in made.generators(70, seed=13):
        table = localisation(rng, mode, n)
        per_image = made.agreement_images(rng, mode, n)
        if (table["map"] == "evidence_place").any():
            per_image = made.with_places(rng, per_image)
        agreement = made.agreement(rng, mode, per_image)
        table_read()

        def found(text, table=table, n=n):
            kind = text["kind"].lower()
            side = {"evidence": "raising", "ais": "either"}[kind]
            kind += "_place" if text["place"] else ""
            rows, centre = rows_of(table, kind, side), rows_of(table, kind, side, "centre")
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
            centre = centre[centre.index.isin(rows.index)]
            if centre.empty:
                assert "against" not in text[0]
                return
            expected = dict.fromkeys(rows.index, "unknown")
            for b, row in centre.iterrows():
                if math.isfinite(row["low"]) and math.isfinite(row["high"]):
                    expected[b] = side_of(row)
            for group in ("better", "worse", "open", "unknown"):
                text_of = text[group]
                everyone = rows.index.tolist()
                named = (
                    everyone if text_of == "every network" else names(text_of) if text_of else []
                )
                assert set(named) == {b for b, g in expected.items() if g == group}

        def wrong(text, table=table):
            kind = "evidence_place" if text["place"] else "evidence"
            for side in ("raising", "lowering"):
                away = {b for b, r in rows_of(table, kind, side).iterrows() if r["high"] < 0.5}
                assert set(names(text[side]) if text[side] else []) == away

        def pair(text, table=table, agreement=agreement):
            kind = "evidence_place" if (agreement["map"] == "evidence_place").any() else "evidence"
            assert bool(text["place"]) == (kind == "evidence_place")
            rows = rows_of(table, kind, "raising")
            of_pairs = agreement[agreement["map"] == kind].dropna(subset=["mean"])
            best = of_pairs["mean"].max()
            level = of_pairs[[same(best, m) for m in of_pairs["mean"]]]
            assert level[["backbone_a", "backbone_b"]].to_numpy().tolist() == [
                [text["a"], text["b"]]
            ]
            for key, b in (("x", text["a"]), ("y", text["b"])):
                says(text[key], rows.loc[b, "mean"])
            assert bool(text["yes"]) == (rows.loc[[text["a"], text["b"]], "low"] > 0.5).all()

        said = (
            *(_finding(table, f"{kind}{end}") for kind in ("evidence", "ais") for end in ("", "_place")),
            observe_wrong(table), observe_wrong(table, "evidence_place"),
            observe_agreeing_pair(table, agreement),
        )  # fmt: skip
        for sentence in filter(None, said):
            reached.add(read(sentence, {FOUND: found, WRONG: wrong, PAIR: pair}))
    assert reached == {FOUND, WRONG, PAIR}


@checks("parts.faithfulness._main_table", "parts.faithfulness._cell")
def test_cells_of_the_table_of_methods_are_means_over_networks_with_their_range():
    for mode, rng, n in made.generators(14, seed=14):
        table = table_of(rng, mode, n, "lime")
        record = SimpleNamespace(
            method_differences=pd.DataFrame(),
            faithfulness=table, methods=pd.DataFrame(), localisation=pd.DataFrame(),
            cascade=pd.DataFrame(), between=pd.DataFrame(),
        )  # fmt: skip
        shown = other_methods(record)
        table_read()
        cell = shown.rows[0][shown.header.index("Deletion, positive first (MoRF)")]
        own = table.loc[table["measure"] == "deletion_positive", "mean"].dropna()
        if own.empty:
            assert cell.text == "–"
            continue
        says(cell.text, own.mean())
        if len(own) > 1:
            low, high = cell.interval.split(" to ")
            says(low, own.min())
            says(high, own.max())


VERDICT = (
    r"By deletion with the baseline blur, on (?P<n>\d+) networks?, against random maps on the same "
    r"images, corrected over methods and networks: (?P<parts>.+)\. Which method is best is not tested\."
)


@checks("sentences.methods_verdict.verdict")
def test_which_methods_beat_random_maps():
    rng = np.random.default_rng(11)
    methods, networks = ["lime", "grad_cam", "occlusion"], ["a", "b", "c"]
    for _ in range(60):
        middle = rng.normal(0, 1, (3, 3)).round(2)
        p = rng.choice([0.01, 0.06, np.nan], (3, 3))
        table = pd.DataFrame([
            {"backbone": b, "method": m, "measure": "deletion_positive", "baseline": "blur",
             "control": control, "difference": middle[i, j],
             "difference_p_corrected": p[i, j] if control == "random" else 0.001}
            for i, m in enumerate(methods) for j, b in enumerate(networks)
            for control in ("centre", "random")
        ])  # fmt: skip
        table_read()
        tested = np.isfinite(p)
        if not tested.any():
            assert verdict(table, methods, "blur") == ""
            continue

        def told(found, middle=middle, p=p, tested=tested):
            assert int(found["n"]) == tested.any(axis=0).sum()
            expected: dict[str, list[str]] = {}
            for i, name in enumerate(KIND_NAMES[method] for method in methods):
                n = int(tested[i].sum())
                if not n:
                    continue
                more, less = (
                    int(((p[i] < 0.05) & (sign * middle[i] > 0)).sum()) for sign in (1, -1)
                )
                key = ("better on every network" if more == n else "better on some" if more
                       else "not shown to be better on any")  # fmt: skip
                share = f" ({more} of {n})" if 0 < more < n else ""
                expected.setdefault(key, []).append(f"{name}{share}")
                if less:
                    expected.setdefault("worse on some", []).append(f"{name} ({less} of {n})")
            parts = dict(part.split(": ") for part in found["parts"].split("; "))
            assert {key: names(said) for key, said in parts.items()} == expected

        read(verdict(table, methods, "blur"), {VERDICT: told})
    assert verdict(pd.DataFrame(), methods, "blur") == ""


STANDING = (
    r"By ROAD with the baseline blur, image by image \(8 of them\) and corrected over all pairs, "
    r"(?P<told>\d+|none) of (?P<pairs>\d+) differences? between two methods (?P<verb>is|are) decided"
    r"(?:; among the best, not told from the highest, are (?P<best>[^;]+))?"
    r"; (?:truer than random maps are (?P<above>[^;]+)|(?P<nobody>no method is shown to be truer "
    r"than random maps on any network))\."
)


def on_networks(said):
    """Method to (on how many networks, of how many; None for all of them)."""
    every = re.fullmatch(r"(.*?) on every network(?:, (.+) on some)?", said)
    some = re.fullmatch(r"(.+) on some", said)
    full = names(every[1]) if every else []
    part = names((every[2] or "") if every else some[1])
    return dict.fromkeys(full) | {
        found[1]: (int(found[2]), int(found[3]))
        for found in (re.fullmatch(r"(.+) \((\d+) of (\d+)\)", one) for one in part if one)
    }


@checks(
    "sentences.method_standing._verdict",
    "sentences.method_standing._shared",
    "sentences.method_standing.method_standing",
)
def test_which_methods_are_among_the_best():
    methods = ["lime", "grad_cam", "occlusion", "random"]
    for mode, rng, n in made.generators(60, seed=3):
        networks = list(made.NETWORKS[:n])
        means = np.array([made.values(rng, 4, mode) for _ in networks])
        rows = []
        for label, own in zip(networks, means, strict=True):
            for a, b in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
                apart, half = own[a] - own[b], rng.choice([0.05, 0.6])
                rows.append({"backbone": label, "measure": "road", "baseline": "blur", "n": 8,
                             "first": methods[a], "second": methods[b],
                             "low_corrected": apart - half, "high_corrected": apart + half})  # fmt: skip
        differences = pd.DataFrame(rows)
        table = pd.DataFrame([
            {"backbone": label, "measure": "road", "baseline": "blur", "method": m, "mean": own[i]}
            for label, own in zip(networks, means, strict=True) for i, m in enumerate(methods)
        ])  # fmt: skip
        held = differences.dropna()
        found = method_standing(table, differences, methods[:3], "blur")
        table_read()
        if held.empty:
            assert found is None
            continue
        below = {
            (row.backbone, *((row.first, row.second) if row.low_corrected > 0 else (row.second, row.first)))
            for row in held.itertuples() if row.low_corrected > 0 or row.high_corrected < 0
        }  # fmt: skip
        best, above = {}, {}
        for label, own in zip(networks, means, strict=True):
            if label not in set(held["backbone"]) or np.isnan(own[:3]).all():
                continue
            first = methods[int(np.nanargmax(own[:3]))]
            for i, name in enumerate(methods[:3]):
                if np.isfinite(own[i]):
                    best.setdefault(KIND_NAMES[name], []).append((label, first, name) not in below)
                    if np.isfinite(own[3]):
                        above.setdefault(KIND_NAMES[name], []).append(
                            (label, name, "random") in below
                        )

        def told(said, held=held, below=below, best=best, above=above):
            two = held[held["second"] != "random"]
            number = sum("random" not in pair for pair in below)
            assert said["told"] == (str(number) if number else "none")
            assert int(said["pairs"]) == len(two)
            assert said["verb"] == ("is" if number < 2 else "are")
            assert bool(said["best"]) == bool(number)
            assert bool(said["nobody"]) == (not any(any(on) for on in above.values()))
            for text, expected in ((said["best"], best), (said["above"], above)):
                if text:
                    assert on_networks(text) == {
                        name: None if all(on) else (sum(on), len(on))
                        for name, on in expected.items() if any(on)
                    }  # fmt: skip

        if above:
            read(found.verdict, {STANDING: told})
    assert method_standing(pd.DataFrame(), pd.DataFrame(), methods, "blur") is None


def test_methods_share_a_letter_just_where_they_are_not_told_apart():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        order = list("ABCDEF")
        pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
        decided = {pair for pair in pairs if rng.random() < 0.4}
        letters = sharing_letters(order, decided)
        for pair in pairs:
            assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in decided)
        assert letters["A"].startswith("a")


KEPT = "|".join([
    r"[Tt]he kept channels of (?P<better>.+) predict held-out images better than all channels",
    r"[Tt]he kept channels of (?P<worse>.+) predict them worse",
    r"[Ff]or (?P<open>.+) no difference is shown",
    r"[Ff]or (?P<undefined>.+) it cannot be tested",
])  # fmt: skip


@checks("parts.retention._sentence", "parts.retention.retention")
def test_what_keeping_the_best_channels_does():
    for mode, rng, n in made.generators(40, seed=17):
        difference = made.values(rng, n, mode)
        p = rng.choice([0.0001, 0.004, 0.03, 0.4, np.nan], n)
        rows = pd.DataFrame({"backbone": made.NETWORKS[:n], "head": "fold", "metric": "plcc",
                             "full": 0.5, "retained": 0.5 + difference, "difference": difference,
                             "low": difference - 0.1, "high": difference + 0.1, "p": p,
                             "n_retained_mean": 100.0})  # fmt: skip
        others = rows.assign(head="study", p=np.nan, difference=9.0)
        found = retention(pd.concat([others, rows], ignore_index=True))
        table_read()
        p[np.isnan(difference)] = np.nan
        tested = np.sort(p[np.isfinite(p)])

        def decided(one, tested=tested):
            """Holm: every p up to its own is below .05 by its rank."""
            ranks = range(int((tested <= one).sum()))
            return np.isfinite(one) and all(tested[k] * (len(tested) - k) < 0.05 for k in ranks)

        expected: dict[str, list[str]] = {}
        for name, one, far in zip(made.NETWORKS, p, difference, strict=False):
            way = "better" if far > 0 else "worse" if far < 0 else "open"
            key = "undefined" if np.isnan(one) else way if decided(one) else "open"
            expected.setdefault(key, []).append(name)
        text, _, size = found.sentence.removesuffix(".").partition(" (largest difference in PLCC ")
        said = {}
        for part in text.split("; "):
            groups = re.fullmatch(KEPT, part).groupdict()
            said |= {key: names(value) for key, value in groups.items() if value}
        assert said == expected
        if size:
            says(size.removesuffix(")"), np.nanmax(np.abs(difference)))
        assert [row[0].text for row in found.rows] == list(made.NETWORKS[:n])
    assert retention(pd.DataFrame()) is None
    assert retention(others) is None
