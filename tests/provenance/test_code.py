"""What a stage computes is stale once its code, or a library behind it, is another one."""

from __future__ import annotations

import pytest

from aisthesis.provenance import code
from aisthesis.provenance.versions import library_version


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose stage imports a helper, which imports a table; with a writer of modules."""
    root = tmp_path / "aisthesis"
    for folder in ("stages", "maths", "store"):
        (root / folder).mkdir(parents=True)
    monkeypatch.setattr(code, "_ROOT", tmp_path)
    names = ("source_digest", "modules_behind", "_source", "_file", "_imports", "_statements")
    caches = [getattr(code, name) for name in (*names, "_libraries_behind")]

    def write(name: str, text: str) -> str:
        """Write a module; give the digest of the stage."""
        (root / f"{name}.py").write_text(text)
        for cache in caches:
            cache.cache_clear()
        return code.source_digest("aisthesis.stages.stage")

    (root / "stages" / "stage.py").write_text(
        "from aisthesis.maths.near import f\nfrom aisthesis.store.told import say\n"
    )
    (root / "maths" / "near.py").write_text("def f():\n    from aisthesis.maths import far\n")
    (root / "store" / "told.py").write_text("import scipy\n")
    yield write
    for cache in caches:
        cache.cache_clear()


def test_a_statement_anywhere_behind_a_stage_counts(package) -> None:
    first = package("maths/far", "X = 1\n")
    assert package("maths/far", "X = 2\n") != first
    assert package("maths/far", "X = 1\n") == first
    assert package("maths/near", "def f():\n    return 1\n") != first


def test_words_do_not_count_but_texts_that_are_values_do(package) -> None:
    first = package("maths/far", "X = '''\n# a value\n'''\n")
    same = "\"\"\"Says more.\"\"\"\n\n# why\nX = '''\n# a value\n'''\n"
    assert package("maths/far", same) == first
    assert package("maths/far", "X = '''\n# another value\n'''\n") != first


@pytest.mark.parametrize(
    "text",
    [
        "X = ['a'\n  # why\n  'b', import_module('aisthesis.a')]\n",
        "match x:\n  case 1:\n    import scipy\n    '# told'\n",
        'def f(a="""\n# a value\n"""):\n  \'Told.\'\n  return g(1,\n  # why\n  """\n# x""")\n',
        'Y = f"""\n# a value {1 +\n1}\n"""\nX = (1,\n# why\n2)\n',
    ],
)
def test_statements_that_are_not_looked_into_hold_nothing(package, monkeypatch, text) -> None:
    package("maths/far", text)
    found = code._source("aisthesis.maths.far"), code._statements("aisthesis.maths.far")
    monkeypatch.setattr(code, "_SIMPLE", ())
    package("maths/far", text)
    every, kept = code._source("aisthesis.maths.far"), code._statements("aisthesis.maths.far")
    assert found[1] == kept
    assert (found[0].told, set(found[0].named)) == (every.told, set(every.named))


def test_what_keeps_and_tells_does_not_count(package) -> None:
    first = package("maths/far", "X = 1\n")
    assert package("store/told", "import torch\ndef say(): ...\n") == first
    assert "scipy" not in code.code_dependencies("it", "aisthesis.stages.stage")


def test_the_libraries_are_those_that_are_imported(package) -> None:
    package("maths/far", "from sklearn.linear_model import Ridge\nimport PIL.Image\n")
    parts = code.code_dependencies("it", "aisthesis.stages.stage")
    assert set(parts) == {"code of it", "scikit-learn", "pillow"}
    assert parts["scikit-learn"] == library_version("scikit-learn")
    assert library_version("no-such-library") == "not installed"


@pytest.mark.parametrize(
    ("stage", "behind", "libraries"),
    [
        (
            "studies.ratings.fitting.fit",
            {"heads.fitting", "images.transform"},
            {"torch", "torchvision", "scikit-learn"},
        ),
        (
            "studies.ratings.explaining.explain",
            {"ablation.deltas", "ablation.places.execution"},
            {"torch"},
        ),
        ("studies.ratings.comparing.agree", {"agreement.metrics", "agreement.chance"}, {"scipy"}),
        ("studies.similarity.align", {"importance.similarity.validation"}, {"scipy"}),
    ],
)
def test_the_code_of_the_stages_is_what_computes_them(stage, behind, libraries) -> None:
    module = f"aisthesis.{stage}"
    found = code.modules_behind(module)
    assert {f"aisthesis.{name}" for name in behind} <= found
    assert not {
        name for name in found if name.split(".")[1] in ("report", "store", "execution", "cli")
    }
    assert libraries <= set(code.code_dependencies(stage, module))
