"""Commands on similarity judgments and on retained channels: `align` and `retain`.

Like `cli`, it imports nothing heavy before the arguments are parsed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from aisthesis.cli.engine import (
    add_backbone_options,
    add_engine_options,
    add_force,
    add_links,
    add_run_options,
    engine_options,
    options_given,
)
from aisthesis.cli.standing import remember
from aisthesis.errors import RequestError

__all__ = ["add_align", "add_retain"]


def add_align(commands: Any) -> None:
    """Add the command `align`."""
    what = "find the channels that make a network see likeness as people do, from judged pairs"
    command = commands.add_parser("align", help=what, description=what)
    command.add_argument(
        "study", nargs="?", type=Path, help="a study file (STUDY.toml) or the folder of a study"
    )
    add = command.add_argument_group("instead of a study file, or overriding it").add_argument
    add("--images", type=Path, help="folder of images")
    add(
        "--judgments",
        type=Path,
        action="append",
        metavar="PATH",
        help="matrix, long table or folder of matrices, one a subject (may be repeated)",
    )
    add("--out", type=Path, help="study folder to write")
    add("--kind", choices=["auto", "similarity", "dissimilarity"], help="what the values are")
    add("--image-list", type=Path, help="names of the images, for matrices without names")
    add("--variable", help="array in an .npz or .mat file, or descriptor of RDMs")
    add_backbone_options(add)
    add(
        "--measure",
        choices=["pearson", "spearman", "cosine", "whitened_cosine"],
        help="of second-order agreement (default pearson)",
    )
    add("--folds", type=int, help="of the validation (default 4)")
    add("--repeats", type=int, help="of the validation (default 4)")
    add_run_options(add)
    add_engine_options(command)
    add_force(command)
    add_links(command)
    command.set_defaults(command=_align)


def add_retain(commands: Any) -> None:
    """Add the command `retain`."""
    what = "keep the channels of a study's heads that matter, and say if they predict better"
    command = commands.add_parser("retain", help=what, description=what)
    command.add_argument("study", type=Path, help="a study folder, or a study file")
    command.add_argument("--folds", type=int, default=4, help="of the validation (default 4)")
    command.add_argument("--repeats", type=int, default=2, help="of the validation (default 2)")
    add_links(command)
    command.set_defaults(command=_retain)


def _retain(options: argparse.Namespace) -> None:
    from aisthesis.cli.open import open_study
    from aisthesis.studies.ratings.retaining.retain import retain_files

    study = open_study(options.study, follow_links=options.follow_links)
    study.retain(folds=options.folds, repeats=options.repeats)
    remember(study)
    print(retain_files(study.folder)["retention"])


def _align(options: argparse.Namespace) -> None:
    from aisthesis.execution.progress import Terminal

    if options.study is not None and options.study.is_dir():
        _refuse_options(options)
        from aisthesis import Alignment

        study = Alignment.open(
            options.study,
            reporter=Terminal(verbose=options.verbose),
            follow_links=options.follow_links,
        )
    else:
        asked = _asked(options)  # its faults are told before libraries are loaded
        from aisthesis import Alignment

        study = Alignment(
            asked,
            reporter=Terminal(verbose=options.verbose),
            follow_links=options.follow_links,
        )
        if options.study is not None:
            study.settings_from(options.study)
    study.run(force=options.force)
    remember(study)
    print(study.folder.report)


def _refuse_options(options: argparse.Namespace) -> None:
    given = options_given(options)
    if given:
        raise RequestError(
            f"{options.study} is the folder of a study, which has its settings already; give its "
            f"study file to run it with {given[0]}"
        )


def _asked(options: argparse.Namespace) -> Any:
    """Merge the study file, if any, with the options given beside it."""
    from aisthesis.cli.keys import keys_given
    from aisthesis.config import alignment_config

    values, base = keys_given(
        options,
        paths=("images", "out", "image_list", "weights_dir"),
        plain=("kind", "variable", "measure", "folds", "repeats", "seed", "on_error", "device"),
    )
    if options.judgments:
        values["judgments"] = [str(path.absolute()) for path in options.judgments]
    engine_options(values, options)
    return alignment_config(values, base, str(options.study or "the command line"))
