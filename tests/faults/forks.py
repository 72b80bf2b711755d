"""Run commands each in a process of its own, which need not load torch anew.

Reads a JSON list of `[arguments, folder]` from standard input, gives a list of `[code, stdout,
stderr]`. A command that takes more than ten seconds is killed by its alarm: code -14.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import tempfile
from typing import Any

import aisthesis.studies.ratings.study  # noqa: F401 - what the commands would load

SECONDS = 10


def run(arguments: list[str], folder: str) -> tuple[int, str, str]:
    """Run `python -m aisthesis.cli` with these arguments in a child of this process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _become(arguments, folder)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


def _become(arguments: list[str], folder: str) -> None:
    signal.alarm(SECONDS)
    os.chdir(folder)
    sys.argv = ["aisthesis", *arguments]
    code: Any = 70
    try:
        runpy.run_module("aisthesis.cli", run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = error.code
    finally:
        if code == 70:
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    print(json.dumps([run(*job) for job in json.load(sys.stdin)]))
