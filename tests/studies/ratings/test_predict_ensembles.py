"""A study with ensembles predicts new images with them too."""

from __future__ import annotations

import numpy as np
import pandas as pd
from PIL import Image

import aisthesis as ais


def test_predict_writes_the_ensembles_rows(tmp_path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = ["image,rating"]
    for i in range(30):
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
        rows.append(f"{i}.png,{i + rng.random():.3f}")
    (tmp_path / "ratings.csv").write_text("\n".join(rows))
    study = ais.Study(
        images=str(tmp_path / "images"),
        ratings=str(tmp_path / "ratings.csv"),
        out=str(tmp_path / "study"),
        backbones=[{"name": "miniature:vgg16"}, {"name": "miniature:vgg19"}],
        seeds=2,
        bootstrap=0,
        ensemble=True,
        fit={"epochs": 2},
    ).run(until="fit")
    found = study.predict(tmp_path / "images").set_index(["backbone", "seed", "image"])
    assert {"ensemble", "ensemble_stacking"} < set(found.index.get_level_values("backbone"))
    known = pd.read_csv(study.folder.predictions, dtype={"seed": str})
    known = known.set_index(["backbone", "seed", "image"])["prediction"].rename("known")
    both = found.join(known, how="inner")
    assert len(both) == len(known)
    np.testing.assert_allclose(both["prediction"], both["known"], atol=1e-3)
    mean = found["prediction"].unstack("backbone")
    members = mean[["miniature:vgg16", "miniature:vgg19"]].mean(axis=1)
    np.testing.assert_allclose(mean["ensemble"], members)
