"""Look up the installed packages in a database of known security holes, where that is possible.

pip-audit has no database of its own: it asks PyPI or OSV over the network. So it runs only where
it is installed and `AUDIT_ONLINE=1` allows that, or where osv-scanner has a database on this disk.
Otherwise one line says that nothing was looked up, and why.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_DATABASE = "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY"


def main() -> int:
    """Run what can be run; 0 if no hole was found or nothing could be looked up."""
    scanner, database = shutil.which("osv-scanner"), os.environ.get(_DATABASE)
    if scanner and database and any(Path(database).rglob("PyPI/all.zip")):
        return _offline(scanner)
    if importlib.util.find_spec("pip_audit") is None:
        print(
            "audit: skipped, nothing was looked up: pip-audit is not installed, and osv-scanner "
            f"has no database on this disk ({_DATABASE})"
        )
        return 0
    if os.environ.get("AUDIT_ONLINE") != "1":
        print(
            "audit: skipped, nothing was looked up: pip-audit would ask the network; allow it "
            "with `make audit AUDIT_ONLINE=1`"
        )
        return 0
    return subprocess.run([sys.executable, "-m", "pip_audit", "--local"], check=False).returncode


def _offline(scanner: str) -> int:
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    packages = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        listed.write_text(packages, encoding="utf-8")
        command = [scanner, "--offline", f"--lockfile={listed}"]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
