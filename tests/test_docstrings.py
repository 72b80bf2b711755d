"""Every public name has an example in its docstring, and the examples run.

They run in one folder, with what a reader would have there: `photos`, `ratings.csv`,
`similarity.csv`, and after the example of `ais.Study` a study that has run (`other` is a copy).
"""

from __future__ import annotations

import doctest
import shutil
from itertools import combinations

import pytest

import aisthesis as ais
import aisthesis.report.similarity
import aisthesis.report.write
from aisthesis.miniature import render_study

OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL | doctest.NORMALIZE_WHITESPACE
#: Reports are written in tests of their own, which take their time.
PAGES = [
    (aisthesis.report.write, "write_report"),
    (aisthesis.report.similarity, "write_alignment_report"),
]
NAMES = sorted(set(ais.__all__) - {"__version__"})


def run_examples(name: str) -> None:
    (found,) = doctest.DocTestFinder(recurse=False).find(getattr(ais, name), name, globs={})
    assert any(not one.options.get(doctest.SKIP) for one in found.examples), "no example that runs"
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(found, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A folder with photographs, judgments and a study of them that has run, without its pages."""
    folder = tmp_path_factory.mktemp("reader")
    planted = render_study(folder / "planted", 16, seed=1, size_px=64)
    planted.images.rename(folder / "photos")
    planted.ratings.rename(folder / "ratings.csv")
    names = sorted(path.name for path in (folder / "photos").iterdir())
    rows = [f"{a},{b},{(i * 7) % 9}" for i, (a, b) in enumerate(combinations(names, 2))]
    (folder / "similarity.csv").write_text("\n".join(["image_a,image_b,similarity", *rows]))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for module, name in PAGES:
            patch.setattr(module, name, lambda folder, *_, **__: folder)
        run_examples("Study")
        shutil.copytree("study", "other")
        yield


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs(name, reader) -> None:
    run_examples(name)
