"""Trees, distributions, yardsticks and variance are laid out as the tables say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import linkage

from aisthesis.report.charts.axis import axis_over, round_ticks, tick_text
from aisthesis.report.charts.dendrogram import dendrogram, draw_tree
from aisthesis.report.charts.distribution import distribution, draw_distribution
from aisthesis.report.charts.dots import Mark, dot_chart, draw_dots
from aisthesis.report.charts.drawing import Drawing, sheet
from aisthesis.report.charts.score_chart import score_chart
from aisthesis.report.parts.variance import draw_variance, variance_parts
from aisthesis.report.parts.yardsticks import yardsticks

NAN = float("nan")


def merges(distances: np.ndarray, names: list[str]) -> pd.DataFrame:
    """Write SciPy's linkage as `clusters.csv` has it."""
    groups = [[name] for name in names]
    rows = []
    for left, right, distance, _ in linkage(distances, "average"):
        groups.append(groups[int(left)] + groups[int(right)])
        rows.append({"map": "ais", "metric": "cosine", "step": len(rows),
                     "members": "|".join(sorted(groups[-1])), "distance": distance,
                     "support": 0.5})  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("seed", range(5))
def test_a_tree_joins_who_the_linkage_joins_without_crossing(seed):
    rng = np.random.default_rng(seed)
    names = list("abcdefg")
    table = merges(rng.uniform(0.1, 1.5, 21), names)
    tree = dendrogram(table.sample(frac=1, random_state=seed), "ais", "cosine")
    assert sorted(tree.leaves) == names
    for join, row in zip(tree.joins, table.itertuples(), strict=True):
        assert set(join.members) == set(row.members.split("|"))
        assert join.at == row.distance
        assert max(join.at_children) <= join.at
        places = sorted(tree.leaves.index(name) for name in join.members)
        assert places == list(range(places[0], places[-1] + 1)), "branches cross"
        assert places[0] <= join.y <= places[-1]
    svg = draw_tree(tree).svg()
    branches = re.findall(r'class="branch" d="([^"]*)"', svg)
    assert [path.count("M") for path in branches] == [3] * len(tree.joins)
    assert svg.count(">50%</text>") == len(tree.joins) - 1
    assert max(tree.axis.ticks) <= tree.axis.high


def test_what_is_no_tree_is_not_drawn():
    table = merges(np.array([0.2, 0.6, 0.5]), list("abc"))
    assert dendrogram(table, "evidence", "cosine") is None
    assert dendrogram(table.assign(members="a|b|c"), "ais", "cosine") is None
    assert dendrogram(table.iloc[1:], "ais", "cosine") is None


def per_image(values: np.ndarray, a: str, b: str) -> pd.DataFrame:
    return pd.DataFrame({"image": [f"{k}" for k in range(len(values))], "map": "ais",
                         "metric": "cosine", "backbone_a": a, "backbone_b": b,
                         "value": values})  # fmt: skip


def summary(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame([
        {"map": "ais", "metric": "cosine", "backbone_a": a, "backbone_b": b, "mean": m,
         "low": m - 0.1, "high": m + 0.1, "chance": 0.02}
        for a, b, m in rows
    ])  # fmt: skip


def test_every_image_is_a_dot_in_its_place_and_none_lies_on_another():
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.1, 0.2, 150), rng.normal(0.5, 0.1, 150)
    one[3] = NAN
    images = pd.concat([per_image(one, "a", "b"), per_image(other, "a", "c")])
    found = distribution(summary(("a", "b", 0.1), ("a", "c", 0.5)), images, "ais", "cosine")
    assert [strip.pair for strip in found.strips] == ["a – c", "a – b"]
    strip = found.strips[1]
    assert [one[int(found.images[k])] for k in strip.images] == list(strip.values)
    paths = re.findall(r'class="dots" d="([^"]*)"', draw_distribution(found).svg())
    places = np.array(re.findall(r"M([\d.]+) ([\d.]+)h0", paths[1]), dtype=float)
    assert len(strip.values) == len(places) == 149
    axis = found.axis.placed(8, 464)
    np.testing.assert_allclose(places[:, 0], [axis.at(v) for v in strip.values], atol=0.051)
    assert ((strip.y > 0.05) & (strip.y < 0.95)).all()
    assert len(set(zip(strip.values, strip.y, strict=True))) == 149
    expected = np.nanquantile(one, [0.25, 0.5, 0.75])
    assert strip.quartiles == pytest.approx(tuple(expected))
    assert found.axis.low == -found.axis.high
    assert "149 images" in strip.words
    assert "chance 0.02" in strip.words


def test_equal_values_stack_around_the_middle():
    images = per_image(np.full(40, 0.3), "a", "b")
    (strip,) = distribution(summary(("a", "b", 0.3)), images, "ais", "cosine").strips
    assert len(set(strip.y)) == 40
    assert strip.y.mean() == pytest.approx(0.5, abs=0.015)


def test_nothing_defined_is_no_distribution():
    images = per_image(np.full(4, NAN), "a", "b")
    assert distribution(summary(("a", "b", NAN)), images, "ais", "cosine") is None


def yardstick_tables() -> dict[str, pd.DataFrame]:
    one = {"map": "ais", "metric": "cosine"}
    return {
        "agreement": summary(("a", "b", 0.1), ("a", "c", 0.5)),
        "per_image": pd.concat([per_image(np.full(9, 0.1), "a", "b"),
                                per_image(np.full(9, 0.5), "a", "c")]),
        "reliability": pd.DataFrame([
            {**one, "backbone": "a", "mean": 0.6, "low": 0.5, "high": 0.7, "stepped_up": 0.9},
            {**one, "backbone": "b", "mean": NAN, "low": NAN, "high": NAN, "stepped_up": NAN}]),
        "baselines": pd.DataFrame([
            {**one, "backbone": "a", "mean": -0.2, "low": -0.3, "high": -0.1}]),
    }  # fmt: skip


def test_yardsticks_hold_what_the_tables_hold():
    found = yardsticks(**yardstick_tables(), kind="ais", metric="cosine", labels=["a", "b"])
    marks = {label: {m.name: m for m in own} for label, own in found.chart.rows}
    assert marks["a"]["others"].mean == pytest.approx(0.3)
    assert marks["a"]["itself"].mean == 0.9  # of the average, as the pairs' maps are averages
    assert not marks["a"]["itself"].has_interval  # the known one is that of single seeds
    assert marks["a"]["activation"].text == "−0.20 (−0.30 to −0.10)"
    assert marks["a"]["chance"].mean == pytest.approx(0.02)
    assert set(marks["b"]) == {"others", "chance"}
    assert found.chart.axis.low < -0.3
    bare = yardstick_tables() | {"agreement": summary(("a", "b", 0.1)).drop(columns="chance")}
    bare |= {name: bare[name].iloc[:0] for name in ("reliability", "baselines")}
    assert yardsticks(**bare, kind="ais", metric="cosine", labels=["a", "b"]) is None


def test_a_dot_chart_holds_its_marks_and_its_reference():
    rows = [("a", [Mark("y", 0.7, 0.6, 0.8), Mark("x", 0.9)])]
    chart = dot_chart("t", "u", {"x": "X", "y": "Y", "z": "Z"}, rows, reference=0.5)
    assert list(chart.series) == ["x", "y"]
    axis = chart.axis.placed(0, 100)
    assert 0 < axis.at(0.5) < axis.at(0.7) < axis.at(0.9) < 100
    assert axis.at(5) == 100
    assert chart.words(chart.rows[0][1]) == "Y 0.70 (0.60 to 0.80); X 0.90"
    assert chart.table()["mean"].tolist() == [0.7, 0.9]
    assert [tick_text(v) for v in (0.0, -0.5, 0.25, 2.0)] == ["0", "−0.5", "0.25", "2"]


def test_scores_stand_beside_the_ceiling():
    row = {"split": "test", "n": 20, "seed": "mean", "plcc_low": 0.5, "plcc_high": 0.7}
    scores = pd.DataFrame([
        {**row, "backbone": "a", "head": "mlp", "plcc": 0.6},
        {**row, "backbone": "a", "head": "ridge", "plcc": 0.65},
        {**row, "backbone": "a", "head": "mlp", "plcc": 0.1, "seed": "0"},
        {**row, "backbone": "b", "head": "mlp", "plcc": NAN},
    ])  # fmt: skip
    chart = score_chart(scores, ["a", "b"], {"correlation": 0.93})
    assert [(label, [m.mean for m in marks]) for label, marks in chart.rows] == [("a", [0.6, 0.65])]
    assert chart.reference == 0.93
    assert chart.axis.high > 0.93
    assert "noise ceiling 0.93" in chart.unit
    assert np.isnan(score_chart(scores, ["a"], None).reference)
    assert score_chart(scores, ["b"], None) is None


def test_variance_is_said_in_words_and_undefined_components_are_left_out():
    table = pd.DataFrame({"map": ["evidence", "ais", "ais"], "share": [0.2, -0.01, NAN],
                          "component": ["seed", "image", "odd_one"], "low": [0.1, NAN, NAN],
                          "high": [0.3, NAN, NAN]})  # fmt: skip
    found = variance_parts(table)
    assert list(found) == ["ais", "evidence"]
    (image,) = found["ais"]
    assert (image.name, image.has_interval) == ("what all networks see in an image", False)
    svg = draw_variance("ais", found["ais"]).svg()
    assert 'aria-label="what all networks see in an image: −1%"' in svg
    assert found["evidence"][0].words == "20% (10 to 30)"


@pytest.mark.parametrize(
    ("low", "high"), [(-0.31, 1.7), (0, 1e-5), (3, 4), (-9e6, 2e7), (-1, -0.2)]
)
def test_ticks_are_round_within_the_axis_and_told_apart(low, high):
    ticks = round_ticks(low, high)
    assert 3 <= len(ticks) <= 7
    assert low <= min(ticks) <= max(ticks) <= high
    steps = np.diff(ticks)
    np.testing.assert_allclose(steps, steps[0])
    assert f"{steps[0]:.1e}"[:3] in ("1.0", "2.0", "5.0")
    assert len({tick_text(tick, steps[0]) for tick in ticks}) == len(ticks)


def test_an_axis_of_one_value_or_none_has_room():
    assert (axis_over([]).low, axis_over([NAN]).high) == (0.0, 1.0)
    one = axis_over([7.0])
    assert one.low < 7.0 < one.high


def drawn() -> Drawing:
    rows = [("<b>", [Mark("x", 0.7, 0.6, 0.8)]), ("c & d", [Mark("x", NAN), Mark("y", -0.1)])]
    return draw_dots(dot_chart("t", "u", {"x": "X", "y": "Y"}, rows, band=(0.2, 0.4)))


def test_a_drawing_is_the_same_in_the_page_and_in_its_file():
    """Every shape of the page's drawing is in the file, which has outlines for its texts."""
    drawing = drawn()
    page, (file, missing) = ET.fromstring(drawing.svg()), drawing.file()
    whole = ET.fromstring(file)
    assert missing == []
    assert "var(" not in file
    assert "light-dark" not in file
    name = "{http://www.w3.org/2000/svg}"

    def shapes(root, space=""):
        kinds = {f"{space}{tag}" for tag in ("rect", "circle", "path")}
        return [
            tuple(sorted(one.attrib.items())) for one in root.iter()
            if one.tag in kinds and "class" in one.attrib
        ]  # fmt: skip

    assert shapes(page) == shapes(whole, name)
    texts = [one.text for one in page.iter("text")]
    assert {"<b>", "c & d", "X", "Y", "u"} <= set(texts)
    outlined = [one for one in whole.iter(f"{name}g") if "t" in one.get("class", "").split()]
    assert len(outlined) == len(texts)
    assert [one.get("aria-label") for one in page.iter("g") if one.get("role")] == [
        "<b>: X 0.70 (0.60 to 0.80)", "c & d: X undefined; Y −0.10",
    ]  # fmt: skip


def test_drawings_on_a_sheet_lie_beside_and_below_each_other():
    one = drawn()
    page = sheet([one, one, one], 2)
    assert page.width > 2 * one.width
    assert page.height > 2 * one.height
    assert len(set(re.findall(r"translate\([^)]*\)", page.svg()))) == 3
