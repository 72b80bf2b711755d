"""Hostile weights: safetensors that lie, pickles with code in them."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

import aisthesis as ais
from aisthesis.backbones.state import load_state, read_state
from aisthesis.heads import MLPHead, load_head

from .harness import Kind, mangled

_LIES = "refused; a header is believed only as far as the file goes"


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def _state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: tensor.clone() for name, tensor in _network().state_dict().items()}


def _into_network(path: Path) -> None:
    network = _network()
    load_state(network, read_state(path))
    with torch.no_grad():
        assert torch.isfinite(network.eval()(torch.ones(1, 3, 8, 8))).all()


def _head(path: Path) -> None:
    head, _ = load_head(path)
    assert torch.isfinite(head(torch.ones(1, head.hidden.in_features))).all()


def _miniature(path: Path) -> None:
    ais.backbone("miniature:vgg16", weights=str(path))


def _file(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _lying() -> list[bytes]:
    whole = _file({}, b"")
    bias = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    contents = [_file({}, b"", n) for n in (2**63, 2**64 - 1, 2**63 - 1, 10**9, 10**8, 3, 1, 0)]
    offsets = [[0, 2**63], [16, 0], [-16, 0], [0, 15], [0, 17], [8, 24], [0, 2**64], [0.5, 16], []]
    contents += [_file({"0.bias": {**bias, "data_offsets": o}}, bytes(16)) for o in offsets]
    shapes = [[-4], [2**63], [2**32, 2**32], [4.5], [[4]], None, "4", [0], [2**62, 8], [4] * 2000]
    contents += [_file({"0.bias": {**bias, "shape": s}}, bytes(16)) for s in shapes]
    for dtype in ("F31", "f32", "", None, 32, "BOOL", "I64", "F8_E4M3", "C64", "../x"):
        contents.append(_file({"0.bias": {**bias, "dtype": dtype}}, bytes(16)))
    twice = json.dumps({"0.bias": bias})[:-1] + ', "0.bias": ' + json.dumps(bias) + "}"
    overlap = {"0.bias": bias, "1.bias": {**bias, "data_offsets": [8, 24]}}
    hole = {"0.bias": bias, "1.bias": {**bias, "data_offsets": [32, 48]}}
    contents += [
        _file(twice.encode(), bytes(16)),
        _file(overlap, bytes(24)),
        _file(hole, bytes(48)),
    ]
    contents += [_file(b"[" * 100_000), _file(b"{" * 100_000), _file(b'{"a":' * 50_000), b"", b"\0"]
    contents += [
        _file(b"\xff\xfe{}"),
        _file([]),
        _file("x"),
        _file(7),
        _file({"": bias}, bytes(16)),
    ]
    contents += [_file({"__metadata__": 3}), _file({"__metadata__": {"a": {}}}), whole, bytes(7)]
    contents += [_file({"a": {}}), _file({"a": None}), _file({"a" * 10**6: bias}, bytes(16))]
    contents += [_file({"0.bias\x1b[2J\n": bias}, bytes(16)), _file({"\u202e": bias}, bytes(16))]
    return contents


def _put(folder: Path, contents: list[bytes], ending: str = ".safetensors") -> list[Path]:
    paths = [folder / f"{number:04d}{ending}" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def _write_mangled(folder: Path) -> list[Path]:
    """Only the header: what a bit in the data means, nobody can tell."""
    rng = np.random.default_rng(21)
    whole = safetensors.torch.save(_state())
    end = 8 + struct.unpack("<Q", whole[:8])[0]
    return _put(folder, [mangled(whole[:end], rng) + whole[end:] for _ in range(100)])


def _write_heads(folder: Path) -> list[Path]:
    rng = np.random.default_rng(22)
    state = dict(MLPHead(6, 3).state_dict())
    whole = safetensors.torch.save(state)
    end = 8 + struct.unpack("<Q", whole[:8])[0]
    contents = [mangled(whole[:end], rng) + whole[end:] for _ in range(36)]
    contents += [
        safetensors.torch.save({**state, name: torch.full_like(state[name], float(value))})
        for name in ("hidden.weight", "embedding_sd", "rating_mean", "output.bias")
        for value in ("nan", "inf")
    ]
    contents += [safetensors.torch.save({**state, "hidden.weight": torch.zeros(18)})]
    contents += [safetensors.torch.save({**state, "embedding_sd": torch.zeros(6)})]
    return _put(folder, contents)


def _write_not_finite(folder: Path) -> list[Path]:
    state = _state()
    contents = []
    for name in ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"):
        for value in ("nan", "inf", "-inf"):
            spoilt = state[name].clone()
            spoilt.view(-1)[-1] = float(value)
            contents.append(safetensors.torch.save({**state, name: spoilt}))
    return _put(folder, contents)


class _Runs:
    """Unpickled, it creates a file: the proof that code ran."""

    def __init__(self, target: Path) -> None:
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._target), "w"))


def _zipped(pickled: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    return sink.getvalue()


def _write_code(folder: Path) -> list[Path]:
    target = folder.parent / "beside" / "the-code-ran"
    runs = _Runs(target)
    pickled = [
        pickle.dumps(value, protocol=protocol)
        for value in (runs, {"a": runs}, [runs], OrderedDict(state_dict=runs), ({"w": runs},))
        for protocol in (0, 1, 2, 4, 5)
    ]
    pickled += [b"cos\nsystem\n(S'true'\ntR.", b"c__builtin__\neval\n(S'1'\ntR."]
    contents = [*pickled, *(_zipped(data) for data in pickled)]
    whole = io.BytesIO()
    torch.save(_network(), whole)  # a whole module, which only a pickle can hold
    mixed = io.BytesIO()
    torch.save({"a": runs, **_state()}, mixed)
    contents.append(mixed.getvalue())
    return _put(folder, [*contents, whole.getvalue()], ".pth")


def _write_pth(folder: Path) -> list[Path]:
    rng = np.random.default_rng(23)
    sink = io.BytesIO()
    torch.save(_state(), sink)
    whole = sink.getvalue()
    end = whole.index(b"data/0")
    contents = [mangled(whole[:end], rng) + whole[end:] for _ in range(40)]
    state = _state()
    odd: list[Any] = [
        {1: torch.ones(1)},
        {None: torch.ones(1)},
        {},
        [],
        3,
        "x",
        None,
        torch.ones(3),
    ]
    odd += [{"a": 1}, {"state_dict": {}}, {"model": {"state_dict": 3}}, {("a",): torch.ones(1)}]
    odd += [{**state, "0.bias": torch.ones(4, dtype=torch.complex64)}]
    odd += [{**state, "0.bias": torch.ones(4).to_sparse()}]
    odd += [{**state, "0.bias": torch.ones(1).expand(10**6, 10**6)}]
    odd += [{**state, "0.bias": torch.empty(4, device="meta")}]
    for value in odd:
        sink = io.BytesIO()
        torch.save(value, sink)
        contents.append(sink.getvalue())
    return _put(folder, contents, ".pth")


KINDS = [
    Kind("safetensors whose header lies", len(_lying()), _LIES,
         lambda folder: _put(folder, _lying()), _into_network, expected="refused"),
    Kind("safetensors, mangled", 100, "refused, or read where the damage changes nothing",
         _write_mangled, _into_network),
    Kind("weights of a miniature that lie", len(_lying()), _LIES,
         lambda folder: _put(folder, _lying()), _miniature, expected="refused"),
    Kind("fitted heads, mangled or not finite", 46, "refused; the study is to be fitted again",
         _write_heads, _head),
    Kind("weights with NaN or infinity in them", 18, "refused, naming the tensors",
         _write_not_finite, _into_network, expected="refused"),
    Kind("pickles with code in them", 56, "refused; nothing in them runs", _write_code,
         read_state, expected="refused"),
    Kind("PyTorch files, mangled or holding something else", 56, "refused, or read where the "
         "damage changes nothing", _write_pth, _into_network),
]  # fmt: skip
