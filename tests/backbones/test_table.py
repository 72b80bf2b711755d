from __future__ import annotations

from pathlib import Path

from aisthesis.backbones import KNOWN, backbone_rows, backbone_table


def test_a_row_for_each_of_the_seven(hub: Path) -> None:
    rows = backbone_rows()
    assert [row.name for row in rows] == list(KNOWN)
    assert {row.weights_path for row in rows} == {None}
    row = rows[2]
    assert (row.layer, row.map_shape, row.input_px) == ("layer4.2.conv3", (2048, 7, 7), 224)
    assert "features.7.2.conv3" in row.note


def test_files_on_this_disk_are_found(tmp_path: Path, hub: Path) -> None:
    (hub / "vgg16-397923af.pth").touch()
    (tmp_path / "resnet50.pth").touch()
    paths = {row.name: row.weights_path for row in backbone_rows(tmp_path)}
    assert paths.pop("vgg16") == hub / "vgg16-397923af.pth"
    assert paths.pop("barlow_twins") == tmp_path / "resnet50.pth"
    assert set(paths.values()) == {None}


def test_the_printed_table_holds_what_is_asked_of_it(hub: Path) -> None:
    (hub / "vgg16-397923af.pth").touch()
    table = backbone_table().set_index("name")
    assert list(table.index) == list(KNOWN)
    assert table.loc["vgg16", "map shape"] == "512 × 14 × 14"
    assert table.loc["vgg16", "on this disk"] == str(hub / "vgg16-397923af.pth")
    assert table.loc["vgg19", "on this disk"] == "no"
    assert table.loc["inception_v3", "layer"] == "none: prediction only"
    assert table.loc["resnet152", "parameters"] == 58_143_808
