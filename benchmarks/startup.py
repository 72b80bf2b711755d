"""What the short commands and a study of 20 images take, start of Python and libraries included.

    python benchmarks/startup.py [--repeats 3] [--source OTHER/src]

Each command is a process of its own, so nothing is warm but the disk. Printed as a table: wall time
and processor time (user and system), the least of all repeats, in seconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aisthesis.miniature import render_study

STUDY = """
images = "planted/images"
ratings = "planted/ratings.csv"
out = "study"
device = "cpu"
backbones = ["miniature:vgg16"]
"""
CLI = ("-m", "aisthesis.cli")
#: In this order: a status is known once something has worked on the study or asked for it.
COMMANDS = {
    "`import torch` alone": ("-c", "import torch"),
    "`aisthesis --help`": (*CLI, "--help"),
    "`aisthesis backbones`": (*CLI, "backbones"),
    "`aisthesis run`: 20 images, `miniature:vgg16`, all defaults": (*CLI, "run", "study.toml"),
    "`aisthesis status` after it": (*CLI, "status", "study"),
    "the same, found out anew": (*CLI, "status", "study"),
}


def seconds(command: tuple[str, ...], folder: Path, environment: dict[str, str]) -> list[float]:
    """Wall and processor seconds of a command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, check=True, capture_output=True
    )
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return [wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--source", type=Path, help="folder of another version of the package")
    options = parser.parse_args()
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    if options.source is not None:
        environment["PYTHONPATH"] = str(options.source.absolute())
    taken: dict[str, list[list[float]]] = {name: [] for name in COMMANDS}
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            render_study(folder / "planted", 20, seed=7)
            (folder / "study.toml").write_text(STUDY, encoding="utf-8")
            for name, command in COMMANDS.items():
                cache = "another" if name.endswith("anew") else "cache"
                environment["XDG_CACHE_HOME"] = str(folder / cache)
                taken[name].append(seconds(command, folder, environment))
    print("| in a process of its own | wall, s | processor, s |\n|---|---|---|")
    for name, each in taken.items():
        wall, processor = map(min, zip(*each, strict=True))
        print(f"| {name} | {wall:.1f} | {processor:.1f} |")


if __name__ == "__main__":
    main()
