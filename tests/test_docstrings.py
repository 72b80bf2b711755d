"""The examples in the docstrings of public names run, one after another in an empty folder."""

from __future__ import annotations

import doctest

import pytest

import aisthesis as ais

WITH_EXAMPLES = sorted(
    name for name in ais.__all__ if ">>>" in (getattr(getattr(ais, name), "__doc__", "") or "")
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.DocTestFinder(recurse=False).find(getattr(ais, name), name, globs={})
    assert found
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    said: list[str] = []
    for one in found:
        runner.run(one, out=said.append)
    assert not runner.failures, "".join(said)


def test_there_are_examples() -> None:
    assert len(WITH_EXAMPLES) >= 4
