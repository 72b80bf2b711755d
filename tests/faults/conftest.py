"""Small studies to break or to harm, and how two studies are found to be the same."""

from __future__ import annotations

import filecmp
import importlib
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w
import torch
import xarray as xr

from aisthesis import Alignment
from aisthesis.cli.main import main
from aisthesis.miniature import render_study

_STUDY = """\
images = "p/images"
ratings = "p/ratings.csv"
out = "study"
bootstrap = 20
inference_images = 4
device = "cpu"
backbones = [{name = "miniature:vgg16", input_px = 96}]

[fit]
epochs = 4
"""


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Sums depend on the number of threads in their last digits."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def children():
    """Processes that start at once: a clean server has imported everything for them."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(here)
        patch.setenv("PYTHONPATH", path)
        patch.setenv("OMP_NUM_THREADS", "1")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["warm"])
        context.warm = importlib.import_module("warm")
        multiprocessing.forkserver.ensure_running()
        yield context


@pytest.fixture(scope="session")
def broken_planted(tmp_path_factory):
    return render_study(tmp_path_factory.mktemp("faults") / "p", 24, seed=5)


@pytest.fixture(scope="session")
def study_keys(broken_planted):
    """Keys of a small study that writes to a folder."""

    def keys(out):
        return {
            "images": broken_planted.images,
            "ratings": broken_planted.ratings,
            "out": out,
            "backbones": [{"name": "miniature:vgg16", "input_px": 96}],
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
    """Compare tables of two studies to the byte, arrays to the bit (or within a tolerance)."""

    def compare(one, other, tolerance: float = 0.0) -> None:
        tables = sorted(path.name for path in one.glob("*.csv"))
        assert {"agreement.csv", "alignment.csv"} & set(tables)
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


@pytest.fixture(scope="session")
def finished_alignment(finished, tmp_path_factory) -> Path:
    """A folder with a finished `study` of similarity judgments."""
    root = tmp_path_factory.mktemp("aligned")
    images = sorted(path.name for path in (finished / "p/images").iterdir())
    shutil.copytree(finished / "p", root / "p")
    points = np.random.default_rng(0).normal(size=(len(images), 3))
    apart = np.linalg.norm(points[:, None] - points, axis=-1)
    np.savez(root / "judged.npz", dissimilarity=apart[None], images=np.array(images))
    keys = {
        "images": "p/images", "judgments": "judged.npz", "out": "study", "device": "cpu",
        "kind": "dissimilarity", "folds": 2, "repeats": 1,
        "backbones": [{"name": "miniature:vgg16", "input_px": 96}],
    }  # fmt: skip
    (root / "study.toml").write_text(tomli_w.dumps(keys), encoding="utf-8")
    assert main(["align", str(root / "study.toml")]) == 0
    return root


@pytest.fixture(params=["ratings", "similarities"])
def whole(request) -> Path:
    """A finished study's folder of each kind, to be looked at only."""
    name = "finished" if request.param == "ratings" else "finished_alignment"
    return request.getfixturevalue(name) / "study"


@pytest.fixture
def unreported(monkeypatch) -> None:
    """Make no reports: `align` always does, and they take seconds."""
    monkeypatch.setattr(Alignment, "report", lambda study: study.folder.report)


@pytest.fixture
def folder(whole, tmp_path) -> Path:
    """A copy of that folder; what else there is lies beside it."""
    root = shutil.copytree(whole.parent, tmp_path / "root")
    beside = root / "beside"
    (beside / "folder").mkdir(parents=True)
    for place in (beside / "photograph.png", beside / "folder/00000.jpg", beside / "folder/c"):
        place.write_bytes(b"mine")
    return root / "study"
