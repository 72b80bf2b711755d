from __future__ import annotations

import copy
import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision.models
from torch import nn

from aisthesis.backbones import tensors_digest
from aisthesis.backbones.state import load_state, read_state
from aisthesis.errors import AisthesisError, RequestError


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, ("the-pickle-ran",))


@pytest.fixture
def other(small_network: nn.Module) -> nn.Module:
    other = copy.deepcopy(small_network)
    with torch.no_grad():
        for tensor in other.parameters():
            tensor.add_(1)
    return other


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_round_trip(
    small_network: nn.Module, other: nn.Module, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(other.state_dict(), path)
    else:
        torch.save(other.state_dict(), path)
    state = read_state(path)
    assert state.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    load_state(small_network, state)
    assert tensors_digest(small_network) == tensors_digest(other)


def test_the_old_pickle_format_is_read(other: nn.Module, tmp_path: Path) -> None:
    torch.save(other.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert set(read_state(tmp_path / "old.pth").tensors) == set(other.state_dict())


def test_a_network_on_the_meta_device_is_filled(
    small_network: nn.Module, other: nn.Module, tmp_path: Path
) -> None:
    torch.save(other.state_dict(), tmp_path / "w.pth")
    load_state(small_network.to("meta"), read_state(tmp_path / "w.pth"))
    assert tensors_digest(small_network) == tensors_digest(other)


def test_half_precision_files_become_the_network_s_type(
    small_network: nn.Module, other: nn.Module, tmp_path: Path
) -> None:
    torch.save(copy.deepcopy(other).half().state_dict(), tmp_path / "w.pth")
    load_state(small_network, read_state(tmp_path / "w.pth"))
    assert {p.dtype for p in small_network.parameters()} == {torch.float32}
    torch.testing.assert_close(small_network.conv1.weight, other.conv1.weight, atol=1e-3, rtol=0)


def test_wrapped_and_parallel_state_dicts(other: nn.Module, tmp_path: Path) -> None:
    parallel = {f"module.{name}": tensor for name, tensor in other.state_dict().items()}
    torch.save({"state_dict": parallel}, tmp_path / "w.pth")
    assert set(read_state(tmp_path / "w.pth").tensors) == set(other.state_dict())


def test_old_densenet_names_are_brought_up_to_date(tmp_path: Path) -> None:
    network = torchvision.models.DenseNet(4, (2, 2), 8, num_classes=5)
    old = {
        name.replace("norm1", "norm.1")
        .replace("conv1", "conv.1")
        .replace("norm2", "norm.2")
        .replace("conv2", "conv.2"): tensor
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, tmp_path / "densenet.pth")
    fresh = torchvision.models.DenseNet(4, (2, 2), 8, num_classes=5)
    load_state(fresh, read_state(tmp_path / "densenet.pth"))
    assert tensors_digest(fresh) == tensors_digest(network)


def test_faults_of_every_kind_are_named_at_once(small_network: nn.Module, tmp_path: Path) -> None:
    state = small_network.state_dict()
    del state["conv1.bias"]
    state["extra.weight"] = torch.zeros(1)
    state["conv2.weight"] = torch.zeros(6, 4, 5, 5)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(RequestError) as caught:
        load_state(small_network, read_state(tmp_path / "w.pth"))
    message = str(caught.value)
    assert "1 missing: conv1.bias" in message
    assert "1 unexpected: extra.weight" in message
    assert "conv2.weight (6, 4, 5, 5) instead of (6, 4, 3, 3)" in message
    assert "\n" not in message


def test_long_lists_are_shortened(small_network: nn.Module, tmp_path: Path) -> None:
    torch.save({f"w{i:02d}": torch.zeros(1) for i in range(25)}, tmp_path / "w.pth")
    with pytest.raises(RequestError, match=r"25 unexpected: w00, .*w09 and 15 more"):
        load_state(small_network, read_state(tmp_path / "w.pth"))


def test_a_failed_load_changes_nothing(small_network: nn.Module, tmp_path: Path) -> None:
    before = tensors_digest(small_network)
    torch.save({"conv1.bias": torch.ones(4)}, tmp_path / "w.pth")
    with pytest.raises(RequestError):
        load_state(small_network, read_state(tmp_path / "w.pth"))
    assert tensors_digest(small_network) == before


def test_only_the_dropped_part_is_passed_over(small_network: nn.Module, tmp_path: Path) -> None:
    state = small_network.state_dict() | {"fc.weight": torch.zeros(2), "fc2.weight": torch.zeros(2)}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(RequestError, match=r"1 unexpected: fc2\.weight"):
        load_state(small_network, read_state(tmp_path / "w.pth"), dropped=("fc",))


def test_a_pickle_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.bias": Bomb()}, tmp_path / "bomb.pth")
    with pytest.raises(RequestError, match="never unpickled"):
        read_state(tmp_path / "bomb.pth")
    assert not (tmp_path / "the-pickle-ran").exists()


def test_a_whole_network_is_refused(small_network: nn.Module, tmp_path: Path) -> None:
    torch.save(small_network, tmp_path / "network.pth")
    with pytest.raises(RequestError, match="save the network's state_dict"):
        read_state(tmp_path / "network.pth")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused_by_name(
    other: nn.Module, tmp_path: Path, suffix: str, share: float
) -> None:
    path = tmp_path / f"cut{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(other.state_dict(), path)
    else:
        torch.save(other.state_dict(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(AisthesisError, match=r"cut\."):
        read_state(path)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_truncated_old_pickle_is_refused_by_name(
    other: nn.Module, tmp_path: Path, share: float
) -> None:
    path = tmp_path / "cut.pth"
    torch.save(other.state_dict(), path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(AisthesisError, match=r"cut\.pth"):
        read_state(path)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ([torch.zeros(2)], "holds a list"),
        ({}, "holds nothing"),
        ({"epoch": 3, "w": torch.zeros(1)}, "no tensors: epoch"),
    ],
)
def test_what_is_no_state_dict_is_refused(tmp_path: Path, held: object, expected: str) -> None:
    torch.save(held, tmp_path / "w.pth")
    with pytest.raises(RequestError, match=expected):
        read_state(tmp_path / "w.pth")


def test_a_wrong_hash_is_an_error(other: nn.Module, tmp_path: Path) -> None:
    torch.save(other.state_dict(), tmp_path / "w.pth")
    with pytest.raises(AisthesisError, match=r"SHA-256 of .*w\.pth should begin with zzzz"):
        read_state(tmp_path / "w.pth", "zzzz")


def test_other_kinds_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"\.safetensors, \.pth or \.pt"):
        read_state(tmp_path / "w.pkl")
    with pytest.raises(RequestError, match="there is no file of weights"):
        read_state(tmp_path / "w.pth")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_network_that_asks_for_the_file_s_format(tmp_path: Path, suffix: str) -> None:
    network = torchvision.models.MNASNet(0.5, num_classes=3)
    path = tmp_path / f"mnasnet{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(network.state_dict(), path)
    else:
        torch.save(network.state_dict(), path)
    fresh = torchvision.models.MNASNet(0.5, num_classes=3)
    load_state(fresh, read_state(path))
    assert tensors_digest(fresh) == tensors_digest(network)
