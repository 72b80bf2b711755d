"""State dicts: read from a file without running anything in it, and put into a network."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import struct
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from aisthesis.errors import AisthesisError, RequestError

__all__ = ["StateFile", "load_state", "not_finite", "read_state"]

SUFFIXES = (".safetensors", ".pth", ".pt")
KEYS_SHOWN = 10

# torchvision's DenseNet files were saved when a module's name could hold a dot.
_OLD_DENSENET_KEY = re.compile(
    r"(.*denselayer\d+\.(?:norm|relu|conv))\."
    r"([12]\.(?:weight|bias|running_mean|running_var|num_batches_tracked))"
)
# What torch.load is known to raise on a damaged file.
_UNREADABLE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OSError,
    struct.error,
    AssertionError,
    OverflowError,
    MemoryError,
)
_WRAPPERS = ("state_dict", "model")
_PARALLEL_PREFIX = "module."


@dataclass(frozen=True)
class StateFile:
    """A state dict and the digest of the bytes that it was read from.

    `versions` is what PyTorch writes beside the tensors about each part's format, if anything.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    sha256: str
    versions: Any = None


def read_state(path: Path, sha256_prefix: str = "") -> StateFile:
    """Read a state dict; a pickle is loaded weights-only, so nothing in it can run.

    The file may hold the state dict itself or hold it under `state_dict` or `model`; a `module.`
    that data-parallel training left before every name is dropped, and the names of torchvision's
    old DenseNet files are brought up to date.

    Parameters
    ----------
    path : pathlib.Path
        A `.safetensors`, `.pth` or `.pt` file.
    sha256_prefix : str, optional
        What the SHA-256 of the file must begin with.

    Raises
    ------
    RequestError
        If there is no such file, its kind is another one, or it holds something else.
    AisthesisError
        If the hash differs or the file cannot be read.
    """
    if path.suffix not in SUFFIXES:
        raise RequestError(
            f"weights must be a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} state dict, "
            f"but {path} is none"
        )
    if not path.is_file():
        raise RequestError(f"there is no file of weights at {path}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AisthesisError(f"cannot read the weights {path}: {error}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if not sha256.startswith(sha256_prefix):
        raise AisthesisError(
            f"the SHA-256 of {path} should begin with {sha256_prefix}, but it begins with "
            f"{sha256[: len(sha256_prefix)]}: the file is damaged or another one; "
            "delete it and fetch it again"
        )
    found = _parse(path, data)
    odd = [str(name) for name, value in found.items() if not (_text(name) and _plain(value))]
    if odd:
        raise RequestError(
            f"{path} should hold named tensors of real numbers, but these are not such: "
            f"{_shortened(odd)}"
        )
    return StateFile(path, _modern_names(found), sha256, getattr(found, "_metadata", None))


def load_state(module: nn.Module, state: StateFile, dropped: tuple[str, ...] = ()) -> None:
    """Put a state dict into `module`, which must take every tensor of it.

    Parameters
    ----------
    module : torch.nn.Module
        Changed in place; it may be on the meta device. It keeps its own floating-point type.
    state : StateFile
        What to put in.
    dropped : tuple of str
        Paths of parts that `module` no longer has (its classifier); their tensors are passed over.

    Raises
    ------
    RequestError
        If tensors are missing, unexpected, of another shape or not finite; all kinds are named.
    """
    wanted = module.state_dict()
    # Files older than PyTorch 0.4 do not count batches, and nothing in evaluation reads the count.
    given = {name: torch.tensor(0) for name in wanted if name.endswith("num_batches_tracked")}
    given |= {name: value for name, value in state.tensors.items() if not _under(name, dropped)}
    faults = _faults(wanted, given)
    if faults:
        raise RequestError(
            f"the weights {state.path} do not fit the network ({faults}); "
            "give the state dict of this very network"
        )
    # A plain dict cannot carry `_metadata`, which some parts want to know their format from.
    typed: Any = OrderedDict((name, value.to(wanted[name].dtype)) for name, value in given.items())
    typed._metadata = state.versions or getattr(wanted, "_metadata", None)
    module.load_state_dict(typed, strict=False, assign=True)


def _faults(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    missing = [name for name in wanted if name not in given]
    unexpected = sorted(name for name in given if name not in wanted)
    misshaped = [
        f"{name} {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}"
        for name, tensor in sorted(given.items())
        if name in wanted and tensor.shape != wanted[name].shape
    ]
    spoilt = [] if missing or unexpected or misshaped else not_finite(given)
    kinds = [
        (f"{len(missing)} missing:", missing),
        (f"{len(unexpected)} unexpected:", unexpected),
        (f"{len(misshaped)} of another shape:", misshaped),
        (f"{len(spoilt)} with NaN or infinity:", spoilt),
    ]
    return "; ".join(f"{kind} {_shortened(names)}" for kind, names in kinds if names)


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity: nothing computed with them means anything."""
    return sorted(name for name, tensor in tensors.items() if not torch.isfinite(tensor).all())


def _text(name: object) -> bool:
    return isinstance(name, str)


def _plain(tensor: Tensor) -> bool:
    kind = tensor.layout == torch.strided and not (tensor.is_quantized or tensor.is_complex())
    return kind and tensor.device.type == "cpu"


def _under(name: str, paths: tuple[str, ...]) -> bool:
    return any(name == path or name.startswith(f"{path}.") for path in paths)


def _shortened(names: list[str]) -> str:
    shown = ", ".join(names[:KEYS_SHOWN])
    rest = len(names) - KEYS_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown


def _parse(path: Path, data: bytes) -> Mapping[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load(data)
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RequestError(
            f"{path} is no plain state dict: it is damaged, or it holds Python objects, which are "
            "never unpickled because they can run code; save the network's state_dict() instead"
        ) from error
    except (SafetensorError, *_UNREADABLE) as error:
        raise AisthesisError(f"cannot read the weights {path}: {_one_line(error)}") from error
    return _state_dict_in(path, found)


def _state_dict_in(path: Path, found: object) -> Mapping[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping) or not found:
        raise RequestError(
            f"{path} should hold a state dict (names and tensors), but it holds "
            f"{'nothing' if found == {} else f'a {type(found).__name__}'}"
        )
    others = [str(name) for name, value in found.items() if not isinstance(value, Tensor)]
    if others:
        raise RequestError(
            f"{path} should hold names and tensors only, but these are no tensors: "
            f"{_shortened(others)}"
        )
    return found


def _modern_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if all(name.startswith(_PARALLEL_PREFIX) for name in tensors):
        tensors = {name.removeprefix(_PARALLEL_PREFIX): value for name, value in tensors.items()}
    return {_modern_name(name): tensor for name, tensor in tensors.items()}


def _modern_name(name: str) -> str:
    match = _OLD_DENSENET_KEY.fullmatch(name)
    return match[1] + match[2] if match else name


def _one_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
