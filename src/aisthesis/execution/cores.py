"""How many processors there are for the work."""

from __future__ import annotations

import os

__all__ = ["allowed_cores", "cores"]


def cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def allowed_cores() -> int:
    """Processors for work that nobody has asked to be shared out: OMP_NUM_THREADS limits them."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores(), int(limit)) if limit.isdecimal() and int(limit) else cores()
