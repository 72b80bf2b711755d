"""The command line: arguments in, one line on what went wrong out.

Nothing heavy is imported before the arguments are parsed, so that `--help` is instant.
"""

from __future__ import annotations

import argparse
import atexit
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from aisthesis import __version__
from aisthesis.cli.check import add_check
from aisthesis.cli.compare import add_compare
from aisthesis.cli.engine import (
    add_backbone_options,
    add_engine_options,
    add_force,
    add_links,
    add_plan,
    add_run_options,
    add_status,
    engine_options,
    options_given,
)
from aisthesis.cli.keys import columns_given, keys_given, names_in
from aisthesis.cli.open import open_study, report_of
from aisthesis.cli.pair import add_pair
from aisthesis.cli.printing import print_rows, print_table
from aisthesis.cli.similarity import add_align, add_retain
from aisthesis.cli.standing import remember
from aisthesis.cli.streams import ReaderGoneError, careful_streams
from aisthesis.errors import AisthesisError, RequestError, one_line
from aisthesis.memory import plain_memory_errors

__all__ = ["main"]

_STAGES = {
    "fit": "compute embeddings, fit the heads, write predictions.csv and scores.csv",
    "explain": "score every channel and write maps.zarr (fits first where that is not done)",
    "agree": "compare the backbones' maps (explains first where that is not done)",
    "report": "write report.html and the figures (first does what is not done, in this process)",
}


#: Layers that fit on one screen.
_LAYERS_SHOWN = 20


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line; argparse would print its usage too."""

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message}; see `{self.prog} --help`")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 wrongly asked.

    Words for standard error that it does not take are dropped; a result that standard output does
    not take is a failure.
    """
    # As the process ends, the collector would go through all libraries: a second or two.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    with careful_streams():
        try:
            _show_any_name()
            return _done(arguments)
        except AisthesisError as error:
            print(f"error: {error}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print("stopped; the same command goes on from here", file=sys.stderr)
            return 130
        except ReaderGoneError:
            return 0
        except UnicodeError as error:
            print(f"error: a path or name is not UTF-8 ({one_line(str(error))})", file=sys.stderr)
            return 1
        except OSError as error:
            # Paths that no file system takes, and what else a system refuses unforeseen.
            print(f"error: {one_line(str(error))}; check the path", file=sys.stderr)
            return 1


def _done(arguments: Sequence[str] | None) -> int:
    """Do the command; its result is printed when this returns, or exits after `--help`."""
    try:
        options = _parser().parse_args(arguments)
    except SystemExit:
        sys.stdout.flush()
        raise
    with plain_memory_errors("this command"):
        code = options.command(options) or 0
    sys.stdout.flush()
    return code


def _show_any_name() -> None:
    """Let names that the terminal's encoding lacks be shown as escapes."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="aisthesis",
        description="Where networks see the evidence for human judgments of images, exactly, and "
        "how far they agree.",
    )
    parser.add_argument("--version", action="version", version=f"aisthesis {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_run(commands)
    for stage, what in _STAGES.items():
        command = commands.add_parser(stage, help=what, description=what)
        command.add_argument("study", type=Path, help="a study folder, or a study file")
        if stage == "report":
            command.add_argument(
                "--photographs",
                choices=["auto", "inline", "folder"],
                default="auto",
                help="the image browser's photographs: inside the page, or as files in a folder "
                "beside it (default: inside while they take less than about 20 MB)",
            )
        else:
            add_force(command)
        add_links(command)
        command.set_defaults(command=_run_stage, stage=stage)
    add_check(commands)
    _add_predict(commands)
    _add_backbones(commands)
    _add_planted(commands)
    add_status(commands)
    add_plan(commands)
    add_align(commands)
    add_retain(commands)
    add_pair(commands)
    add_compare(commands)
    return parser


def _add_demo(commands: Any) -> None:
    what = "run the whole job on the embedded study: rendered images, miniature backbones"
    command = commands.add_parser("demo", help=what, description=what)
    command.add_argument(
        "--out", type=Path, default=Path("aisthesis-demo"), help="folder (default: %(default)s)"
    )
    command.add_argument("--n", type=int, help="images (default: 120, with --explainers 90)")
    command.add_argument("--seed", type=int, default=7, help="of everything random (default: 7)")
    command.add_argument(
        "--explainers", default="", help="comma-separated explainers beside AIS, or all"
    )
    command.set_defaults(command=_demo)


def _add_run(commands: Any) -> None:
    what = "run a study from images and ratings to the report"
    command = commands.add_parser("run", help=what, description=what)
    command.add_argument("study", nargs="?", type=Path, help="a study file (STUDY.toml)")
    add = command.add_argument_group("instead of a study file, or overriding it").add_argument
    add("--images", type=Path, help="folder of images")
    add("--ratings", type=Path, help="table (CSV, Excel, ...): image,rating or image,rater,rating")
    add("--out", type=Path, help="study folder to write")
    add_backbone_options(add)
    add("--seeds", type=int, help="heads per backbone (default 1)")
    add("--explain", choices=["test", "all"], help="which images get maps (default test)")
    add("--explainers", help="comma-separated explainers beside AIS and evidence, or all")
    add("--metrics", help="comma-separated agreement metrics (default cosine,ssim,emd,mse)")
    add("--unrated", choices=["error", "ignore", "explain"], help="images without a rating")
    add_run_options(add)
    add(
        "--column",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="how the ratings table is read, as under [columns]: image, rating or rater=NAME, "
        "rating=A,B (several properties), layout=wide, votes=c1,c2,... (may be repeated)",
    )
    add_engine_options(command)
    add_force(command)
    add_links(command)
    command.set_defaults(command=_run)


def _add_predict(commands: Any) -> None:
    what = "rate unseen images with a study's fitted heads"
    command = commands.add_parser("predict", help=what, description=what)
    command.add_argument("study", type=Path, help="a study folder")
    command.add_argument("--images", type=Path, required=True, help="folder of images")
    command.add_argument("--out", type=Path, required=True, help="CSV to write")
    command.add_argument("--on-error", choices=["stop", "skip"], default="stop")
    command.add_argument("--device", default="auto")
    command.add_argument(
        "--force", action="store_true", help="overwrite OUT even if `predict` did not write it so"
    )
    command.add_argument(
        "--retained", action="store_true", help="with the channels that `retain` has kept"
    )
    add_links(command)
    command.set_defaults(command=_predict)


def _add_backbones(commands: Any) -> None:
    what = "print the backbones: layer, map, embedding, parameters, weights and where they are"
    command = commands.add_parser("backbones", help=what, description=what)
    command.add_argument("--weights-dir", type=Path, help="folder of official weight files")
    command.set_defaults(command=_backbones)
    what = "list the last layers of a backbone that can be explained, and which one is taken"
    command = commands.add_parser("layers", help=what, description=what)
    command.add_argument("backbone", help="a name, e.g. vgg19, torchvision:squeezenet1_0")
    command.add_argument("--all", action="store_true", help="all layers, not the last ones alone")
    command.set_defaults(command=_layers)


def _add_planted(commands: Any) -> None:
    what = "render a study whose evidence is known: images, single raters' ratings, masks"
    command = commands.add_parser("planted", help=what, description=what)
    command.add_argument("--n", type=int, default=500, help="images (default: %(default)s)")
    command.add_argument("--out", type=Path, required=True, help="folder to write")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--size", type=int, default=224, help="side in px (default: %(default)s)")
    command.add_argument(
        "--force", action="store_true", help="write into a folder that is not empty"
    )
    command.set_defaults(command=_planted)


def _demo(options: argparse.Namespace) -> None:
    from aisthesis.execution.progress import Terminal
    from aisthesis.studies.demo import demo_study

    study = demo_study(
        options.out,
        n=options.n or (90 if options.explainers else 120),
        seed=options.seed,
        reporter=Terminal(),
        explainers=names_in(options.explainers),
    )
    study.run()
    remember(study)
    print(study.folder.report)


def _run(options: argparse.Namespace) -> None:
    from aisthesis.cli.open import holds_similarities, open_any
    from aisthesis.execution.progress import Terminal

    if options.study is not None and holds_similarities(options.study, options.follow_links):
        given = options_given(options)
        if given:
            raise RequestError(
                f"{options.study} is a study of similarity judgments, for which `run` has no "
                f"options; give {given[0]} to `aisthesis align`"
            )
        done = open_any(
            options.study, follow_links=options.follow_links, verbose=options.verbose
        ).run()
        remember(done)
        print(done.folder.report)
        return
    asked = _asked(options)  # its faults are told before libraries are loaded, which takes seconds
    _start_ahead(asked)
    from aisthesis import Study

    study = Study(
        asked,
        reporter=Terminal(verbose=options.verbose),
        follow_links=options.follow_links,
    )
    if options.study is not None:
        study.settings_from(options.study)
    study.run(force=options.force)
    remember(study)
    print(study.folder.report)


def _start_ahead(config: Any) -> None:
    """Start the helpers of a new study: every network has work for a process."""
    from aisthesis.execution.cores import cores
    from aisthesis.execution.helpers import start_ahead

    if config.engine == "processes":
        n = min(config.workers or cores(), len(config.backbones))
        start_ahead(config.out, n, config.threads)


def _asked(options: argparse.Namespace) -> Any:
    """Merge the study file, if any, with the options given beside it."""
    from aisthesis.config import study_config

    values, base = keys_given(
        options,
        paths=("images", "ratings", "out", "weights_dir"),
        plain=("seeds", "seed", "explain", "on_error", "unrated", "device"),
    )
    if options.metrics:
        values["metrics"] = names_in(options.metrics)
    if options.explainers:
        values["explainers"] = names_in(options.explainers)
    if options.column:
        values["columns"] = columns_given(values.get("columns", {}), options.column)
    engine_options(values, options)
    return study_config(values, base, str(options.study or "the command line"))


def _run_stage(options: argparse.Namespace) -> None:
    if options.stage == "report":
        page = report_of(options.study, options.follow_links, options.photographs)
        print(page)
        return
    study = open_study(options.study, follow_links=options.follow_links, verbose=options.verbose)
    study.run(until=options.stage, force=options.force)
    remember(study)
    print(study.folder.root)


def _predict(options: argparse.Namespace) -> None:
    study = open_study(options.study, follow_links=options.follow_links)
    from aisthesis.store.files import write_csv
    from aisthesis.studies.ratings.predict import note_written, refuse_edited

    if not options.force:
        refuse_edited(study.folder, options.out, properties=bool(study.config.properties))
        if options.out.resolve() in [file.resolve() for file in study.config.ratings_files]:
            raise RequestError(
                f"{options.out} holds the study's ratings; give another name, or --force"
            )
    table = study.predict(
        options.images,
        on_error=options.on_error,
        device=options.device,
        retained=options.retained,
    )
    write_csv(options.out, table)
    note_written(study.folder, options.out)
    print(options.out)


def _backbones(options: argparse.Namespace) -> None:
    from aisthesis.backbones.table import backbone_cells

    rows = backbone_cells(options.weights_dir)
    notes = {row["name"]: row.pop("note") for row in rows}
    for row in rows:
        # The address is long and ends in the name of the file: that is what a reader looks for.
        parts = str(row["weights from"]).split("/")
        row["weights from"] = f"{parts[2]} ({parts[-1]})"
    print_rows(rows[0], [row.values() for row in rows])
    for name, note in notes.items():
        if note:
            print(f"{name}: {note}")
    print("any other network: torchvision:NAME, timm:NAME; without download: miniature:NAME")


def _layers(options: argparse.Namespace) -> None:
    from aisthesis.studies.shared.catalogue import layers_of

    table = layers_of(options.backbone)
    recommended = (
        int((table["note"] != "").to_numpy().argmax()) if (table["note"] != "").any() else 0
    )
    first = 0 if options.all else max(0, min(len(table) - _LAYERS_SHOWN, recommended))
    print_table(table.iloc[first:])
    if first:
        print(f"{first} layers before these are not shown; see them with --all", file=sys.stderr)


def _planted(options: argparse.Namespace) -> None:
    from aisthesis.execution.progress import Terminal
    from aisthesis.miniature import render_study

    if not options.force and options.out.is_dir() and any(options.out.iterdir()):
        raise RequestError(
            f"{options.out} is not empty; choose an empty or new folder, or give --force to write "
            "over what is in it"
        )
    render = render_study(
        options.out, options.n, seed=options.seed, size_px=options.size, force=options.force
    )
    Terminal().say(f"{options.n} images, single raters' ratings and masks")
    print(render.root if hasattr(render, "root") else options.out)
