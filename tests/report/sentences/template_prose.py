"""Finds what the report's templates themselves say about numbers, and on which condition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment

#: Words by which a text claims something about numbers, signs or how many things there are.
CLAIMS = re.compile(
    r"\b(all|above|alone|always|any|at least|at most|below|best|better|both|chance|closer|costs?|"
    r"each|every|everything|fewer|flatters?|high|higher|highest|largest?|least|less|loses?|low|"
    r"lower|lowers|lowest|matters?|more|most|nearer|never|no|nobody|none|nothing|one|only|perfect|"
    r"raises?|same|single|small|strongest|truth|two|white|whole|worse|worst|zero)\b",
    re.IGNORECASE,
)
_INLINE = re.compile(r"</?(?:code|em|i|small|span|strong|sup|wbr)\b[^<>]*>")
_TAG = re.compile(r"<[^<>]*>")
_SAID = re.compile(r"(?:alt|aria-label|data-rest|title)=\"([^\"]*)\"")
_MARK = re.compile("\x01\\d+\x02")
_SCRIPT = re.compile(r"<(style|script)\b.*?</\1>", re.DOTALL)


def claims() -> list[tuple[str, str, str]]:
    """(template, condition, text) of every text of a template that claims something."""
    root = Path(str(files("aisthesis.report"))) / "templates"
    return [
        (path.relative_to(root).as_posix().removesuffix(".html.j2"), condition, text)
        for path in sorted(root.rglob("*.j2"))
        for condition, text in texts(path.read_text(encoding="utf-8"))
        if CLAIMS.search(text)
    ]


def texts(source: str) -> Iterator[tuple[str, str]]:
    """(condition, text) of every sentence, or part of one between two conditions."""
    joined, blocks = _joined(source)
    open_ifs: list[str] = []
    for line in _without_tags(joined).split("\n"):
        place = 0
        for mark in [*_MARK.finditer(line), None]:
            piece = line[place : mark.start() if mark else None]
            for text in re.split(r"(?<=[.!?;]) ", " ".join(piece.split())):
                if re.search(r"[A-Za-z]{2}", text):
                    yield " and ".join(open_ifs), text
            if mark is None:
                break
            place = mark.end()
            _step(open_ifs, blocks[int(mark.group()[1:-1])])


def _joined(source: str) -> tuple[str, list[str]]:
    """The source with `…` for values and a mark for each statement, and the statements."""
    said, blocks, inside = "", [], ""
    for _, kind, value in Environment().lex(source):
        if kind == "data" and not inside:
            said += value
        elif kind in ("variable_begin", "block_begin", "comment_begin"):
            inside = " "
        elif kind == "variable_end":
            said, inside = f"{said}…", ""
        elif kind == "block_end":
            blocks.append(" ".join(inside.split()))
            said, inside = f"{said}\x01{len(blocks) - 1}\x02", ""
        elif kind == "comment_end":
            inside = ""
        else:
            inside += value
    return said, blocks


def _without_tags(text: str) -> str:
    """Drop tags but keep what they say aloud, and the statements within them, in their order."""

    def kept(tag: re.Match[str]) -> str:
        aloud = "\n".join(_SAID.findall(tag.group()))
        spoken = set(_MARK.findall(aloud))
        return f"\n{aloud}" + "".join(m for m in _MARK.findall(tag.group()) if m not in spoken)

    text = _SCRIPT.sub("", text)
    text = _INLINE.sub(lambda tag: kept(tag).strip("\n") if "\x01" in tag.group() else "", text)
    return _TAG.sub(lambda tag: kept(tag) + "\n", text)


def _step(open_ifs: list[str], statement: str) -> None:
    """Follow one statement into or out of conditions."""
    word, _, rest = statement.partition(" ")
    if word == "if":
        open_ifs.append(rest)
    elif word in ("elif", "else"):
        before = open_ifs.pop()
        open_ifs.append(rest if word == "elif" else f"not ({before})")
    elif word == "endif":
        open_ifs.pop()
