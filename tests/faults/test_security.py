"""Nothing is unpickled or evaluated, nothing unasked goes over the network."""

from __future__ import annotations

import ast
import socket
import urllib.request
from pathlib import Path

import pytest

import aisthesis
from aisthesis.cli.main import main
from aisthesis.errors import AisthesisError

SOURCE = Path(aisthesis.__file__).parent
_NEVER_CALLED = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"} | {
    f"{module}.{name}"
    for module, names in {
        "pickle": ("load", "loads", "Unpickler"), "marshal": ("load", "loads"),
        "joblib": ("load",), "dill": ("load", "loads"), "shelve": ("open",),
        "yaml": ("load", "unsafe_load", "full_load"), "pd": ("read_pickle",),
    }.items()
    for name in names
}  # fmt: skip
_ONLY_SOURCE_OF_ADDRESSES = "backbones/official.py"


def unsafe_calls(source: str) -> list[str]:
    """Calls that can run what a file holds, as `line: call`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {key.arg: ast.unparse(key.value) for key in node.keywords}
        unsafe = (
            name in _NEVER_CALLED
            or (name == "torch.load" and given.get("weights_only") != "True")
            or (name in ("np.load", "numpy.load") and given.get("allow_pickle") != "False")
            or given.get("shell", "False") != "False"
            or given.get("allow_pickle", "False") != "False"
            or given.get("trust_remote_code", "False") != "False"
        )
        if unsafe:
            found.append(f"{node.lineno}: {name}")
    return found


def test_no_source_file_can_run_what_a_file_holds():
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 100
    found = {
        str(path.relative_to(SOURCE)): calls
        for path in files
        if (calls := unsafe_calls(path.read_text(encoding="utf-8")))
    }
    # Processes that a run has started itself, through pipes that nobody else has.
    between = found.pop("execution/processes.py")
    assert [call.split(": ")[1] for call in between] == ["pickle.load", "pickle.load"]
    assert not found


@pytest.mark.parametrize(
    "line",
    ["pickle.load(f)", "torch.load(f)", "torch.load(f, weights_only=False)", "np.load(f)",
     "np.load(f, allow_pickle=True)", "yaml.load(f)", "eval(s)", "exec(s)", "run(s, shell=True)",
     "os.system(s)", "__import__(s)", "pd.read_pickle(f)"],
)  # fmt: skip
def test_the_search_finds(line):
    assert unsafe_calls(line)


def test_pickle_is_used_between_own_processes_alone():
    users = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
                users.append((path.name, node.attr))
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("pickle", "marshal", "dill", "cloudpickle", "joblib")
    elsewhere = [user for user in users if user[0] != "processes.py"]
    assert elsewhere == [("state.py", "UnpicklingError")]


def test_addresses_are_opened_in_one_file_only():
    users = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            call = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if call.endswith(("urlopen", "urlretrieve", "_from_url", "create_connection")):
                users.add(path.relative_to(SOURCE).as_posix())
            assert not call.startswith(("requests.", "httpx.", "http.client.", "hf_hub_download"))
    assert users == {_ONLY_SOURCE_OF_ADDRESSES}


@pytest.fixture
def no_network(monkeypatch):
    """Refuse every connection and every look-up of a name, and write down who asked."""
    asked: list[str] = []

    def refuse(*arguments, **_):
        asked.append(repr(arguments[-1:]))
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return asked


def test_a_whole_study_asks_for_no_network(no_network, finished, tmp_path):
    root = tmp_path
    text = (finished / "study.toml").read_text().replace('"p/', f'"{finished}/p/')
    (root / "study.toml").write_text(text)
    for stage in ("fit", "explain", "agree", "report"):
        assert main([stage, str(root / "study.toml")]) == 0
    arguments = ["--images", str(finished / "p/images"), "--out", str(root / "out.csv")]
    assert main(["predict", str(root / "study"), *arguments]) == 0
    assert not no_network


def test_the_block_works(no_network):
    with pytest.raises(OSError, match="no network in this test"):
        urllib.request.urlopen("http://example.org", timeout=1)
    assert no_network


def test_only_official_weights_that_were_asked_for_open_an_address(
    no_network, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    aisthesis.backbone("vgg16", weights="random")
    assert main(["backbones"]) == 0
    assert not no_network
    with pytest.raises(AisthesisError, match="no network in this test"):
        aisthesis.backbone("resnet152", weights="default")
    assert no_network
    assert not list((tmp_path / "hub").rglob("*.pth"))
