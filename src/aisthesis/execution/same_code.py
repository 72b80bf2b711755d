"""Whether a worker computes with the same code as this process, and sees the same folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["asked_of_a_worker", "code_of_this_process", "differences"]


def asked_of_a_worker() -> Callable[[str | None], dict[str, Any]]:
    """Give a function that says what code a process has, and whether it sees a file.

    A function in a function travels whole, where one of a module is looked up by its name at the
    other end, in a package that may be of another make; so it uses nothing of this file.
    """

    def answer(mark: str | None) -> dict[str, Any]:
        import hashlib
        import os
        import platform
        from importlib import metadata
        from pathlib import Path

        import aisthesis

        root, digest = Path(aisthesis.__file__).parent, hashlib.sha256()
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
        code = {
            "aisthesis": aisthesis.__version__,
            "the digest of its sources": digest.hexdigest()[:12],
            "torch": metadata.version("torch").partition(".")[0],
            "numpy": metadata.version("numpy").partition(".")[0],
            "python": ".".join(platform.python_version_tuple()[:2]),
        }
        return {"code": code, "seen": mark is None or os.path.exists(mark)}  # noqa: PTH110

    return answer


@lru_cache(maxsize=1)
def code_of_this_process() -> dict[str, str]:
    """Versions that results depend on, and a digest of this package's own sources."""
    code: dict[str, str] = asked_of_a_worker()(None)["code"]
    return code


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> str:
    """Say in words what is not the same on two sides; empty where all is."""
    return ", ".join(
        f"{name} is {there.get(name, 'missing')} there and {value} here"
        for name, value in here.items()
        if there.get(name) != value
    )
