"""Networks have short names of their own in a page, and the tables keep their labels."""

from __future__ import annotations

import pandas as pd
import pytest

from aisthesis.report import write_report
from aisthesis.report.folder.record import read_study_record
from aisthesis.report.folder.short_names import short_names, with_short_names


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("vgg16", "VGG16"),
        ("torchvision:vgg16_bn", "VGG16-BN"),
        ("efficientnet_b3", "EffNet-B3"),
        ("timm:tf_efficientnet_lite0", "EffNet-Lite0"),
        ("torchvision:squeezenet1_0", "SqueezeNet1.0"),
        ("torchvision:convnext_tiny", "ConvNeXt-T"),
        ("timm:vit_base_patch16_224.augreg_in21k", "ViT-B/16"),
        ("timm:vit_small_patch14_dinov2.lvd142m", "DINOv2-S/14"),
        ("torchvision:mobilenet_v2", "MobileNetV2"),
        ("miniature:resnet152", "mini ResNet152"),
        ("what the user called it", "what the user called it"),
    ],
)
def test_networks_are_called_as_people_call_them(label, name):
    assert short_names([label, "another long label"])[label] == name


def test_names_are_short_only_where_labels_are_long_and_unique():
    assert short_names(["vgg16", "mine"]) == {"vgg16": "vgg16", "mine": "mine"}
    both = ["timm:resnet50", "torchvision:resnet50", "vgg16"]
    assert short_names(both) == dict(zip(both, [*both[:2], "VGG16"], strict=True))


def table_alone(drawings, data, path, columns=1):
    data.to_csv(path.with_name(f"{path.name}.csv"))
    return []


def test_the_page_has_short_names_and_says_the_labels_once(make_study, monkeypatch):
    monkeypatch.setattr("aisthesis.report.charts.figures.save_figure", table_alone)
    labels = ["vgg16", "efficientnet_b3"]
    folder = make_study(labels=labels, n_test=5, n_train=5, seeds=1)
    before = read_study_record(folder)
    record, long_names = with_short_names(before)
    assert long_names == {"VGG16": "vgg16", "EffNet-B3": "efficientnet_b3"}
    assert record.backbones == list(record.maps) == ["VGG16", "EffNet-B3"]
    assert [one.label for one in record.maps.values()] == record.backbones
    assert set(record.agreement["backbone_b"]) == {"EffNet-B3"}
    pairs = before.differences.query("compared == 'pairs'")
    swapped = record.differences.query("compared == 'pairs'")
    for old, new in zip(pairs["first"], swapped["first"], strict=True):
        assert new == old.replace(labels[0], "VGG16").replace(labels[1], "EffNet-B3")
    page = write_report(folder).read_text(encoding="utf-8")
    assert "EffNet-B3" in page
    assert "in the tables: efficientnet_b3" in page
    for file, column in (("predictions", "backbone"), ("agreement_ais_cosine", "backbone_a")):
        named = set(pd.read_csv(folder / "figures" / f"{file}.csv")[column])
        assert named <= set(labels)
    (pair,) = set(pd.read_csv(folder / "figures" / "distribution_ais_cosine.csv")["pair"])
    assert set(pair.split(" – ")) == set(labels)
    estimates = pd.read_csv(folder / "figures" / "report_estimates.csv").to_csv()
    assert "VGG16" not in estimates
