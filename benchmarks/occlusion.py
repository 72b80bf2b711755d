"""Time occlusion by windows against one forward pass per masked image, in one run.

VGG16 at full size with seeded random weights; squares of 3 and 17 px, centred every 4 px. Every
masked image is run by windows; brute force runs whole forward passes of a sample of positions, a
few at a time in between, and is scaled to all of them, so that other work on the machine burdens
both alike. The values at the sampled positions are compared.

    python benchmarks/occlusion.py
    python benchmarks/occlusion.py --sizes 3 17 65 --threads 2
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from aisthesis.explainers.occlusion.plan import occlusion_plan
from aisthesis.explainers.occlusion.running import intact_values, run_tile

RESULTS = Path(__file__).parent / "results"
SIDE_PX = 224


@dataclass(frozen=True)
class Row:
    size_px: int
    masked_images: int
    expected_passes: float
    windows_s: float
    brute_force_s: float  # scaled from the sample
    sampled: int
    largest_difference: float  # in shares of the prediction's magnitude

    @property
    def ratio(self) -> float:
        return self.brute_force_s / self.windows_s


def masked_by_hand(image: Tensor, size: int, n: int, positions: np.ndarray) -> Tensor:
    """Masked images of positions (row * n + column), made without the code under test."""
    masked = image.repeat(len(positions), 1, 1, 1)
    for number, position in enumerate(positions):
        top, left = (int((i + 0.5) * SIDE_PX / n) - size // 2 for i in divmod(int(position), n))
        masked[number, :, max(0, top) : top + size, max(0, left) : left + size] = 0
    return masked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 17])
    parser.add_argument("--stride", type=float, default=4)
    parser.add_argument("--sample", type=int, default=96, help="positions run by brute force")
    parser.add_argument("--batch", type=int, default=8, help="whole masked images at a time")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    trunk = torchvision.models.vgg16(num_classes=1)
    model = nn.Sequential(trunk, nn.Flatten(0)).eval().requires_grad_(False)
    image = torch.randn(1, 3, SIDE_PX, SIDE_PX)
    started = time.perf_counter()
    plan = occlusion_plan(model, image.shape[1:], options.sizes, stride_px=options.stride)
    planning_s = time.perf_counter() - started
    print(plan.describe())
    rows = [_row(model, image, plan, number, options) for number in range(len(options.sizes))]
    _write(rows, planning_s, plan.describe(), options)


@torch.no_grad()
def _row(model: nn.Module, image: Tensor, plan, number: int, options) -> Row:
    layout, size = plan.layouts[number], plan.sizes_px[number]
    n = layout.n[1]
    rng = np.random.default_rng(0)
    sample = rng.choice(n * n, min(options.sample, n * n), replace=False)
    batches = np.array_split(sample, -(-len(sample) // options.batch))
    every = max(1, len(layout.tiles) // len(batches))
    found, wanted = np.empty(n * n), {}
    brute_s = 0.0
    started = time.perf_counter()
    intact = intact_values(plan.network, image, layout.cut)
    windows_s = time.perf_counter() - started
    for place, tile in enumerate(layout.tiles):
        started = time.perf_counter()
        predictions = run_tile(plan.network, layout, tile, intact, torch.zeros(3))
        windows_s += time.perf_counter() - started
        index = (tile.rows[:, None] * n + tile.columns[None, :]).ravel()
        found[index] = predictions.numpy()
        if place % every == 0 and batches:
            batch = batches.pop()
            started = time.perf_counter()
            predictions = model(masked_by_hand(image, size, n, batch))
            brute_s += time.perf_counter() - started
            wanted |= dict(zip(batch.tolist(), predictions.tolist(), strict=True))
    scale = abs(float(model(image)))
    difference = max(abs(found[position] - value) for position, value in wanted.items()) / scale
    spread = np.ptp(list(wanted.values())) / scale
    if not spread > 100 * difference:
        raise SystemExit("the squares move the prediction too little for a comparison")
    row = Row(
        size,
        n * n,
        layout.passes,
        windows_s,
        brute_s / len(wanted) * n * n,
        len(wanted),
        difference,
    )
    print(f"{size} px: {row.ratio:.1f} times faster, largest difference {difference:.1e}")
    return row


def _write(rows: list[Row], planning_s: float, words: str, options) -> None:
    windows, brute = (sum(getattr(r, k) for r in rows) for k in ("windows_s", "brute_force_s"))
    ratio = brute / (windows + planning_s)
    print(f"all sizes, planning included: {ratio:.1f} times faster")
    record = {
        "machine": {"processor": platform.processor() or platform.machine(),
                    "torch": torch.__version__, "threads": options.threads},
        "plan": words, "planning_s": planning_s, "ratio": ratio, "stride_px": options.stride,
        "brute_force_batch": options.batch,
        "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "occlusion.json").write_text(json.dumps(record, indent=2) + "\n")
    lines = [
        "# Occlusion by windows against one forward pass per masked image",
        "",
        f"VGG16, {SIDE_PX} px, seeded random weights, squares every {options.stride:g} px, "
        f"{options.threads} thread(s), torch {torch.__version__}. {words}",
        "",
        "| square, px | masked images | expected, passes | windows, s | brute force, s (scaled "
        "from sample) | times faster | largest difference / prediction |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {r.size_px} | {r.masked_images} | {r.expected_passes:.0f} | {r.windows_s:.1f} | "
            f"{r.brute_force_s:.1f} ({r.sampled}) | {r.ratio:.1f} | {r.largest_difference:.1e} |"
            for r in rows
        ),
        "",
        f"All sizes, with {planning_s:.1f} s of planning: {ratio:.1f} times faster.",
    ]
    (RESULTS / "occlusion.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
