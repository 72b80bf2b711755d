"""What of a photograph networks see: whole views in a study, from its file to its report."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

import aisthesis as ais
from aisthesis.config import BackboneConfig
from aisthesis.errors import RequestError
from aisthesis.report.sentences.cautions import cautions
from aisthesis.report.sentences.tables import network_rows
from aisthesis.store.maps_store import open_maps
from aisthesis.studies.ratings.explaining.explain import explain_dependencies
from aisthesis.studies.ratings.explaining.functions import backbone as named
from aisthesis.studies.shared.catalogue import asked_transform
from aisthesis.studies.shared.network import NetworkSpec

VIEWS = ("crop", "squash", "pad")


@pytest.fixture(scope="module")
def wide(planted, tmp_path_factory):
    """The planted images on canvases twice as wide."""
    folder = tmp_path_factory.mktemp("wide")
    for path in sorted(planted.images.glob("*.png"))[:12]:
        with Image.open(path) as picture:
            canvas = Image.new("RGB", (2 * picture.width, picture.height), "grey")
            canvas.paste(picture, (0, 0))
        canvas.save(folder / path.name)
    return folder


@pytest.fixture(scope="module")
def of_views(wide, planted, make_study, tmp_path_factory):
    ratings = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    names = {path.name for path in wide.glob("*.png")}
    lines = planted.ratings.read_text().splitlines()
    ratings.write_text("\n".join([lines[0], *(x for x in lines if x.split(",")[0] in names)]))
    backbones = [{"name": "miniature:vgg16", "label": view, "view": view} for view in VIEWS]
    return make_study(
        tmp_path_factory.mktemp("views") / "s",
        images=wide,
        ratings=ratings,
        backbones=backbones,
        seeds=1,
        fit={"epochs": 2},
    ).run(until="explain")


def test_crop_boxes_and_shares_are_those_of_each_view(of_views):
    records = of_views.folder.provenance()["backbones"]
    for view in VIEWS:
        with open_maps(of_views.folder.maps, view) as stored:
            edges = [stored[f"crop_{e}"].values for e in ("left", "top", "right", "bottom")]
            width, height = stored["width_px"].values, stored["height_px"].values
        left, top, right, bottom = edges
        if view == "squash":
            assert np.allclose([left, top], 0)
            assert np.allclose([right, bottom], [width, height])
        if view == "pad":
            assert np.allclose([left, right], [np.zeros_like(width), width])
            assert np.allclose([top, bottom], [-height / 2, 1.5 * height])
        seen = np.clip(right, 0, width) - np.clip(left, 0, width)
        share = seen * (np.clip(bottom, 0, height) - np.clip(top, 0, height)) / (width * height)
        assert records[view]["view"] == view
        assert records[view]["seen"]["mean"] == pytest.approx(share.mean())
    assert records["crop"]["seen"]["max"] < 0.51


def test_what_lies_beyond_the_crop_moves_the_whole_views_alone(of_views, wide, tmp_path):
    name = sorted(path.name for path in wide.glob("*.png"))[0]
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(wide / name, one / name)
    with Image.open(one / name) as picture:
        changed = np.asarray(picture).copy()
    changed[:, -changed.shape[1] // 5 :] = 255  # outside the central square
    Image.fromarray(changed).save(one / "changed.png")
    for view in VIEWS:
        made = named("miniature:vgg16", view=view)
        a, b = (made.transform(Image.open(one / each)) for each in (name, "changed.png"))
        moved = not torch.equal(a, b)
        assert moved == (view != "crop")


def test_another_view_is_never_given_the_results_of_the_first(of_views):
    keys = {of_views.folder.provenance()["backbones"][view]["fingerprint"] for view in VIEWS}
    assert len(keys) == 3
    table = of_views.predictions.query("seed == '0'").pivot(
        index="image", columns="backbone", values="prediction"
    )
    assert np.abs(table["crop"] - table["squash"]).max() > 0


def test_the_report_says_how_much_each_network_saw(of_views):
    record = of_views.folder.provenance()
    rows = {row.label: row.seen for row in network_rows(record, list(VIEWS))}
    share = record["backbones"]["crop"]["seen"]["mean"]
    assert rows["crop"].startswith(f"{100 * share:.0f}%")
    assert rows["squash"] == "100%, squashed"
    assert rows["pad"] == "100%, with bars"
    found = [one for one in cautions(record, pd.DataFrame(), {}) if "part of" in one.title]
    assert [item.split(":")[0] for item in found[0].items] == ["crop"]


def test_a_changed_view_changes_what_every_stage_depends_on(of_views):
    config, inputs = of_views.config, of_views.inputs
    specs = [NetworkSpec.of(config, asked) for asked in config.backbones]
    parts = [explain_dependencies(config, inputs, spec) for spec in specs]
    assert all(one["transform"] != parts[0]["transform"] for one in parts[1:])
    for name in set(parts[0]) - {"transform"}:
        assert len({one[name] for one in parts}) == 1


def test_an_unknown_view_is_refused_with_the_right_ones():
    with pytest.raises(RequestError, match=r"view.*'crop', 'squash' or 'pad'"):
        ais.backbone("miniature:vgg16", view="stretch")


def test_the_networks_own_view_is_the_default():
    for name in ("miniature:vgg16", "vgg16", "torchvision:resnet18"):
        own, crop = BackboneConfig(name=name), BackboneConfig(name=name, view="crop")
        assert asked_transform(own) == asked_transform(crop)
    timm = pytest.importorskip("timm")
    assert timm
    squashing = "timm:convnext_base.clip_laion2b_augreg_ft_in12k_in1k_384"
    assert asked_transform(BackboneConfig(name=squashing)).view == "squash"
    assert asked_transform(BackboneConfig(name=squashing, view="crop")).view == "crop"


class _Rows(nn.Module):
    """Maps of 8 x 6 cells for images of 64 x 48 px."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 5, 8, 8), nn.ReLU(), nn.Conv2d(5, 7, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x).mean(dim=(2, 3))


def test_a_network_whose_input_is_no_square_is_fitted_and_explained(planted, tmp_path):
    torch.manual_seed(0)
    transform = ais.Transform((64, 48), (64, 48), view="squash")
    made = ais.Backbone(_Rows(), layer="features.0", transform=transform)
    assert made.map_shape == (5, 8, 6)
    assert made.input_size_px == (64, 48)
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(planted.images.glob("*.png"))[:12]:
        shutil.copy(path, few / path.name)
    ratings = {path.name: float(k % 5) for k, path in enumerate(sorted(few.iterdir()))}
    head = ais.fit(made, few, ratings)
    maps = ais.explain(made, head, few, ratings, method="evidence")
    assert maps.shape == (12, 8, 6)
    grid = ais.explain(made, head, few, method="occlusion", options={"occlusion_px": 16})
    assert grid.shape[0] == 12
    assert np.isfinite(grid).all()
