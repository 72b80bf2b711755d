"""Helper processes, each started afresh: for their work, or ahead of it where it is sure to come.

To start one takes the standard library alone, so that it loads what it needs while this process
does.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["helper", "start_ahead"]

# Not multiprocessing: its fresh processes would run the user's own script once more.
_SERVE = "from aisthesis.execution.processes import serve; serve()"
#: What stages load when they come to it (ridge regression, most networks) is there by then.
_AHEAD = f"""
from aisthesis import Study
from aisthesis.loading import loading
with loading():
    import sklearn.linear_model, torchvision.models
{_SERVE}
"""

_waiting: dict[int, list[subprocess.Popen[bytes]]] = {}  # by their threads


def helper(threads: int) -> subprocess.Popen[bytes]:
    """Give a helper that has work through its standard input: one started ahead, or another.

    Parameters
    ----------
    threads : int
        Of torch in it.
    """
    while (ahead := _ahead(threads)) is not None:
        if ahead.poll() is None:  # nobody has ended it meanwhile
            return ahead
    return _started(_SERVE, threads)


def _ahead(threads: int) -> subprocess.Popen[bytes] | None:
    try:
        return _waiting.get(threads, []).pop()
    except IndexError:  # another thread may have taken the last one
        return None


def start_ahead(study: Path, n: int, threads: int) -> None:
    """Start the helpers of a study of ratings whose work has not begun; they end with this process.

    Parameters
    ----------
    study : Path
        Its folder: of one that has been at work, nobody knows yet what is left to do.
    n : int
        Processes that there is work for, this one among them.
    threads : int
        Of torch in each.
    """
    if (study / "ledger").exists():
        return
    held = _waiting.setdefault(threads, [])
    held += [_started(_AHEAD, threads) for _ in range(n - 1 - len(held))]


@atexit.register
def _end() -> None:
    """End helpers that nobody had work for."""
    for process in (one for held in _waiting.values() for one in held):
        process.terminate()


def _started(code: str, threads: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)},
        # Ctrl-C is for the process that was started by hand; it stops its helpers itself.
        start_new_session=True,
    )
