"""What a clean server loads once, so that processes forked from it start at once.

It is imported by name, in the server as in the tests.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import distributed  # noqa: F401 - loaded for workers that are forked
import torch

from aisthesis import Alignment, Study

torch.set_num_threads(1)


def go_on(file: str) -> None:
    """Run a study of either kind up to its report."""
    if "judgments" in Path(file).read_text(encoding="utf-8"):
        Alignment.report = lambda study: study.folder.report  # type: ignore[method-assign]
        Alignment.from_toml(file).run()
    else:
        Study.from_toml(file).run(until="agree")


def run_module(name: str, arguments: list[str], said: str = os.devnull) -> None:
    """Be `python -m name arguments`, with a file for standard error."""
    with open(said, "w", encoding="utf-8") as file:  # noqa: PTH123
        os.dup2(file.fileno(), 2)
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)
