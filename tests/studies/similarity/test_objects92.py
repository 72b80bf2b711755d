"""92 objects and eight subjects with SqueezeNet: real judgments, real weights."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from aisthesis import Alignment


@pytest.mark.slow
def test_objects92_with_squeezenet(shared, tmp_path) -> None:
    torchvision = pytest.importorskip("torchvision")
    from PIL import Image

    data, weights = shared / "data" / "objects92", shared / "weights" / "squeezenet1_0.safetensors"
    study = Alignment(
        images=data / "images",
        judgments=data / "dissimilarity",
        backbones=[
            {
                "name": "torchvision:squeezenet1_0",
                "layer": "features.12",
                "weights": str(weights),
                "label": "squeezenet",
            }
        ],
        out=tmp_path / "s",
        device="cpu",
    ).run()
    row = study.agreement.iloc[0]

    # Directly: torchvision's network and transform, NumPy's correlations.
    network = torchvision.models.squeezenet1_0()
    network.load_state_dict(load_file(weights))
    transform = torchvision.models.SqueezeNet1_0_Weights.IMAGENET1K_V1.transforms()
    names = sorted(path.name for path in (data / "images").iterdir())
    x = torch.stack([transform(Image.open(data / "images" / n).convert("RGB")) for n in names])
    with torch.no_grad():
        z = network.eval().features(x).mean((2, 3)).double().numpy()
    human = np.mean(
        [
            pd.read_csv(path, index_col=0).loc[names, names].to_numpy()
            for path in sorted((data / "dissimilarity").iterdir())
        ],
        axis=0,
    )
    upper = np.triu_indices(len(names), 1)

    def agreement(embedding: np.ndarray) -> float:
        return np.corrcoef(np.corrcoef(embedding)[upper], -human[upper])[0, 1]

    assert row["n_subjects"] == 8
    assert row["agreement"] == pytest.approx(agreement(z), abs=0.01)
    order = study.channels.sort_values("rank")["channel"].to_numpy()
    kept = order[: row["n_retained"]]
    assert row["agreement_retained"] == pytest.approx(agreement(z[:, kept]), abs=0.01)
    assert row["agreement_retained"] > row["agreement"] + 0.1
    assert row["ceiling_lower"] < row["ceiling_upper"]
    # On images that nothing was chosen on; how much of it is the draw of the folds is measured in
    # docs/measured.md.
    assert row["difference"] > 0
    assert row["n_better"] > row["n_folds"] / 2
