"""Write docs/benchmarks.md from the result files of the benchmarks; nothing is run.

    python benchmarks/page.py

`make bench` runs the benchmarks, each of which keeps a file in benchmarks/results, and then this.
A benchmark without a result file is left out, and the page says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "benchmarks.md"
#: What is measured against what, ours, theirs, how many times, how far apart, and on which machine.
Row = tuple[str, str, str, str, float, str, str]

HEAD = """# Benchmarks

Written by `python benchmarks/page.py` from the files in `benchmarks/results`. `make bench` runs the
benchmarks against others and writes this page anew. Both sides of a row ran in one process, one
after the other, on the machine that the row names; compare times within a row, not between rows. A
side that would take hours is timed on a sample and scaled to all; each file says on how many. A
load above the number of cores means a busy machine: both sides waited, and the ratio is rough.

"""

ABOUT = {
    "ablation": "every channel removed, all six backbones",
    "ablation_places": "every place removed",
    "agreement": "agreement of maps, and how it grows",
    "alignment": "importance for similarity judgments",
    "peers": "captum and rsatoolbox",
    "occlusion": "covered squares by windows",
    "scaling": "studies of many images, planning, workers",
    "default_study": "a whole study against its networks' own passes",
    "large_study": "memory and time of each stage as images grow",
    "inference": "sizes of tests and coverage of intervals",
    "inference_time": "seconds of a study's inference",
    "faithfulness": "maps against controls",
    "planted_places": "maps where the evidence is known",
    "one_shot": "calls that keep their plan",
    "forward": "forward passes against eager torch",
    "real_networks": "maps of really trained networks",
    "held_out": "which images are held out",
    "startup": "start of the short commands, and of the tests",
}


def page() -> str:
    """The page, from the result files that there are."""
    rows, missing = [], []
    for name, rows_of in SIDES.items():
        file = RESULTS / f"{name}.json"
        if file.exists():
            rows += list(rows_of(json.loads(file.read_text(encoding="utf-8"))))
        else:
            missing.append(name)
    return HEAD + table(rows) + left_out(missing) + files()


def table(rows: list[Row]) -> str:
    """The comparisons, ours and theirs in seconds."""
    lines = [
        "| what | against | ours, s | theirs, s | × | largest difference | machine |",
        "|---|---|---|---|---|---|---|",
    ]
    for what, against, ours, theirs, times, difference, machine in rows:
        many = f"{times:,.0f}" if times >= 10 else f"{times:.2g}"
        cells = (what, against, ours, theirs, f"**{many}**", difference, machine)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def left_out(missing: list[str]) -> str:
    """A sentence on what has not been run."""
    return f"\nNot run yet: {', '.join(missing)}.\n" if missing else ""


def files() -> str:
    """A link to every table of results."""
    lines = ["", "## All results", "", "| results | of | script |", "|---|---|---|"]
    scripts = sorted((ROOT / "benchmarks").glob("*.py"), key=lambda path: -len(path.stem))
    for file in sorted(RESULTS.glob("*.md")):
        script = next((one for one in scripts if file.stem.startswith(one.stem)), None)
        kind = next((key for key in sorted(ABOUT, key=len)[::-1] if file.stem.startswith(key)), "")
        by = f"`benchmarks/{script.name}`" if script else ""
        link = f"[{file.stem}](../benchmarks/results/{file.name})"
        lines.append(f"| {link} | {ABOUT.get(kind, '')} | {by} |")
    return "\n".join(lines) + "\n"


def _s(seconds: float) -> str:
    return f"{seconds:,.3g}" if seconds < 1000 else f"{seconds:,.0f}"


def _machine(kept: Any) -> str:
    """A machine as the result files name it: a sentence, or parts of one."""
    if isinstance(kept, str):
        return kept
    said = [str(kept.get("processor", "unnamed"))]
    said += [f"{kept['device']}"] if "device" in kept else []
    threads = kept.get("threads")
    said += [f"{threads} thread{'s' if threads != 1 else ''}"] if threads else []
    said += [f"torch {kept['torch']}"] if "torch" in kept else []
    said += [f"load {kept['load_at_start']:.0f}"] if "load_at_start" in kept else []
    return ", ".join(said)


def _ablation(kept: Any) -> Iterator[Row]:
    machine = _machine(kept["machine"])
    for one in kept["rows"]:
        parts = f"{one.get('channels', one.get('parts')):,} {one.get('removed', 'channels')}"
        what = f"{one['case']}, {parts}, batch of 8"
        for against, key in (("brute force", "brute_force"), ("AblationCAM", "ablation_cam")):
            theirs = one.get(f"{key}_s")
            if theirs is not None and theirs == theirs:  # NaN where the peer cannot do it
                yield (
                    what,
                    against,
                    _s(one["ours_s"]),
                    _s(theirs),
                    theirs / one["ours_s"],
                    f"{one['largest_error']:.0e}" if key == "brute_force" else "",
                    machine,
                )


def _agreement(kept: Any) -> Iterator[Row]:
    one = kept["against_loop"]
    yield (
        f"cosine, SSIM, 1-D Wasserstein and MSE of six backbones' maps, {one['images']} images",
        "scikit-image in a loop",
        _s(one["ours_s"]),
        _s(one["loop_s"]),
        one["ratio"],
        f"{max(one['largest_difference'].values()):.0e}",
        _machine(kept["machine"]),
    )


def _alignment(kept: Any) -> Iterator[Row]:
    for name, one in kept["cases"].items():
        yield (
            f"importance of all channels, {name}",
            "NumPy, every matrix anew",
            _s(one["data_set_s"]),
            _s(one["recomputed_data_set_s"]),
            one["data_set_ratio"],
            f"{one['data_set_error']:.0e}",
            _machine(kept["machine"]),
        )


def _peers(kept: Any) -> Iterator[Row]:
    for peer, one in kept["peers"].items():
        yield (
            one["asked"],
            f"{peer} {one['version']}",
            _s(one["ours_s"]),
            _s(one["theirs_s"]),
            one["times"],
            f"{one['largest_difference']:.0e}",
            _machine(kept["machine"]),
        )


def _forward(kept: Any) -> Iterator[Row]:
    for one in kept["rows"]:
        taken = one["s"]
        yield (
            f"forward pass of {one['network']}, {kept['images']} images",
            "eager torch",
            _s(taken["ours"]),
            _s(taken["eager"]),
            taken["eager"] / taken["ours"],
            f"{one['difference']['ours']:.0e}",
            _machine(kept["machine"]),
        )


def _occlusion(kept: Any) -> Iterator[Row]:
    for one in kept["rows"]:
        yield (
            f"{one['masked_images']:,} squares of {one['size_px']} px covered, one image",
            "whole forward passes",
            _s(one["windows_s"]),
            _s(one["brute_force_s"]),
            one["ratio"],
            f"{one['largest_difference']:.0e}",
            _machine(kept["machine"]),
        )


SIDES: dict[str, Callable[[Any], Iterator[Row]]] = {
    "ablation": _ablation,
    "peers": _peers,
    "agreement": _agreement,
    "alignment": _alignment,
    "occlusion": _occlusion,
    "forward": _forward,
}

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
