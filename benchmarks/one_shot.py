"""Time `ais.ablate` and `ais.ablate_places` in a loop over batches against the plan that they keep.

All sides take the same batches of the same network (seeded random weights) in turns, in one run;
times are medians of the processor's time, and only their ratios tell.

    python benchmarks/one_shot.py                       # resnet50, batches of 8
    python benchmarks/one_shot.py --network resnet18 --images 4
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision

import aisthesis as ais

RESULTS = Path(__file__).parent / "results"
LAYERS = {"resnet18": "layer4.1.conv2", "resnet50": "layer4.2.conv3"}


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=LAYERS, default="resnet50")
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--batches", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    model = getattr(torchvision.models, options.network)(weights=None, num_classes=1).eval()
    layer = LAYERS[options.network]
    batches = torch.randn(options.batches, options.images, 3, 224, 224)
    plan, places = ais.ablation_plan(model, layer, batches[0]), ais.place_plan(model, layer)
    plan(batches[0])
    places(batches[0])  # also the first use of this batch size
    sides: dict[str, Callable[[torch.Tensor], object]] = {
        "the network itself": model,
        "a plan, channels": lambda x: plan(x).removed,
        "`ais.ablate`": lambda x: ais.ablate(model, layer, x),
        "a plan, places": lambda x: places(x).removed,
        "`ais.ablate_places`": lambda x: ais.ablate_places(model, layer, x),
    }
    first = {name: seconds(lambda side=side: side(batches[0])) for name, side in sides.items()}
    taken = {
        name: statistics.median(times)
        for name, times in zip(
            sides,
            zip(*([seconds(lambda s=s, x=x: s(x)) for s in sides.values()] for x in batches),
                strict=True),
            strict=True,
        )
    }  # fmt: skip
    forward = taken["the network itself"]
    lines = [
        f"{options.network} `{layer}`, {options.batches} batches of {options.images}, "
        f"{options.threads} thread(s), processor time, torch {torch.__version__} "
        "(`python benchmarks/one_shot.py`).",
        "",
        "| call | first, in forward passes | later | later ÷ its plan |",
        "|---|---|---|---|",
    ]
    for name, own in taken.items():
        by = "channels" if name == "`ais.ablate`" else "places"
        ratio = f"**{own / taken[f'a plan, {by}']:.2f}**" if name.startswith("`") else "–"
        lines.append(f"| {name} | {first[name] / forward:.2f} | {own / forward:.2f} | {ratio} |")
    text = "\n".join([*lines, ""])
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "one_shot.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
