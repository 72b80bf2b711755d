"""Write docs/judgments.md: layouts of human judgments, each a tiny table that is read here."""

from __future__ import annotations

import json
import runpy
import tempfile
from pathlib import Path
from typing import Any

from aisthesis.errors import RequestError
from aisthesis.judgments.ratings.layout import KINDS
from aisthesis.judgments.ratings.understood import lines_on_similarities

TOOLS = Path(__file__).resolve().parent
PAGE = TOOLS.parent / "docs" / "judgments.md"


def _cases(file: str) -> dict[str, Any]:
    return runpy.run_path(str(TOOLS / file), run_name="cases")


CASES, REFUSED = (_cases("judgment_cases.py")[name] for name in ("CASES", "REFUSED"))
PAIR_CASES = _cases("pair_cases.py")["PAIR_CASES"]

INTRODUCTION = """\
# Judgments that can be read

`aisthesis check TABLE --images DIR` says what is understood of a table: its layout, raters, range,
what is missing, the noise ceiling. A run says the same in its first lines. What is found out can be
said instead, by one key under `[columns]` (or `--column KEY=VALUE`):

| key | default | meaning |
|---|---|---|
| `image`, `rating`, `rater` | themselves | names of the columns |
| `layout` | `"auto"` | LAYOUTS |
| `reader` | | a function of your own that reads the file, `"module:function"`: see [how-to](howto-reader.md) |
| `raters` | | columns of single raters, `["r1", "r2"]`; or `"anonymous"`: each row is another person's |
| `votes`, `scale` | | columns of numbers of votes, and what each stands for |
| `names` | | names of the columns by position, where the file has no header; also `columns = ["image", "rating"]` |
| `where` | | only rows with these values: `where = {trial_type = "rating"}`, or one of several in a list |
| `retests` | `"auto"` | `"mean"`: an image rated twice by one rater is averaged; `"auto"` takes one or two such pairs for a mistake |
| `match` | `"auto"` | `"exact"`: names are taken as they are |

Beside `[columns]`: `ratings` may be a list of files, or a folder of them, and `image_list` names the
images of arrays that carry no names. Workbooks, SPSS, Parquet and MATLAB 7.3 need `pip install
aisthesis[tables]`; of a workbook the first sheet is read.

- The **noise ceiling** from votes is 1 minus the mean squared standard error over the variance of
  the means. On the rocks of Nosofsky et al. (360 images, 20 raters) it is R = .983 and .961 where
  single raters give .985 and .964: votes cannot tell a lenient rater from a good image.
- **Votes** beside a column of ratings are used where that column is their mean, but for rounding; else
  they are left aside, and that is said.
- **Choices** between two images are scaled by Bradley-Terry (choix): ratings are log odds, with
  standard errors; ties count half; the ceiling compares halves of the raters, or of the choices
  where raters are not known, each scaled by itself. Columns: `winner`, `loser`; or `image_a`,
  `image_b` and `choice`; or these with `votes_a` and `votes_b`; each may be named under `[columns]`.
- **Names** are matched with files in other folders, URLs' last part, without extension, in other
  letter case or Unicode form, where one file only can be meant and no other name means it; all
  others are an error that names them.
- **Empty answers** (empty, `n/a`, `NaN`, `-`, `?`) of single raters are left out and counted; a table
  of one rating an image must be complete.

This page is written by `tools/describe_judgments.py`, which reads a tiny table of each layout.

| layout | files | keys | read as | noise ceiling |
|---|---|---|---|---|
"""

PAIRS = """
Judgments of pairs and triplets, for `aisthesis align` ([alignment.md](alignment.md) has the keys):

| layout | files | keys | read as |
|---|---|---|---|
"""

REFUSALS = """
What cannot be told is refused, in one sentence:

| table | sentence |
|---|---|
"""


def as_markdown() -> str:
    """Give the page, with what each table was read as."""
    rows = []
    for case in CASES:
        with tempfile.TemporaryDirectory() as place:
            read = case.read(Path(place))
            files = _listed(Path(place) / "tables")
        ceiling = (
            "no" if read.noise_ceiling is None else f"R = {read.noise_ceiling.reliability:.2f}"
        )
        keys = _keys(case)
        rows.append(f"| {case.title} | {files} | {keys} | {KINDS[read.layout]} | {ceiling} |")
    pairs = []
    for case in PAIR_CASES:
        with tempfile.TemporaryDirectory() as place:
            judged = case.read(Path(place))
            files = _listed(Path(place) / "tables")
        said = lines_on_similarities(judged)[0]
        pairs.append(f"| {case.title} | {files} | {_keys(case)} | {said} |")
    refused = []
    for case in REFUSED:
        with tempfile.TemporaryDirectory() as place:
            sentence = _refusal(case, Path(place))
        refused.append(f"| {case.title} | {sentence} |")
    layouts = "; ".join(f'`"{kind}"`: {what}' for kind, what in KINDS.items())
    page = INTRODUCTION.replace("LAYOUTS", layouts)
    return (
        page
        + "\n".join(rows)
        + "\n"
        + PAIRS
        + "\n".join(pairs)
        + "\n"
        + REFUSALS
        + "\n".join(refused)
        + "\n"
    )


def _listed(folder: Path) -> str:
    names = sorted(one.name for one in folder.iterdir())
    shown = names if len(names) < 3 else [names[0], "..."]
    return ", ".join(f"`{name}`" if name != "..." else name for name in shown)


def _keys(case: Any) -> str:
    return ", ".join(f"`{key} = {_toml(value)}`" for key, value in case.keys.items())


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)


def _refusal(case: Any, folder: Path) -> str:
    try:
        case.read(folder)
    except RequestError as error:
        return str(error).replace(f"{folder}/tables/", "").replace("|", "\\|")
    raise RuntimeError(f"{case.title} is not refused")


if __name__ == "__main__":
    PAGE.write_text(as_markdown(), encoding="utf-8")
