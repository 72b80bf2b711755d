"""What the three how-to pages say, done outside the package in one new file each."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import aisthesis as ais
import aisthesis.report.write
from aisthesis.cli import main as cli
from aisthesis.miniature import render_study

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Small enough to be done in a second.
TINY = """
images = "images"
ratings = "ratings.csv"
out = "study"
bootstrap = 0
[fit]
epochs = 1
[faithfulness]
images = 0
"""
NETWORK = '[[backbones]]\nname = "my_networks:mine:{}"\nlabel = "{}"\nweights = "{}"\n'


def file_of(page: str, folder: Path) -> Path:
    """Write the one file that a page gives."""
    text = next(text for kind, text in BLOCK.findall((DOCS / page).read_text("utf-8"))
                if kind == "python" and text.startswith("# my_"))  # fmt: skip
    path = folder / text.split()[1]
    path.write_text(text, encoding="utf-8")
    return path


def keys_of(page: str) -> str:
    """The keys of the study file that a page names."""
    return next(text for kind, text in BLOCK.findall((DOCS / page).read_text("utf-8"))
                if kind == "toml")  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Path:
    return render_study(tmp_path_factory.mktemp("h") / "p", 10, seed=2, size_px=64).root


@pytest.fixture
def folder(tmp_path, planted, monkeypatch) -> Path:
    """A reader's folder, with the networks of the page on backbones in it."""
    shutil.copytree(planted / "images", tmp_path / "images")
    shutil.copy(planted / "ratings.csv", tmp_path / "ratings.csv")
    file_of("howto-backbone.md", tmp_path)
    monkeypatch.setattr(aisthesis.report.write, "write_report", _no_report)
    _forget()  # the tests of the docs run the same pages in folders of theirs
    yield tmp_path
    _forget()


def _forget() -> None:
    for name in ("my_metric", "my_explainer", "my_networks"):
        sys.modules.pop(name, None)


def _no_report(folder: Path, **_options: object) -> Path:
    (folder / "report.html").write_text("<title>stand-in</title>", encoding="utf-8")
    return folder / "report.html"


def study_file(folder: Path, keys: str, n_networks: int = 1) -> Path:
    networks = [
        NETWORK.format(("narrow", "wide")[i], f"net {i}", "random") for i in range(n_networks)
    ]
    path = folder / "mine.toml"
    path.write_text(keys + TINY + "".join(networks), encoding="utf-8")
    return path


def edited(path: Path, before: str, after: str) -> None:
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def states(folder: Path) -> dict[str, str]:
    table = ais.Study.from_toml(folder / "mine.toml").status()
    return {f"{row.stage}/{row.of}": row.state for row in table.itertuples()}


def test_a_metric_in_one_file(folder) -> None:
    path = file_of("howto-metric.md", folder)
    file = study_file(folder, keys_of("howto-metric.md"), n_networks=2)
    assert cli.main(["run", str(file)]) == 0
    study = ais.Study.from_toml(file)
    before = study.agreement.set_index("metric")["mean"]
    assert set(before.index) == {"cosine", "same_sign"}
    assert before["same_sign"].between(0, 1).all()
    assert before["same_sign"].nunique() > 1
    assert set(study.methods["metric"]) == {"cosine", "same_sign"}
    assert set(states(folder).values()) == {"done"}

    edited(path, ".double().mean(dim=(1, 2))", ".double().mean(dim=(1, 2)) / 2")
    assert {of for of, state in states(folder).items() if state == "stale"} == {
        "agree/all backbones", "methods/all backbones"
    }  # fmt: skip
    study.run()
    now = study.agreement.set_index("metric")["mean"]
    assert (now["same_sign"] - before["same_sign"] / 2).abs().max() < 1e-6
    assert now["cosine"].equals(before["cosine"])


def test_an_explainer_in_one_file(folder) -> None:
    path = file_of("howto-explainer.md", folder)
    file = study_file(folder, keys_of("howto-explainer.md"))
    assert cli.main(["run", str(file)]) == 0
    study = ais.Study.from_toml(file)
    maps = study.maps.by("grey_quarters", "net 0")
    assert maps.shape[1:] == (2, 2)
    assert maps.any()
    assert "grey_quarters" in set(study.methods["method_b"])
    assert set(states(folder).values()) == {"done"}

    edited(path, "intact - subject.model(grey)", "2 * (intact - subject.model(grey))")
    assert states(folder)["explain/net 0 by grey_quarters"] == "stale"
    assert states(folder)["explain/net 0"] == "done"
    study.run()
    assert abs(study.maps.by("grey_quarters", "net 0") - 2 * maps).max() < 1e-5


def test_a_family_of_backbones_in_one_file(folder) -> None:
    file = study_file(folder, "")
    assert cli.main(["run", str(file)]) == 0
    study = ais.Study.from_toml(file)
    assert study.maps["net 0"].sizes["image"] == len(set(study.predictions.query(
        "split == 'test'")["image"]))  # fmt: skip
    assert set(states(folder).values()) == {"done"}
    before = study.predictions

    edited(folder / "my_networks.py", "nn.AdaptiveAvgPool2d(1)", "nn.AdaptiveMaxPool2d(1)")
    found = states(folder)
    assert {found["fit/net 0"], found["explain/net 0"]} == {"stale"}
    study.run()
    assert not study.predictions["prediction"].equals(before["prediction"])


def test_a_folder_s_code_is_not_run_by_opening_it(folder, capsys) -> None:
    path = file_of("howto-metric.md", folder)
    file = study_file(folder, keys_of("howto-metric.md"), n_networks=2)
    ais.Study.from_toml(file).run()
    mark = folder / "ran"
    for each in (path, folder / "my_networks.py"):
        each.write_text(f"open({str(mark)!r}, 'w')\n" + each.read_text("utf-8"), encoding="utf-8")
    for name in ("my_metric", "my_networks"):
        sys.modules.pop(name, None)

    opened = ais.Study.open(folder / "study")
    assert set(opened.status()["state"]) == {"done"}
    opened.run(until="agree", here=True)
    for command in ("status", "report", "explain", "agree"):
        assert cli.main([command, str(folder / "study")]) == 0
    (folder / "study" / "agreement.csv").unlink()
    capsys.readouterr()
    for command in ("report", "agree", "run"):
        named = folder / "study" / ("study.toml" if command == "run" else "")
        assert cli.main([command, str(named)]) == 2
        assert "is not run from a study's folder" in capsys.readouterr().err
    assert not mark.exists()
    assert cli.main(["run", str(file)]) == 0
    assert mark.exists()
