"""The same question asked of other packages: captum and rsatoolbox.

    python benchmarks/peers.py [--threads 1] [--only captum rsatoolbox]

Both sides run in one process on the same inputs, and what they give is compared. A side that would
take too long is timed on a sample of channels, spread evenly, and scaled to all; the page says so.
A package that is not installed is left out, and the page says that too. Writes results/peers.json
and peers.md. thingsvision 2.7.3 needs torch 2.0.1 and aisthesis torch 2.6 or newer, so that its
extraction of embeddings cannot run in one process with ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

RESULTS = Path(__file__).parent / "results"


def timed(function: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Median seconds, and the last result; the first call warms up and does not count."""
    function()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


def row(asked: str, ours_s: float, theirs_s: float, scaled: str, difference: float) -> dict:
    return {
        "asked": asked,
        "ours_s": ours_s,
        "theirs_s": theirs_s,
        "scaled": scaled,
        "times": theirs_s / ours_s,
        "largest_difference": difference,
    }


def captum(sample: int = 16) -> dict:
    """The output without each channel of a layer: captum's LayerFeatureAblation."""
    from captum.attr import LayerFeatureAblation
    from torchvision.models import resnet50

    import aisthesis as ais

    torch.manual_seed(0)
    network = resnet50().eval()
    head = torch.nn.Sequential(network, torch.nn.Linear(1000, 1), torch.nn.Flatten(0)).eval()
    images = torch.randn(4, 3, 224, 224)
    layer = network.layer4[2].conv3
    plan = ais.ablation_plan(head, "0.layer4.2.conv3", images)
    ours_s, ours = timed(lambda: plan(images))
    channels = ours.delta.shape[1]
    chosen = np.unique(np.linspace(0, channels - 1, sample).astype(int))
    # All channels that are not in the sample are one feature more: one pass too many of 17.
    mask = torch.full((1, channels, 1, 1), len(chosen), dtype=torch.long)
    mask[0, chosen, 0, 0] = torch.arange(len(chosen))
    ablation = LayerFeatureAblation(head, layer)
    theirs_s, theirs = timed(lambda: ablation.attribute(images, layer_mask=mask), repeats=1)
    found = theirs[:, chosen, 0, 0].double()
    difference = float((found + ours.delta[:, chosen].double()).abs().max())
    return row(
        f"a ResNet50's output without each of {channels:,} channels of layer4.2.conv3, 4 images",
        ours_s,
        theirs_s * channels / (len(chosen) + 1),
        f"{len(chosen)} channels",
        difference,
    )


def rsatoolbox(images: int = 92, channels: int = 512, sample: int = 16) -> dict:
    """Agreement with judgments without each channel: rsatoolbox's RDMs, made anew for each."""
    import rsatoolbox
    from rsatoolbox.rdm import RDMs, calc_rdm, compare

    from aisthesis.importance.similarity import OwnedEmbeddings, alignment_scores

    rng = np.random.default_rng(0)
    made = OwnedEmbeddings(
        rng.gamma(0.5, size=(images, channels)),
        0.1 * rng.random((images, channels)),
        np.arange(channels),
        channels,
    )
    human = np.triu(rng.random((images, images)), 1)
    judged = RDMs(human[np.triu_indices(images, 1)][None])

    def agreement(z: np.ndarray) -> float:
        rdm = calc_rdm(rsatoolbox.data.Dataset(z), method="correlation")
        return float(compare(rdm, judged, method="corr")[0, 0])

    chosen = np.unique(np.linspace(0, channels - 1, sample).astype(int))
    ours_s, ours = timed(lambda: alignment_scores(made, human + human.T, images=False))
    intact = agreement(made.intact)
    theirs_s, theirs = timed(
        lambda: np.array([intact - agreement(made.without(c)) for c in chosen]), repeats=1
    )
    return row(
        f"agreement of {images} images without each of {channels} channels",
        ours_s,
        theirs_s * channels / len(chosen),
        f"{len(chosen)} channels",
        float(np.abs(ours.data_set[chosen] - theirs).max()),
    )


PEERS: dict[str, Callable[[], dict]] = {
    "captum": captum,
    "rsatoolbox": rsatoolbox,
}


def table(record: dict[str, Any]) -> str:
    lines = [
        f"{record['machine']}. Random inputs and seeded random weights: times do not depend on "
        "them. Theirs is timed on a sample where one is named, and scaled to all.",
        "",
        "| peer | what is asked | ours, s | theirs, s | × | timed on | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for peer, one in record["peers"].items():
        sample = "all of it" if one["scaled"] == "nothing" else one["scaled"]
        lines.append(
            f"| {peer} {one['version']} | {one['asked']} | {one['ours_s']:.4g} | "
            f"{one['theirs_s']:.4g} | **{one['times']:,.3g}** | {sample} | "
            f"{one['largest_difference']:.1e} |"
        )
    lines += [
        "",
        "thingsvision 2.7.3 needs torch 2.0.1, aisthesis torch 2.6 or newer: its extraction cannot "
        "be timed in the same run.",
    ]
    if record["missing"]:
        lines += ["", f"Not installed, so not run: {', '.join(record['missing'])}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    file = RESULTS / "peers.json"
    record = json.loads(file.read_text("utf-8")) if file.exists() else {"peers": {}}
    record["missing"] = []
    with torch.no_grad():
        for peer in options.only:
            if importlib.util.find_spec(peer) is None:
                record["missing"].append(peer)
                record["peers"].pop(peer, None)
                continue
            record["peers"][peer] = {"version": version(peer), **PEERS[peer]()}
            print(peer, record["peers"][peer], flush=True)
    record["machine"] = (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{options.threads} thread{'s' * (options.threads > 1)}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.0f} at the end"
    )
    file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "peers.md").write_text(table(record), encoding="utf-8")
    print(table(record))


if __name__ == "__main__":
    main()
