"""Time the whole default study against the networks' own forward passes, in one run.

Six full-size backbones with seeded random weights, photographs of a folder with ratings, maps of
all images, five seeds, the report. First each network alone embeds the same images, decoded
beforehand: the sum of these is one pass. Then the study runs, and each of its parts is given in
such passes. The study's two passes (embedding and maps) and all else but the removal of VGG19's
channels are asked to take at most 1.5 times two passes.

    python benchmarks/default_study.py --images 8
    python benchmarks/default_study.py               # 64 photographs; allow it an hour
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

import aisthesis as ais
from aisthesis.backbones import backbone
from aisthesis.config.common import AIS_BACKBONES
from aisthesis.images import ImageFolder, batches

HERE = Path(__file__).parent
RAISE = HERE.parents[1] / "shared" / "data" / "raise"
ASKED = 1.5
BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--data", type=Path, default=RAISE)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--networks", nargs="*", default=list(AIS_BACKBONES))
    parser.add_argument("--keep-activations", default="auto")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder, ratings = some_of(options.data, options.images, Path(temporary))
        own = {name: own_pass(name, folder) for name in options.networks}
        study = ais.Study(
            images=folder,
            ratings=ratings,
            out=Path(temporary) / "study",
            backbones=[{"name": name, "weights": "random"} for name in options.networks],
            seeds=5,
            explain="all",
            threads=options.threads,
            keep_activations=options.keep_activations,
        )
        stages = {command: seconds_of(study, command) for command in study.commands}
        held = study.folder.provenance()
    text = in_words(options, own, stages, held["backbones"], held["stages"])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "default_study.md").write_text(text, encoding="utf-8")
    print(text)


def some_of(data: Path, n: int, temporary: Path) -> tuple[Path, Path]:
    """Copy the first photographs, and their ratings, of a folder."""
    table = pd.read_csv(data / "ratings.csv")
    names = sorted(table["image"].unique())[:n]
    folder = temporary / "images"
    folder.mkdir()
    for name in names:
        shutil.copy(data / "images" / name, folder / name)
    table[table["image"].isin(names)].to_csv(temporary / "ratings.csv", index=False)
    return folder, temporary / "ratings.csv"


@torch.no_grad()
def own_pass(name: str, folder: Path) -> float:
    """Seconds that a network takes for the images, decoded beforehand; the second of two."""
    made = backbone(name, weights="random")
    images = ImageFolder(folder)
    pixels = [b.pixels for b in batches(images, images.names, made.transform, BATCH)]
    made.trunk(pixels[0])
    started = time.perf_counter()
    for some in pixels:
        made.trunk(some)
    return time.perf_counter() - started


def seconds_of(study: ais.Study, command: str) -> float:
    started = time.perf_counter()
    study.run(until=command)
    return time.perf_counter() - started


def in_words(
    options: argparse.Namespace,
    own: dict[str, float],
    stages: dict[str, float],
    backbones: dict[str, dict[str, object]],
    parts: dict[str, dict[str, float]],
) -> str:
    one = sum(own.values())
    removal = {name: float(str(backbones[name]["explain_seconds"])) for name in own}
    dear = removal.get("vgg19", 0.0)
    rest = sum(stages.values()) - dear
    unspent = stages.get("explain", 0.0) - sum(removal.values())
    load = os.getloadavg()[0]
    lines = [
        f"{options.images} photographs, {len(own)} networks, five seeds, explain = all, "
        f"{options.threads} thread(s), batches of {BATCH}, torch {torch.__version__}; load of the "
        f"machine at the end {load:.1f} on {os.cpu_count()} cores "
        "(`python benchmarks/default_study.py`). Wall time.",
        "",
        f"One pass, the sum over the networks of their own forward passes: {one:.1f} s.",
        "",
        "| part | s | in passes of all networks |",
        "|---|---|---|",
        *(f"| `{name}` | {value:.1f} | {value / one:.2f} |" for name, value in stages.items()),
        *(
            f"| of these {name} | {part['seconds']:.1f} | {part['seconds'] / one:.2f} |"
            for name, part in parts.items()
            if isinstance(part.get("seconds"), float)
        ),
        f"| of explain, loading networks and finding plans | {unspent:.1f} | {unspent / one:.2f} |",
        f"| **all but the maps of VGG19** | {rest:.1f} | **{rest / one:.2f}** "
        f"(asked: ≤ {2 * ASKED:.0f}) |",
        "",
        "| network | its own pass, s | its maps, s | maps in its own passes |",
        "|---|---|---|---|",
        *(
            f"| {name} | {value:.1f} | {removal[name]:.1f} | {removal[name] / value:.2f} |"
            for name, value in own.items()
        ),
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
