"""Time forward passes as a study makes them against eager torch, in one run.

Every network embeds the same batches in turns: as `ais.backbone` gives it (eager torch, weights in
the usual order) and as a study lays it out (channels last, where the values are the same). Beside
that stand what studies do not use, and what it would bring: `inference_mode`, BatchNorm fused into
the convolutions before it (by torch.fx, on a copy), and, for the networks after `--compile`,
torch.compile with the seconds that compiling takes. Medians of the processor's time; only ratios
tell.

    python benchmarks/forward.py                          # six AIS backbones and others, 8 images
    python benchmarks/forward.py --compile torchvision:squeezenet1_0
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

import aisthesis as ais
from aisthesis.backbones import Backbone
from aisthesis.backbones.initialise import noise_images
from aisthesis.config.common import AIS_BACKBONES
from aisthesis.studies.shared.memory_format import memory_format, settle

HERE = Path(__file__).parent
WEIGHTS = HERE.parents[1] / "shared" / "weights"
REAL = {
    "torchvision:squeezenet1_0": "squeezenet1_0.safetensors",
    "timm:tf_efficientnet_lite0": "tf_efficientnet_lite0.safetensors",
}
OTHERS = ("torchvision:vit_b_16",)  # miniatures have their channels last anyway
CPU = torch.device("cpu")
UNUSED = {
    "inference": "`inference_mode` as well",
    "fused": "BatchNorm fused as well",
    "compiled": "torch.compile as well",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=[*AIS_BACKBONES, *REAL, *OTHERS])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", nargs="*", default=["torchvision:squeezenet1_0"])
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0]
    rows = [row_of(name, options) for name in options.networks]
    machine = {
        "processor": platform.machine(),
        "threads": options.threads,
        "torch": torch.__version__,
        "load_at_start": load,
    }
    kept = {"machine": machine, "images": options.images, "rows": rows}
    text = in_words(options, kept)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "forward.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    (options.out / "forward.md").write_text(text, encoding="utf-8")
    print(text)


@torch.no_grad()
def row_of(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One network, all sides in turns."""
    eager, ours = made(name), settle(made(name), CPU)
    images = noise_images(eager.transform, options.images, seed=0)
    sides: dict[str, Callable[[Tensor], Tensor]] = {
        "eager": eager.trunk,
        "ours": ours.trunk,
        "inference": torch.inference_mode()(ours.trunk.forward),
    }
    if (fused := without_batch_norm(ours)) is not None:
        sides["fused"] = fused
    compiling = None
    if name in options.compile:
        sides["compiled"] = torch.compile(copy.deepcopy(ours.trunk))
        started = time.perf_counter()
        sides["compiled"](images)
        compiling = time.perf_counter() - started
    outputs = {side: run(images) for side, run in sides.items()}  # the first use, untimed
    taken = {side: [] for side in sides}
    for _ in range(options.repeats):
        for side, run in sides.items():
            taken[side].append(seconds(run, images))
    scale = float(outputs["eager"].abs().max())
    row = {
        "network": name,
        "weights": "trained" if name in REAL else "random",
        "memory_format": memory_format(ours),
        "s": {side: statistics.median(times) for side, times in taken.items()},
        "difference": {
            side: float((output - outputs["eager"]).abs().max()) / scale
            for side, output in outputs.items()
        },
        "compiling_s": compiling,
    }
    print(name, {side: round(row["s"]["eager"] / s, 3) for side, s in row["s"].items()}, flush=True)
    return row


def made(name: str) -> Backbone:
    """A network with its trained weights, where they are here, or seeded random ones."""
    if name in REAL and (WEIGHTS / REAL[name]).exists():
        return ais.backbone(name, weights=WEIGHTS / REAL[name])
    return ais.backbone(name, weights="random")


def without_batch_norm(backbone: Backbone) -> nn.Module | None:
    """A copy with each BatchNorm in the convolution before it; None where that cannot be."""
    if not any(isinstance(part, nn.BatchNorm2d) for part in backbone.trunk.modules()):
        return None
    try:
        fused = fuse(backbone.module)
    except Exception:  # noqa: BLE001  torch.fx cannot follow every network
        return None
    for part in fused.modules():
        if isinstance(part, nn.Conv2d):
            part.weight.data = part.weight.data.clone(memory_format=torch.channels_last)
    trunk = copy.copy(backbone.trunk)
    trunk._modules = {**backbone.trunk._modules, "module": fused.eval()}
    return trunk


def seconds(run: Callable[[Tensor], Tensor], images: Tensor) -> float:
    started = time.process_time()
    run(images)
    return time.process_time() - started


def in_words(options: argparse.Namespace, kept: dict[str, Any]) -> str:
    machine, rows = kept["machine"], kept["rows"]
    unused = [side for side in UNUSED if any(side in row["s"] for row in rows)]
    lines = [
        f"Forward passes over {options.images} images, medians of {options.repeats} rounds of "
        f"processor time, all sides in turns, {machine['threads']} thread(s), torch "
        f"{machine['torch']}, load at the start {machine['load_at_start']:.1f} "
        "(`python benchmarks/forward.py`). Gains are times faster than eager torch; the difference "
        "is the largest between embeddings, as a share of their largest value.",
        "",
        "| network | weights | eager, s | a study's, s | gain | difference | in memory |"
        + "".join(f" {UNUSED[side]} |" for side in unused),
        "|---|---|---|---|---|---|---|" + "---|" * len(unused),
    ]
    for row in rows:
        taken, far = row["s"], row["difference"]
        beside = [
            f"{taken['eager'] / taken[side]:.2f}" if side in taken else "–" for side in unused
        ]
        if row["compiling_s"] is not None:
            beside[-1] += f", compiled in {row['compiling_s']:.0f} s"
        lines.append(
            f"| {row['network']} | {row['weights']} | {taken['eager']:.3g} | {taken['ours']:.3g} | "
            f"**{taken['eager'] / taken['ours']:.2f}** | {far['ours']:.0e} | "
            f"{row['memory_format']} |" + "".join(f" {cell} |" for cell in beside)
        )
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
