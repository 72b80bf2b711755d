from __future__ import annotations

import hashlib
import http.server
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from aisthesis.backbones import KNOWN, WeightsFile, find_official, hub_folder
from aisthesis.backbones import official as module
from aisthesis.backbones.official import obtain_official
from aisthesis.errors import AisthesisError, RequestError

DATA = b"weights" * 1000
PREFIX = hashlib.sha256(DATA).hexdigest()[:8]


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/broken.pth":  # fewer bytes than announced
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA[:100])
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "net.pth").write_bytes(DATA)
    handler = partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
        thread.join()


def test_the_hub_cache_is_torch_s(hub: Path) -> None:
    assert hub_folder() == hub


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"XDG_CACHE_HOME": "/x"},
        {"TORCH_HOME": "~/t"},
        {"TORCH_HOME": "t", "XDG_CACHE_HOME": "/x"},
    ],
)
def test_the_hub_cache_is_found_without_torch(variables, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asked = hub_folder()
    monkeypatch.delitem(sys.modules, "torch.hub")
    assert hub_folder() == asked


def test_a_download_lands_whole_in_the_hub_cache(server: str, hub: Path) -> None:
    path = obtain_official(WeightsFile(f"{server}/net.pth", "net.pth", PREFIX))
    assert path == hub / "net.pth"
    assert path.read_bytes() == DATA
    assert list(hub.iterdir()) == [path]


def test_nothing_is_downloaded_twice(hub: Path) -> None:
    (hub / "net.pth").write_bytes(DATA)
    unreachable = WeightsFile("http://127.0.0.1:9/net.pth", "net.pth", PREFIX)
    assert obtain_official(unreachable) == hub / "net.pth"


def test_a_wrong_hash_leaves_nothing_behind(server: str, hub: Path) -> None:
    with pytest.raises(AisthesisError, match="should begin with 00000000"):
        obtain_official(WeightsFile(f"{server}/net.pth", "net.pth", "00000000"))
    assert list(hub.iterdir()) == []


def test_a_broken_connection_leaves_nothing_behind(server: str, hub: Path) -> None:
    with pytest.raises(AisthesisError, match="broke off after 100 of 7000 bytes"):
        obtain_official(WeightsFile(f"{server}/broken.pth", "broken.pth"))
    assert list(hub.iterdir()) == []


def test_a_missing_page_says_so(server: str, hub: Path) -> None:
    with pytest.raises(AisthesisError, match="the server answered 404"):
        obtain_official(WeightsFile(f"{server}/gone.pth", "gone.pth"))


def test_without_a_network_the_message_says_what_to_do(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(request: urllib.request.Request, timeout: float) -> None:
        asked.append(request.full_url)
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(module.urllib.request, "urlopen", refuse)
    for known in KNOWN.values():
        with pytest.raises(AisthesisError) as caught:
            obtain_official(known.weights)
        message = str(caught.value)
        assert asked.pop() == known.weights.url
        for part in [
            known.weights.file_name,
            known.weights.url,
            "weights_dir",
            str(hub / known.weights.name_in_cache),
            "Name or service not known",
        ]:
            assert part in message
        assert "\n" not in message
    assert list(hub.iterdir()) == []


def test_weights_dir_comes_before_the_cache(tmp_path: Path, hub: Path) -> None:
    file = WeightsFile("http://127.0.0.1:9/resnet50.pth", "resnet50.pth", cache_name="barlow.pth")
    assert find_official(file, tmp_path) is None
    (hub / "resnet50.pth").write_bytes(DATA)  # another network's, of the same name
    assert find_official(file) is None
    (hub / "barlow.pth").write_bytes(DATA)
    assert find_official(file, tmp_path) == hub / "barlow.pth"
    (tmp_path / "resnet50.pth").write_bytes(DATA)
    assert find_official(file, tmp_path) == tmp_path / "resnet50.pth"


def test_weights_dir_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="weights_dir should be a folder"):
        find_official(KNOWN["vgg16"].weights, tmp_path / "nowhere")
