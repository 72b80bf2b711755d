"""Official files of weights: found in a folder or in the torch hub cache, or downloaded."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from aisthesis.backbones.weights import WeightsFile
from aisthesis.errors import AisthesisError, RequestError

__all__ = ["find_official", "hub_folder", "obtain_official"]

TIMEOUT_S = 20.0
CHUNK_BYTES = 1 << 20


def hub_folder() -> Path:
    """The torch hub's folder of downloaded weights (`TORCH_HOME` moves it).

    Torch is asked where it is loaded, since a program can name a folder to it; otherwise the
    folder is the one that torch would give, which is found without loading it.
    """
    hub = sys.modules.get("torch.hub")
    if hub is not None:
        return Path(hub.get_dir()) / "checkpoints"
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", str(Path(cache) / "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def find_official(file: WeightsFile, weights_dir: Path | str | None = None) -> Path | None:
    """Where `file` already is: in `weights_dir`, else in the torch hub cache, else None.

    Raises
    ------
    RequestError
        If `weights_dir` is given and is no folder.
    """
    candidates = [hub_folder() / file.name_in_cache]
    if weights_dir is not None:
        folder = Path(weights_dir)
        if not folder.is_dir():
            raise RequestError(f"weights_dir should be a folder, but there is none at {folder}")
        names = dict.fromkeys([file.name_in_cache, file.file_name])
        candidates = [*(folder / name for name in names), *candidates]
    return next((path for path in candidates if path.is_file()), None)


def obtain_official(file: WeightsFile, weights_dir: Path | str | None = None) -> Path:
    """Give the path of an official file, downloading it into the torch hub cache if need be.

    Parameters
    ----------
    file : WeightsFile
        What is wanted.
    weights_dir : path, optional
        A folder of already downloaded files, looked at first.

    Returns
    -------
    pathlib.Path
        A whole file. The hash of a downloaded one has been checked; whoever reads it checks again.

    Raises
    ------
    AisthesisError
        If it is nowhere on this disk and cannot be downloaded; the message says which file is
        wanted, from where, and how to give it locally.
    """
    found = find_official(file, weights_dir)
    return found if found is not None else _download(file, hub_folder() / file.name_in_cache)


def _download(file: WeightsFile, target: Path) -> Path:
    partial: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f"{target.name}.", suffix=".part")
        partial = Path(name)
        with os.fdopen(handle, "wb") as sink:
            sha256 = _copy(file, sink)
        if not sha256.startswith(file.sha256_prefix):
            raise AisthesisError(
                f"the download of {file.url} is damaged: its SHA-256 should begin with "
                f"{file.sha256_prefix}, but it begins with {sha256[: len(file.sha256_prefix)]}; "
                "try again"
            )
        partial.replace(target)
    except urllib.error.HTTPError as error:
        raise AisthesisError(_how_to_give(file, f"the server answered {error.code}")) from error
    except OSError as error:  # urllib's URLError and timeouts are OSErrors too
        reason = getattr(error, "reason", None) or error
        raise AisthesisError(_how_to_give(file, str(reason))) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    return target


def _copy(file: WeightsFile, sink: IO[bytes]) -> str:
    request = urllib.request.Request(file.url, headers={"User-Agent": "aisthesis"})
    digest = hashlib.sha256()
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bar = Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (console.is_terminal and sys.stderr.isatty()),
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as source, bar:
        length = source.headers.get("Content-Length")
        task = bar.add_task(file.file_name, total=int(length) if length else None)
        received = 0
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            sink.write(chunk)
            received += len(chunk)
            bar.update(task, completed=received)
    if length is not None and received != int(length):
        raise OSError(f"the connection broke off after {received} of {length} bytes")
    return digest.hexdigest()


def _how_to_give(file: WeightsFile, reason: str) -> str:
    return (
        f"the weights {file.file_name} are not on this disk and could not be downloaded from "
        f"{file.url} ({reason}); fetch the file elsewhere and put it into a folder given as "
        f"weights_dir, or at {hub_folder() / file.name_in_cache}; "
        'weights="random" tries things out without it'
    )
