from __future__ import annotations

import pytest
import torch

from aisthesis.backbones.layouts import MapLayout, layout_of


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 512, 14, 14), MapLayout("channels_first", 512, 14, 14)),
        ((2, 7, 7, 7), MapLayout("channels_first", 7, 7, 7)),
        ((2, 7, 7, 768), MapLayout("channels_last", 768, 7, 7)),
        ((2, 49, 96), MapLayout("tokens", 96, 7, 7)),
        ((2, 197, 768), MapLayout("tokens", 768, 14, 14, 1)),
        ((2, 201, 768), MapLayout("tokens", 768, 14, 14, 5)),
    ],
)
def test_maps_are_recognised(shape: tuple[int, ...], expected: MapLayout) -> None:
    assert layout_of(shape, 2) == expected


@pytest.mark.parametrize(
    "shape",
    [(2, 2048), (2, 2048, 1, 1), (8, 49, 96), (2, 1, 49, 96), (2, 60, 96), (2, 3, 4, 5, 6), (2,)],
)
def test_what_is_no_map_is_not_taken_for_one(shape: tuple[int, ...]) -> None:
    assert layout_of(shape, 2) is None


@pytest.mark.parametrize("shape", [(2, 5, 3, 3), (2, 3, 3, 5), (2, 9, 5), (2, 10, 5)])
def test_a_channel_keeps_its_values_in_the_map(shape: tuple[int, ...]) -> None:
    layout = layout_of(shape, 2)
    assert layout is not None
    output = torch.randn(shape)
    maps = layout.to_map(output)
    assert maps.shape == (2, *layout.shape)
    channel = output.select(layout.channel_axis, 2)
    grid = channel[:, layout.prefix_tokens :] if layout.kind == "tokens" else channel
    assert torch.equal(maps[:, 2].flatten(), grid.flatten())
