"""The study folder, files that appear whole or not at all, and progress."""

from __future__ import annotations

from aisthesis.engine.files import plain_errors, read_json, write_csv, write_json, write_text
from aisthesis.engine.folder import StudyFolder, digest_of
from aisthesis.engine.progress import Advance, Narrator, Silent, Terminal

__all__ = [
    "Advance",
    "Narrator",
    "Silent",
    "StudyFolder",
    "Terminal",
    "digest_of",
    "plain_errors",
    "read_json",
    "write_csv",
    "write_json",
    "write_text",
]
