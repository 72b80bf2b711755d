"""The embedded study: rendered images whose evidence is known, and miniature backbones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aisthesis.config import AIS_BACKBONES, study_config
from aisthesis.errors import RequestError
from aisthesis.execution.cores import cores
from aisthesis.execution.helpers import start_ahead
from aisthesis.execution.progress import ProgressReporter
from aisthesis.names.explainers import BASE
from aisthesis.store.files import plain_errors, remove_tree

if TYPE_CHECKING:
    from aisthesis.studies.ratings.study import Study

__all__ = ["demo_study"]

_SEEDS = 3
#: In a folder of images that a demo has begun.
_MARK = ".aisthesis-demo"
#: Coarser than a study's defaults, so that all explainers are done in minutes.
_OPTIONS = {
    "test": 0.14,
    "explaining": {"cells": 28, "integration_steps": 6, "lime_samples": 30,
                   "lime_superpixels": 16, "multiscale_px": (17, 65), "stride_px": 45},
    "faithfulness": {"images": 3, "steps": 4, "cell_px": 28, "squares": 12, "cascade_images": 2,
                     "baselines": ("blur", "noisy_linear")},
}  # fmt: skip


def demo_study(
    out: Path, *, n: int, seed: int, reporter: ProgressReporter, explainers: Sequence[str] = ()
) -> Study:
    """Render the images into `out/planted` and set up the study of them in `out/study`.

    Parameters
    ----------
    out : Path
        Folder to write; an earlier demo with the same `n` and `seed` in it is gone on with.
    n : int
        Number of images, at least 20.
    seed : int
        Of everything random.
    explainers : sequence of str
        Beside AIS and evidence; `all` for every one.
    """
    if n < 20:
        raise RequestError(f"expected at least 20 images for the demo, got {n}")
    study = out.absolute() / "study"
    start_ahead(study, min(cores(), len(AIS_BACKBONES)), threads=1)
    from aisthesis.miniature import MINIATURE_PREFIX, render_study  # loads torch: seconds

    planted = out.absolute() / f"planted-{n}-{seed}"
    if not (planted / "ratings.csv").is_file():
        _make_way(planted, out)
        reporter.say(f"rendering {n} images into {planted}")
        render_study(planted, n, seed=seed)
    config = study_config(
        {
            "images": str(planted / "images"),
            "ratings": str(planted / "ratings.csv"),
            "masks": str(planted / "masks"),
            "out": str(study),
            "title": "Glowing blossoms raise the rating, dark shatters lower it",
            "seeds": _SEEDS,
            "explainers": [*BASE, *explainers],
            "ensemble": bool(explainers),
            **(_OPTIONS if explainers else {}),
            "engine": "processes" if cores() > 1 else "serial",
            "seed": seed,
            "randomised": 1,
            # Few images make few steps an epoch: the default rate would take its time.
            "fit": {"learning_rate": 1e-3},
            "backbones": [
                {"name": f"{MINIATURE_PREFIX}{name}", "label": f"mini-{name}"}
                for name in AIS_BACKBONES
            ],
        },
        Path.cwd(),
        "the demo",
    )
    from aisthesis import Study

    return Study(config, reporter=reporter)


def _make_way(planted: Path, out: Path) -> None:
    """Delete what an interrupted demo left behind, and mark the folder as a demo's.

    Raises
    ------
    RequestError
        If there is something that no demo has made.
    """
    if os.path.lexists(planted):
        mark = planted / _MARK
        ours = mark.is_file() and not mark.is_symlink()
        if not ours and (not planted.is_dir() or any(planted.iterdir())):
            raise RequestError(
                f"{planted} is already there and was not made by a demo, so it is not deleted; "
                "move it, or choose another --out"
            )
        remove_tree(planted, inside=out)
    with plain_errors(planted):
        planted.mkdir(parents=True)
        (planted / _MARK).touch()
