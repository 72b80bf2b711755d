"""Time exact ablation, of channels and of places, against brute force and AblationCAM.

All three remove channels of the same layer of the same network (full size, seeded random weights,
a small rating head) for the same images, in the same run. Brute force zeroes weight and bias of
the channel and runs the whole network; it and AblationCAM are timed on a sample of channels and
scaled to all of them. Places are removed from the same layer for the same images, in the windows
that aisthesis chooses; brute force sets them to zero by a hook. Times are medians of several
repeats, and differences of times are not used.

    python benchmarks/ablation.py                       # the whole table
    python benchmarks/ablation.py --only vgg16 --repeat 5
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from pytorch_grad_cam import AblationCAM
from pytorch_grad_cam.ablation_layer import AblationLayer
from torch import nn

from aisthesis.ablation.places.plan import PlacePlan, place_plan
from aisthesis.ablation.plan import AblationPlan, ablation_plan

RESULTS = Path(__file__).parent / "results"
REMOVED = ("channels", "places")
HEAD_WIDTH = 64
IMAGES = 8


@dataclass(frozen=True)
class Case:
    """One row of the table: a network, its layer, and what is asked of it."""

    network: str
    layer: str
    producer: str  # the convolution whose weights brute force zeroes
    px: int
    embedding: int
    most_passes: float
    least_ratio: float
    most_place_passes: float


@dataclass(frozen=True)
class Row:
    """What was measured, in seconds for the whole batch unless said otherwise."""

    case: str
    removed: str  # what: "channels" or "places"
    parts: int
    window: int  # side of the places removed together; 1 for channels
    plan_s: float
    forward_s: float
    ours_s: float
    passes: float
    brute_force_s: float
    ablation_cam_s: float
    times_brute_force: float
    times_ablation_cam: float
    largest_error: float
    words: str
    met: bool


CASES = {
    "resnet152": Case("resnet152", "layer4.2.conv3", "layer4.2.conv3", 224, 2048, 1.1, 1000, 1.1),
    "barlow_twins": Case("resnet50", "layer4.2.conv3", "layer4.2.conv3", 224, 2048, 1.1, 1000, 1.1),
    "efficientnet_b3": Case("efficientnet_b3", "features.8.0", "features.8.0", 256, 1536,
                            1.1, 700, 1.1),
    "densenet161": Case(
        "densenet161",
        "features.denseblock4.denselayer24.conv2",
        "features.denseblock4.denselayer24.conv2",
        224, 2208, 1.1, 30, 1.1,
    ),
    "vgg16 features.28": Case("vgg16", "features.28", "features.28", 224, 4096, 2, 200, 1.6),
    "vgg19 features.34": Case("vgg19", "features.34", "features.34", 224, 4096, 2, 200, 1.6),
    "vgg19 features.28": Case("vgg19", "features.28", "features.28", 224, 4096, 40, 10, 4),
}  # fmt: skip


class Rating(nn.Module):
    """A backbone without its classifier and a small head that rates an image."""

    def __init__(self, trunk: nn.Module, embedding: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.register_buffer("mean", torch.zeros(embedding))
        self.register_buffer("sd", torch.ones(embedding))
        self.head = nn.Sequential(
            nn.Linear(embedding, HEAD_WIDTH), nn.ReLU(), nn.Dropout(), nn.Linear(HEAD_WIDTH, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = (self.trunk(x) - self.mean) / self.sd
        return self.head(z).squeeze(1)


class OneColumn(nn.Module):
    """The same network as (N, 1), which AblationCAM's targets expect."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x).unsqueeze(1)


def build(case: Case) -> Rating:
    """Network with seeded weights, its BatchNorm statistics those of random images."""
    torch.manual_seed(0)
    trunk = getattr(torchvision.models, case.network)(weights=None)
    if case.network.startswith("vgg"):
        trunk.classifier = trunk.classifier[:5]
    elif hasattr(trunk, "fc"):
        trunk.fc = nn.Identity()
    else:
        trunk.classifier = nn.Identity()
    norms = [module for module in trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    if norms:
        for norm in norms:
            norm.momentum = None
        trunk.train()
        for module in trunk.modules():
            if type(module).__name__ in ("Dropout", "StochasticDepth"):
                module.eval()
        with torch.no_grad():
            trunk(torch.randn(4, 3, case.px, case.px))
    model = Rating(trunk, case.embedding).eval().requires_grad_(False)
    with torch.no_grad():
        z = trunk(torch.randn(4, 3, case.px, case.px))
        model.mean.copy_(z.mean(0))
        model.sd.copy_(z.std(0).clamp_min(1e-3))
    return model


def timed(work: Callable[[], object], repeat: int) -> float:
    """Median time of some work, in seconds."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def brute_force(model: Rating, case: Case, x: torch.Tensor, channel: int) -> torch.Tensor:
    """Output with the weights of one channel zeroed, the whole network run."""
    layer = model.trunk.get_submodule(case.producer)
    kept = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    try:
        for parameter in layer.parameters():
            parameter[channel] = 0
        return model(x)
    finally:
        layer.load_state_dict(kept)


class FirstChannels(AblationLayer):
    """AblationCAM's own layer, told to remove the first channels only."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def activations_to_be_ablated(self, *_args: object, **_options: object) -> np.ndarray:
        self.indices = np.arange(self.count, dtype=np.int32)
        return self.indices


def ablation_cam_seconds(model: Rating, case: Case, x: torch.Tensor, sample: int) -> float:
    """Time of AblationCAM for all channels and images, from some channels of one image.

    It runs one image for the score and one for each channel; every run counts the same.
    """
    layer = model.trunk.get_submodule(case.layer)
    cam = AblationCAM(OneColumn(model), [layer], None, FirstChannels(sample), min(sample, 32))
    found: list[torch.Tensor] = []
    with layer.register_forward_hook(lambda _m, _i, output: found.append(output)):
        model(x[:1])
    activations = found[0].numpy()
    start = time.perf_counter()
    cam.get_cam_weights(x[:1], layer, [lambda output: output.squeeze()], activations, activations)
    seconds = time.perf_counter() - start
    return seconds / (sample + 1) * (activations.shape[1] + 1) * len(x)


def without_place(
    model: Rating, case: Case, x: torch.Tensor, plan: PlacePlan, place: int
) -> torch.Tensor:
    """Output with a window of places set to zero by a hook, the whole network run."""
    y, x_ = divmod(place, plan.shape[1])
    reach = plan.window // 2

    def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        rows = slice(max(0, y - reach), y + reach + 1)
        output[:, :, rows, max(0, x_ - reach) : x_ + reach + 1] = 0
        return output

    with model.trunk.get_submodule(case.layer).register_forward_hook(hook):
        return model(x)


def measure(
    name: str, removed: str, model: Rating, repeat: int, brute_sample: int, cam_sample: int
) -> Row:
    case = CASES[name]
    x = torch.randn(IMAGES, 3, case.px, case.px, generator=torch.Generator().manual_seed(0))
    layer = f"trunk.{case.layer}"
    start = time.perf_counter()
    plan: AblationPlan | PlacePlan
    if removed == "channels":
        plan = ablation_plan(model, layer, x)
    else:
        plan = place_plan(model, layer, x, window="auto")
    plan_s = time.perf_counter() - start
    result = plan(x)  # also the first use of this batch size
    if not bool(result.output.isfinite().all()):
        raise RuntimeError(f"{name}: random weights gave {result.output}")
    long = plan.passes > 5
    forward_times, our_times = [], []
    for _ in range(max(1, repeat // 3) if long else repeat):  # in turns: the machine's speed drifts
        forward_times.append(timed(lambda: model(x), 3 if long else 1))
        our_times.append(timed(lambda: plan(x), 1))
    forward_s, ours_s = statistics.median(forward_times), statistics.median(our_times)
    outputs = result.removed.flatten(1)  # (N, parts)
    parts = outputs.shape[1]
    errors, brute_times = [], []
    for part in torch.randperm(parts, generator=torch.Generator().manual_seed(1)).tolist()[
        :brute_sample
    ]:
        start = time.perf_counter()
        if isinstance(plan, PlacePlan):
            exact = without_place(model, case, x, plan, part)
        else:
            exact = brute_force(model, case, x, part)
        brute_times.append(time.perf_counter() - start)
        errors.append(float((exact - outputs[:, part]).abs().max()))
    brute_s = statistics.median(brute_times) * parts
    cam_s = float("nan")  # it knows channels only
    if removed == "channels":
        cam_s = ablation_cam_seconds(model, case, x, cam_sample)
    ratio, passes = brute_s / ours_s, ours_s / forward_s
    met = passes <= asked_passes(case, removed)
    if removed == "channels":
        met = met and min(ratio, cam_s / ours_s) >= case.least_ratio
    return Row(
        case=name,
        removed=removed,
        parts=parts,
        window=plan.window if isinstance(plan, PlacePlan) else 1,
        plan_s=plan_s,
        forward_s=forward_s,
        ours_s=ours_s,
        passes=passes,
        brute_force_s=brute_s,
        ablation_cam_s=cam_s,
        times_brute_force=ratio,
        times_ablation_cam=cam_s / ours_s,
        largest_error=max(errors),
        words=plan.describe(),
        met=met,
    )


def windows(row: Row) -> str:
    return f", windows of {row.window} × {row.window}" if row.window > 1 else ""


def asked_passes(case: Case, removed: str) -> float:
    """Most forward passes that all channels, or all places, may cost."""
    return case.most_passes if removed == "channels" else case.most_place_passes


def gemm_gflops(size: int = 2048) -> float:
    """Speed of the machine's own float32 matrix product, in 10⁹ operations per second."""
    a = torch.randn(size, size)
    a @ a
    return 2 * size**3 / timed(lambda: a @ a, 7) / 1e9


def table(rows: list[Row], machine: dict[str, object]) -> str:
    lines = [
        f"Batch of {IMAGES}, float32, {machine['threads']} threads, GEMM "
        f"{machine['gemm_gflops']:.0f} GFLOP/s, torch {machine['torch']}. Brute force and "
        "AblationCAM on a sample of channels or places, scaled.",
        "",
        "| backbone, layer | removed | forward, s | ours, s | in forward passes | asked "
        "| × brute force | × AblationCAM | asked | error |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        case = CASES[row.case]
        by_channel = row.removed == "channels"
        cam = f"**{row.times_ablation_cam:,.0f}**" if by_channel else "–"
        least = f"≥ {case.least_ratio:,.0f}" if by_channel else "–"
        lines.append(
            f"| {row.case} | {row.parts} {row.removed}{windows(row)} "
            f"| {row.forward_s:.2f} | {row.ours_s:.2f} "
            f"| **{row.passes:.2f}** | ≤ {asked_passes(case, row.removed):g} "
            f"| **{row.times_brute_force:,.0f}** | {cam} | {least} | {row.largest_error:.0e} |"
        )
    return "\n".join([*lines, "", *(f"- {row.words}" for row in rows), ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--removed", nargs="*", choices=REMOVED, default=list(REMOVED))
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--brute-channels", type=int, default=5)
    parser.add_argument("--cam-channels", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    machine: dict[str, object] = {
        "threads": options.threads,
        "gemm_gflops": gemm_gflops(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "processor": platform.processor() or platform.machine(),
    }
    rows = []
    for name in options.only:
        model = build(CASES[name])
        for removed in options.removed:
            sizes = options.repeat, options.brute_channels, options.cam_channels
            rows.append(measure(name, removed, model, *sizes))
            gc.collect()
            print(table(rows[-1:], machine).splitlines()[-3], flush=True)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(f"peak memory so far: {memory / 1e6:.2f} GB", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    machine["gemm_gflops_after"] = gemm_gflops()
    text = table(rows, machine)
    (options.out / "ablation.md").write_text(text, encoding="utf-8")
    record = {"machine": machine, "rows": [asdict(row) for row in rows]}
    (options.out / "ablation.json").write_text(json.dumps(record, indent=2), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
