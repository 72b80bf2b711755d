"""How the held-out scores of the default head depend on which images are held out.

One test split is one draw: this repeats the study's fit (default head, several seeds, averaged
prediction) for many test splits on one backbone's embeddings and prints the distribution.

    python benchmarks/held_out.py STUDY_DIR [--splits 20]

STUDY_DIR is a study that has been fitted; its cached embeddings are used.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from aisthesis.execution.progress import Silent
from aisthesis.heads import FitOptions, embed_images, evaluate, fit_mlp, fit_ridge
from aisthesis.judgments.ratings.splits import split
from aisthesis.store.folder import StudyFolder
from aisthesis.studies.ratings.inputs.reading import read_inputs
from aisthesis.studies.shared.catalogue import build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    folder = StudyFolder(options.study)
    config = folder.config()
    inputs = read_inputs(config, Silent())
    results = {}
    for asked in config.backbones:
        backbone = build(asked, weights_dir=config.weights_dir, seed=config.seed)
        z = embed_images(
            backbone.trunk,
            inputs.folder,
            inputs.names,
            backbone.transform,
        )
        results[asked.label] = one_backbone(z, inputs, config, options.splits)
    options.out.mkdir(exist_ok=True)
    (options.out / "held_out.json").write_text(json.dumps(results, indent=1) + "\n")


def one_backbone(z, inputs, config, n_splits: int) -> dict:
    rows = {"mlp": [], "ridge": []}
    y = torch.from_numpy(inputs.rating).float()
    for test_seed in range(n_splits):
        predictions = {"mlp": [], "ridge": []}
        for fit_seed in range(config.seeds):
            parts = split(
                inputs.names,
                inputs.rating,
                test=config.test,
                validation=config.validation,
                seed=test_seed,
                fit_seed=fit_seed,
            )
            train, held = inputs.indices(parts.train), inputs.indices(parts.validation)
            tensor, options = torch.from_numpy(z), FitOptions(**config.fit.model_dump())
            fitted = fit_mlp(tensor, y, train, held, options, seed=fit_seed)
            predictions["mlp"].append(fitted.head(tensor).numpy())
            wide = z.astype(np.float64)
            predictions["ridge"].append(fit_ridge(wide, inputs.rating, train, held)[0])
        test = inputs.indices(parts.test)
        for head, values in predictions.items():
            scores = evaluate(inputs.rating[test], np.mean(values, 0)[test], n_boot=0)
            rows[head].append((scores["srcc"], scores["plcc"]))
        print(test_seed, *(np.round(row[-1], 3) for row in rows.values()), flush=True)
    for head, row in rows.items():
        mean, sd, low, high = (f(np.array(row), axis=0) for f in (np.mean, np.std, np.min, np.max))
        print(
            f"{head}: SRCC {mean[0]:.3f} (SD {sd[0]:.3f}, {low[0]:.3f} to {high[0]:.3f}), ", end=""
        )
        print(f"PLCC {mean[1]:.3f} (SD {sd[1]:.3f}, {low[1]:.3f} to {high[1]:.3f})")
    return {head: {"srcc_plcc": np.round(row, 4).tolist()} for head, row in rows.items()}


if __name__ == "__main__":
    main()
