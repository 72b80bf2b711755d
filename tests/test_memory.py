"""Memory that runs out: smaller pieces first, then one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import aisthesis as ais
from aisthesis.ablation.plan import ablation_plan
from aisthesis.cli.main import main
from aisthesis.heads.embeddings import embedded
from aisthesis.memory import (
    OutOfMemoryError,
    give_memory_back,
    in_halves,
    is_out_of_memory,
    plain_memory_errors,
)
from aisthesis.miniature import render_study

ERRORS = [
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((10, 10), np.dtype(float)),  # type: ignore[attr-defined]
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
        "you tried to allocate 4000000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_smaller_pieces_are_tried_down_to_one_image(error) -> None:
    def work(most: int, some: slice) -> list[int]:
        if some.stop - some.start > most:
            raise error
        return list(range(some.start, some.stop))

    for most in (8, 7, 4, 3, 2, 1):
        parts = in_halves(7, lambda some, most=most: work(most, some), "making maps")
        assert [number for part in parts for number in part] == list(range(7))
    with pytest.raises(OutOfMemoryError, match=r"making maps: memory .* \(tried 7, 3, 1\)") as told:
        in_halves(7, lambda some: work(0, some), "making maps")
    assert "`batch_size`" in str(told.value)
    assert "\n" not in str(told.value)
    assert is_out_of_memory(error)
    with (
        pytest.raises(OutOfMemoryError, match="agree: memory ran out"),
        plain_memory_errors("agree"),
    ):
        raise error


def test_what_was_asked_for_is_said() -> None:
    with pytest.raises(OutOfMemoryError, match=r"\(2.00 GiB more were asked for\)"):
        in_halves(1, lambda some: throw(ERRORS[2]), "x")
    with pytest.raises(OutOfMemoryError, match=r"\(4 GB more were asked for\)"):
        in_halves(1, lambda some: throw(ERRORS[3]), "x")


def throw(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("out of memory")])
def test_other_errors_are_left_alone(error) -> None:
    with pytest.raises(type(error), match=str(error)):
        in_halves(4, lambda some: throw(error), "x")
    assert not is_out_of_memory(error)


class Greedy(torch.nn.Module):
    """A network that has no memory for more than `most` images."""

    def __init__(self, inner: torch.nn.Module, most: int) -> None:
        super().__init__()
        self.inner, self.most = inner, most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if len(x) > self.most:
            raise ERRORS[3]
        out: torch.Tensor = self.inner(x)
        return out


def test_embeddings_are_the_same_in_smaller_pieces() -> None:
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5)).eval()
    pixels = torch.rand(7, 3, 4, 4)
    with torch.no_grad():
        whole = embedded(inner, pixels)
        np.testing.assert_allclose(embedded(Greedy(inner, 2), pixels), whole, atol=1e-6)
        with pytest.raises(OutOfMemoryError, match="computing embeddings"):
            embedded(Greedy(inner, 0), pixels)


def test_a_plan_names_memory_bytes(monkeypatch) -> None:
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 1)
    ).eval()
    plan = ablation_plan(network, "0", (2, 3, 8, 8))
    monkeypatch.setattr(type(plan), "_remove", lambda *rest: throw(MemoryError()))
    with pytest.raises(OutOfMemoryError, match=r"removing channels: .*lower `memory_bytes`"):
        plan(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize("method", ["evidence", "evidence_place", "grad_cam"])
def test_maps_are_the_same_in_smaller_pieces(method, tmp_path) -> None:
    made = render_study(tmp_path / "p", 9, seed=1, size_px=64)
    backbone = ais.backbone("miniature:vgg16", weights="random")
    head = ais.fit(backbone, made.images, {f.name: float(k) for k, f in images(made)})
    whole = ais.explain(backbone, head, made.images, method=method, batch_size=9)
    tried = []
    layer = backbone.trunk.get_submodule(backbone.trunk_layer)

    def refuse(_module, inputs) -> None:
        tried.append(len(inputs[0]))
        if len(inputs[0]) == 9:
            raise ERRORS[2]

    hook = layer.register_forward_pre_hook(refuse)
    parts = ais.explain(backbone, head, made.images, method=method, batch_size=9)
    hook.remove()
    assert {9, 4, 1} <= set(tried)
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-5 * abs(whole.values).max())


def images(made):
    return enumerate(sorted(made.images.iterdir()))


def test_the_command_line_says_it_in_one_line(monkeypatch, capsys) -> None:
    monkeypatch.setattr("aisthesis.cli.main.print_rows", lambda *rest: throw(MemoryError()))
    assert main(["backbones"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: this command: memory ran out; lower `batch_size`")
    assert said.count("\n") == 1


def test_where_memory_cannot_be_given_back_nothing_happens(monkeypatch) -> None:
    give_memory_back()
    monkeypatch.setattr("ctypes.CDLL", lambda _: throw(OSError()))
    give_memory_back()
