"""Small studies to break or to harm, and how two studies are found to be the same."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w
import torch
import xarray as xr

from aisthesis.cli import main
from aisthesis.miniature import render_study

_STUDY = """\
images = "p/images"
ratings = "p/ratings.csv"
out = "study"
bootstrap = 20
inference_images = 4
device = "cpu"
backbones = [{name = "miniature:vgg16"}]

[fit]
epochs = 4
"""


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Sums depend on the number of threads in their last digits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def broken_planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("faults") / "p", 40, seed=5)


@pytest.fixture(scope="session")
def study_keys(broken_planted):
    """Keys of a small study that writes to a folder."""

    def keys(out):
        return {
            "images": broken_planted.images,
            "ratings": broken_planted.ratings,
            "out": out,
            "backbones": ["miniature:vgg16"],
            "explain": "all",
            "seeds": 2,
            "bootstrap": 20,
            "fit": {"epochs": 30, "learning_rate": 1e-3},
            "device": "cpu",
        }

    return keys


@pytest.fixture
def study_file(study_keys, tmp_path):
    """Write that study as a file."""

    def write(out):
        keys = study_keys(out)
        plain = {k: str(v) if k in ("images", "ratings", "out") else v for k, v in keys.items()}
        plain["backbones"] = [{"name": name} for name in keys["backbones"]]
        file = tmp_path / f"{out.name}.toml"
        file.write_text(tomli_w.dumps(plain))
        return file

    return write


@pytest.fixture(scope="session")
def same_study():
    """Compare two studies' tables to the byte and arrays to the bit (or within a tolerance)."""

    def compare(one, other, tolerance: float = 0.0) -> None:
        tables = sorted(path.name for path in one.glob("*.csv"))
        assert "agreement.csv" in tables
        assert tables == sorted(path.name for path in other.glob("*.csv"))
        for name in tables:
            if tolerance == 0:
                assert filecmp.cmp(one / name, other / name, shallow=False), name
            else:
                a, b = pd.read_csv(one / name), pd.read_csv(other / name)
                pd.testing.assert_frame_equal(a, b, atol=tolerance, rtol=tolerance)
        for group in sorted((one / "maps.zarr").glob("*/zarr.json")):
            name = group.parent.name
            with (
                xr.open_zarr(one / "maps.zarr" / name, consolidated=False) as a,
                xr.open_zarr(other / "maps.zarr" / name, consolidated=False) as b,
            ):
                assert set(a.variables) == set(b.variables)
                for variable in a.data_vars:
                    left, right = a[variable].values, b[variable].values
                    if tolerance == 0:
                        np.testing.assert_array_equal(left, right)
                    else:
                        np.testing.assert_allclose(left, right, atol=1e-3, rtol=1e-2)

    return compare


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A folder with `p` (images and ratings), `study.toml` and the `study` folder it makes."""
    root = tmp_path_factory.mktemp("finished")
    planted = render_study(root / "p", 16, seed=3, size_px=96)
    assert planted.images == root / "p/images"
    (root / "study.toml").write_text(_STUDY, encoding="utf-8")
    assert main(["report", str(root / "study.toml")]) == 0
    return root


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    """A copy to be damaged, with its own images, ratings and study file."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))
