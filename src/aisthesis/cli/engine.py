"""Commands on how a study is computed: where it stands, and what it will take."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

__all__ = [
    "add_backbone_options",
    "add_engine_options",
    "add_force",
    "add_links",
    "add_plan",
    "add_run_options",
    "add_status",
    "engine_options",
    "options_given",
]


def add_backbone_options(add: Any) -> None:
    """Add to a command that runs a study which networks it looks at and where their weights are."""
    add("--backbones", help="comma-separated names (default: the six AIS backbones)")
    for option, example in (
        ("layer", "layer to explain, e.g. vgg19=features.34 or vgg19=deepest"),
        ("weights", "a local state dict, `default` or `random`"),
    ):
        add(
            f"--{option}",
            action="append",
            default=[],
            metavar=f"BACKBONE={option.upper()}",
            help=f"{example} (may be repeated)",
        )
    add("--weights-dir", type=Path, help="folder of official weight files")


def add_run_options(add: Any) -> None:
    """Add to a command that runs a study what is random, broken images, and the device."""
    add("--seed", type=int, help="of everything random (default 0)")
    add("--on-error", choices=["stop", "skip"], help="a broken image stops the study or is skipped")
    add("--device", help="auto, cpu, cuda, cuda:1, mps (default auto)")


def add_engine_options(command: Any) -> None:
    """Add to a command where chunks are worked on."""
    add = command.add_argument_group("where to compute").add_argument
    add(
        "--engine",
        choices=["serial", "processes", "dask"],
        help="this process, some processes beside it, or a Dask cluster (default serial)",
    )
    add("--scheduler", metavar="ADDRESS", help="a running Dask scheduler, e.g. tcp://node1:8786")
    add(
        "--workers",
        type=int,
        help="processes, or workers of the cluster that is started (default: one a core)",
    )


def engine_options(values: dict[str, Any], options: argparse.Namespace) -> None:
    """Write those options into a study's keys; a scheduler means Dask, workers alone processes."""
    if options.scheduler:
        values["dask"] = {**values.get("dask", {}), "scheduler": options.scheduler}
    if options.workers is not None:
        values["workers"] = options.workers
    if options.engine:
        values["engine"] = options.engine
    elif options.scheduler:
        values["engine"] = "dask"
    elif options.workers is not None and values.get("engine", "serial") == "serial":
        values["engine"] = "processes"


def options_given(options: argparse.Namespace) -> list[str]:
    """Options that were given beside a study, as they are written."""
    return [
        f"--{name.replace('_', '-')}"
        for name, value in vars(options).items()
        if name not in ("study", "command", "follow_links", "verbose")
        and value is not False
        and value not in (None, [])
    ]


def add_force(command: Any) -> None:
    """Add to a command that runs a study whether results may be lost."""
    command.add_argument(
        "--force",
        action="store_true",
        help="remove or compute anew what the study's folder holds where the settings are others",
    )


def add_links(command: Any) -> None:
    """Add what a command is told of links in a study's folder, and how much it tells."""
    command.add_argument(
        "--follow-links",
        action="store_true",
        help="links in the study's folder are your own: follow them (otherwise it is refused)",
    )
    command.add_argument(
        "--verbose", action="store_true", help="tell also how channels and places are removed"
    )


def add_status(commands: Any) -> None:
    """Add `aisthesis status`."""
    what = "say what of a study is done, stale, damaged or to do, and why"
    command = commands.add_parser("status", help=what, description=what)
    command.add_argument("study", type=Path, help="a study folder, or a study file")
    command.add_argument("--csv", action="store_true", help="as CSV on standard output")
    add_links(command)
    command.set_defaults(command=_status)


def add_plan(commands: Any) -> None:
    """Add `aisthesis plan`."""
    what = "measure a study on a few of its images and say what all of it will take"
    command = commands.add_parser("plan", help=what, description=what)
    command.add_argument("study", type=Path, help="a study file (STUDY.toml)")
    command.add_argument("--workers", type=int, default=1, help="of a cluster (default: 1)")
    command.add_argument("--images", type=int, help="plan for so many (default: the study's own)")
    command.add_argument(
        "--measure", type=int, default=96, help="images to measure on (default: %(default)s)"
    )
    command.add_argument("--csv", action="store_true", help="as CSV on standard output")
    command.set_defaults(command=_plan)


def _status(options: argparse.Namespace) -> int:
    from aisthesis.cli.printing import print_rows
    from aisthesis.cli.standing import find_out, kept

    standing = None if options.follow_links else kept(options.study)
    if standing is None:
        from aisthesis.cli.running import standing_of_run

        standing = standing_of_run(options.study, follow_links=options.follow_links)
    if standing is None:
        from aisthesis.cli.open import open_any

        study = open_any(options.study, follow_links=options.follow_links)
        standing = find_out(options.study, study)
    if options.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([standing.columns, *standing.rows])
    else:
        print_rows(standing.columns, standing.rows)
    return 0 if standing.done else 3


def _plan(options: argparse.Namespace) -> None:
    from aisthesis.cli.open import open_any
    from aisthesis.cli.printing import print_table

    study = open_any(options.study)
    plan = study.plan(
        n_images=options.images, n_workers=options.workers, n_measured=options.measure
    )
    _show(plan.stages if options.csv else plan.shown(), options.csv, print_table)
    if not options.csv:
        print(plan.in_words())


def _show(table: Any, as_csv: bool, print_table: Any) -> None:
    if as_csv:
        print(table.to_csv(index=False, float_format="%.6g"), end="")
    else:
        print_table(table)
