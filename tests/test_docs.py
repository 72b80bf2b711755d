"""Every code block of README and docs runs, and every command that they name is one.

A block that cannot run here has `<!-- not run: WHY -->` on the line before it. The blocks of one
page run one after another in one folder, with small stand-ins for what a reader would have:
`photos`, `new`, `ratings.csv`, `objects`, weights. Networks whose weights are not in the package
are stood in for by its miniatures.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import aisthesis as ais
import aisthesis.report.write
from aisthesis.cli import main as cli
from aisthesis.config import alignment_config, study_config
from aisthesis.miniature import render_study
from aisthesis.report.write import write_report
from aisthesis.studies.shared import expected_cost

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>.+?) -->\n+)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
#: A block that is a file of the reader's own begins with its name.
FILE = re.compile(r"# (my_\w+\.py)\n")
INLINE = re.compile(r"`(aisthesis [a-z]+(?: [^`]*)?)`")
#: What stands in a block, and what stands in for it where there is neither network nor time.
STAND_INS = {
    "vgg19,resnet152": "miniature:vgg19,miniature:resnet152 --metrics cosine",
    'name = "vgg19"': 'name = "miniature:vgg19"\nlabel = "vgg19"',
    'weights = "squeezenet1_0.safetensors"': 'weights = "squeezenet1_0.safetensors"\ninput_px = 64',
    "seeds = 5": "seeds = 1\nbootstrap = 0",
    'out = "objects-study"': 'out = "objects-study"\nrepeats = 1\nsizes = 8',
    '"photos", method="multiscale"': '"new", method="multiscale"',
}
QUICK_FIT = "\n[fit]\nepochs = 2\n"


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    text: str
    why_not: str | None

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text"))
        yield Block(page.name, line, found["kind"], found["text"], found["why"])


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block, without comments; a line that goes on is one."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def stood_in(text: str) -> str:
    for written, small in STAND_INS.items():
        text = text.replace(written, small)
    return text


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a reader would have in the folder."""
    folder = tmp_path_factory.mktemp("reader")
    planted = render_study(folder / "planted", 24, seed=1)
    planted.images.rename(folder / "photos")
    (folder / "new").mkdir()
    for path in sorted((folder / "photos").glob("*.png"))[:3]:
        (folder / "new" / path.name).write_bytes(path.read_bytes())
    for name, path in zip(("one.png", "other.png"), (folder / "new").iterdir(), strict=False):
        (folder / name).write_bytes(path.read_bytes())
    (folder / "ratings.csv").write_bytes(planted.ratings.read_bytes())
    torch.manual_seed(0)
    from torchvision.models import squeezenet1_0

    save_file(squeezenet1_0().state_dict(), folder / "squeezenet1_0.safetensors")
    _objects(folder / "objects")
    return folder


@pytest.fixture(scope="module")
def done() -> list[list[str]]:
    """Commands that have run on some page: the same one is not run again."""
    return []


def _objects(folder: Path) -> None:
    """Sixteen images and two subjects' dissimilarities of them."""
    rng = np.random.default_rng(0)
    (folder / "dissimilarity").mkdir(parents=True)
    planted = render_study(folder / "planted", 16, seed=2)
    planted.images.rename(folder / "images")
    names = sorted(path.name for path in (folder / "images").glob("*.png"))
    for subject in ("one", "two"):
        upper = np.triu(rng.random((16, 16)), 1)
        table = pd.DataFrame(upper + upper.T, index=names, columns=names)
        table.to_csv(folder / "dissimilarity" / f"{subject}.csv")


class Reader:
    """Somebody who does in one folder what a page says."""

    def __init__(self, folder: Path, done: list[list[str]]) -> None:
        self.folder = folder
        self.done = done
        self.names: dict[str, Any] = {"ais": ais, **_networks()}

    def do(self, block: Block) -> None:
        text = stood_in(block.text)
        if block.kind == "python" and (file := FILE.match(text)):
            (self.folder / file[1]).write_text(text, encoding="utf-8")
        elif block.kind == "python":
            exec(compile(text, block.name, "exec"), self.names)
        elif block.kind == "toml":
            self.keep(text)
        elif block.kind == "sh":
            for words in commands(text):
                assert words[0] == "aisthesis", f"{block.name}: what runs `{words[0]}`?"
                if words not in self.done:
                    assert cli.main(words[1:]) == 0, f"{block.name}: {' '.join(words)}"
                    self.done.append(words)
        else:
            pytest.fail(f"{block.name}: a block of {block.kind or 'nothing'} cannot be run")

    def keep(self, text: str) -> None:
        """Write a whole study file; check the keys of a part of one."""
        values = tomllib.loads(text)
        check = alignment_config if "judgments" in values else study_config
        whole = "images" in values
        if not whole:
            values |= {"images": "photos", "ratings": "ratings.csv", "out": "study"}
        check(values, self.folder, "docs")
        if whole:
            more = "" if "judgments" in values else QUICK_FIT
            (self.folder / "study.toml").write_text(text + more, encoding="utf-8")


def _networks() -> dict[str, Any]:
    """A network of the reader's own, and one to remove channels from."""

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [nn.Conv2d(3, 4, 8, 8), *(nn.Conv2d(4, 4, 3, padding=1) for _ in range(5))]
            self.blocks = nn.Sequential(*layers)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.blocks(images)

    class Small(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(*(nn.Identity() for _ in range(28)), nn.Conv2d(3, 4, 3))
            block = nn.Module()
            block.conv3 = nn.Conv2d(4, 5, 3)
            self.layer4 = nn.ModuleList([nn.Identity(), nn.Identity(), block])

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.layer4[2].conv3(self.features(images)).mean((2, 3))

    torch.manual_seed(0)
    return {"network": Own(), "model": Small().eval(), "images": torch.randn(2, 3, 16, 16)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_can_be_done(page: Path, world: Path, done, monkeypatch) -> None:
    monkeypatch.chdir(world)
    monkeypatch.syspath_prepend(world)
    monkeypatch.setattr(aisthesis.report.write.FigureFiles, "begin", lambda *_: None)
    monkeypatch.setattr(aisthesis.report.write, "write_report", _report_of_the_first)
    monkeypatch.setattr(expected_cost, "_measured", _measured_once())
    todo = [block for block in blocks(page) if not block.why_not]
    if not todo:
        pytest.skip("no code that runs here")
    todo = [*_said_before(page), *todo]
    reader = Reader(world, done)
    for block in todo:
        reader.do(block)


def _report_of_the_first(folder: Path, *rest: Any, **options: Any) -> Path:
    """One report of the pages' studies is written; all of them would take longer than the rest."""
    if folder.name == "trial":
        return write_report(folder, *rest, **options)
    (folder / "report.html").write_text("<title>stand-in</title>", encoding="utf-8")
    return folder / "report.html"


def _measured_once() -> Any:
    """A plan measures runs of several sizes; here one of them is run and stands for the others."""
    measured, runs = expected_cost._measured, []

    def run(sample: Any, names: list[str], *rest: Any) -> Any:
        runs[:] = runs or [measured(sample, names, *rest)]
        return replace(runs[0], n=len(names))

    return run


def _said_before(page: Path) -> list[Block]:
    """What other pages take from README: its study file, and a head on a network of one's own."""
    marks = {
        "cluster.md": 'images = "photos"',
        "explainers.md": "ais.Backbone(",
        "alignment.md": "ais.Backbone(",
        "howto-explainer.md": "ais.Backbone(",
    }
    mark = marks.get(page.name)
    return [block for block in blocks(ROOT / "README.md") if mark and mark in block.text]


def test_a_block_that_does_not_run_says_why() -> None:
    skipped = [block for page in PAGES for block in blocks(page) if block.why_not]
    run = [block for page in PAGES for block in blocks(page) if not block.why_not]
    assert all(len(block.why_not.split()) >= 2 for block in skipped)
    assert len(run) > len(skipped)
    fences = sum(page.read_text(encoding="utf-8").count("\n```") for page in PAGES)
    assert fences == 2 * (len(run) + len(skipped))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_named_in_a_sentence_are_those_of_the_command_line(page: Path) -> None:
    for found in INLINE.finditer(page.read_text(encoding="utf-8")):
        words = shlex.split(found[1].replace("\n", " "))
        if len(words) == 2 and words[1] not in ("backbones", "demo"):
            words += ["study"]  # the command alone is named
        if words[1] == "retain" or "=" in words[-1]:
            words = words[:3]
        cli._parser().parse_args(words[1:])
