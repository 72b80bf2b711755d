"""Every layout of the docs' table gives its values; every refused one its sentence."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from aisthesis.errors import RequestError
from aisthesis.judgments.ratings.understood import lines_on, lines_on_similarities

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(
    str(REPOSITORY / "tools" / "describe_judgments.py"), run_name="describe_judgments"
)


def _title(case) -> str:
    return case.title


@pytest.mark.parametrize("case", SCRIPT["CASES"], ids=_title)
def test_layouts_are_read(tmp_path, case) -> None:
    read = case.read(tmp_path)
    found = dict(zip(read.mean["image"], read.mean["rating"], strict=True))
    assert found == pytest.approx(case.rating, abs=1e-3)
    assert read.layout == case.layout
    assert (read.noise_ceiling is not None) == case.ceiling
    said = "\n".join(lines_on(read))
    assert case.says in said
    assert "\n\n" not in said
    if case.ceiling and case.layout != "choices":
        assert read.mean["n_raters"].tolist() == [4, 4, 4, 4]
        assert read.mean["sd"].tolist() == pytest.approx([3**-0.5, 3**-0.5, (2 / 3) ** 0.5, 0.5])


@pytest.mark.parametrize("case", SCRIPT["PAIR_CASES"], ids=_title)
def test_pairs_and_triplets_are_read(tmp_path, case) -> None:
    judged = case.read(tmp_path).of(["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    for (a, b), value in case.dissimilarity.items():
        assert judged.mean["abcd".index(a), "abcd".index(b)] == pytest.approx(value)
    assert judged.n_unjudged == 6 - len(case.dissimilarity)
    assert case.says in "\n".join(lines_on_similarities(judged))


@pytest.mark.parametrize("case", SCRIPT["REFUSED"], ids=_title)
def test_what_cannot_be_told_is_one_sentence(tmp_path, case) -> None:
    with pytest.raises(RequestError) as caught:
        case.read(tmp_path)
    assert case.says in str(caught.value)


def test_the_page_shows_what_was_read() -> None:
    page = (REPOSITORY / "docs" / "judgments.md").read_text(encoding="utf-8")
    assert page == SCRIPT["as_markdown"](), "run tools/describe_judgments.py"
