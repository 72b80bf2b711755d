from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aisthesis import RequestError

VGG = "miniature:vgg16"


def test_one_image_has_the_maps_of_all_networks(study) -> None:
    name = str(study.maps[VGG]["image"].values[1])
    one = study.image(name, kind="evidence")
    assert list(one.maps) == list(study.maps)
    for label, found in one.maps.items():
        np.testing.assert_array_equal(found, study.maps.by("evidence", label).sel(image=name))
        assert {"crop_left", "crop_bottom", "width_px"} <= set(found.coords)
    mean = study.predictions.query("image == @name and seed == 'mean'").set_index("backbone")
    assert one.predictions[VGG] == pytest.approx(mean.loc[VGG, "prediction"])
    html = one._repr_html_()
    assert html.count("<img") == 3
    assert "rating units × activation" in html
    with pytest.raises(RequestError, match=f"no maps of .*did you mean .*{name}"):
        study.image(name.replace(".", "_."))


def test_overlays_are_written_with_their_limits(study, tmp_path) -> None:
    name = str(study.maps[VGG]["image"].values[0])
    files = study.save_overlays(tmp_path / "o", kind="evidence", images=[name], side_px=64)
    assert len(files) == 2
    assert max(Image.open(files[0]).size) == 64
    limits = pd.read_csv(tmp_path / "o" / "limits.csv").set_index("backbone")
    largest = float(abs(study.maps.by("evidence", VGG).sel(image=name)).max())
    assert largest <= limits.loc[VGG, "limit"] <= 1.1 * largest
    with pytest.raises(RequestError, match="choose a folder outside"):
        study.save_overlays(study.config.images / "o")


def test_reprs_say_what_is_there(study) -> None:
    assert "2 networks" in repr(study)
    assert "done: fit" in repr(study)
    assert "miniature:vgg16: 6 images of 14 × 14, 2 seeds" in repr(study.maps)
    assert "plcc" in study._repr_html_()


def test_ridge_predictions_are_those_of_its_scores(study) -> None:
    rows = study.ridge_predictions.query("backbone == @VGG and seed == '1' and split == 'test'")
    scores = study.scores.query(
        "backbone == @VGG and seed == '1' and split == 'test' and head == 'ridge'"
    )
    plcc = np.corrcoef(rows["rating"], rows["prediction"])[0, 1]
    assert plcc == pytest.approx(scores["plcc"].iloc[0], abs=1e-6)
