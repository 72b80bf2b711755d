"""What the short commands load: nobody waits for libraries that an answer does not need."""

from __future__ import annotations

import os
import subprocess
import sys

#: Take seconds to load, and what they take a user waits for.
HEAVY = ("torch", "torchvision", "timm", "scipy", "pandas", "numpy", "matplotlib", "zarr")

PROBE = """
import contextlib, io, sys
import aisthesis
from aisthesis.cli.main import main
for arguments in {commands}:
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            code = main(arguments)
    except SystemExit as stopped:
        code = stopped.code
    print(code, len(said.getvalue()), *(name for name in {heavy} if name in sys.modules))
"""


def test_short_commands_load_nothing_heavy(tmp_path) -> None:
    commands = [["--help"], ["--version"], ["run", "--help"], ["backbones"]]
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(commands=commands, heavy=HEAVY)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TORCH_HOME": str(tmp_path)},
    )
    for command, line in zip(commands, done.stdout.splitlines(), strict=True):
        code, said, *loaded = line.split()
        assert code == "0", command
        assert int(said) > 10, command
        assert loaded == [], command
