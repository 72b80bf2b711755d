"""The command `pair`: what makes a network find two images alike.

Like `cli`, it imports nothing heavy before the arguments are parsed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisthesis.errors import RequestError

if TYPE_CHECKING:
    import xarray as xr
    from PIL import Image

__all__ = ["add_pair"]

#: By what the command knows its own files again, within their first bytes.
_MARK, _ARRAY, _BEGINNING = "aisthesis pair", "alikeness", 512


def add_pair(commands: Any) -> None:
    """Add the command `pair`."""
    what = "show in both of two images what makes a network find them alike, place by place"
    command = commands.add_parser("pair", help=what, description=what)
    command.add_argument("images", nargs=2, type=Path, metavar="IMAGE", help="the two images")
    add = command.add_argument
    add(
        "--backbone",
        required=True,
        metavar="NAME",
        help="one of the seven, torchvision:NAME, timm:NAME or miniature:NAME",
    )
    add("--layer", help="its dotted path, or deepest (default: the backbone's own)")
    add("--weights", default="default", help="a local state dict, `default` or `random`")
    add("--weights-dir", type=Path, help="folder of official weight files")
    add("--window", default="auto", help="places removed together: 1, 3, 5 or auto (default)")
    add("--replace", choices=["zero", "mean"], default="zero", help="what removed places become")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default auto)")
    add("--out", type=Path, required=True, metavar="PNG", help="figure; .npz beside it: the maps")
    add("--force", action="store_true", help="overwrite OUT even if `pair` did not write it")
    command.set_defaults(command=_pair)


def _pair(options: argparse.Namespace) -> None:
    files = _files(options)
    from aisthesis.api.pairs import explain_pair, load_image
    from aisthesis.execution.progress import Terminal
    from aisthesis.studies.ratings.explaining.functions import backbone
    from aisthesis.studies.shared.devices import choose_device

    network = backbone(
        options.backbone,
        layer=options.layer,
        weights=options.weights,
        weights_dir=options.weights_dir,
    )
    network.trunk.to(choose_device(options.device))
    if network.weights.warning:
        Terminal().warn(f"{options.backbone}: {network.weights.warning}")
    window: Any = int(options.window) if options.window.isdecimal() else options.window
    found = explain_pair(network, *options.images, window=window, replace=options.replace)
    missing = _write(found, [load_image(path) for path in options.images], *files)
    if missing:
        Terminal().warn(missing)
    print(options.out)


def _files(options: argparse.Namespace) -> tuple[Path, Path]:
    """What will be written, refused before any work where it may not be."""
    out: Path = options.out
    if out.suffix.lower() != ".png":
        raise RequestError(f"--out: expected the name of a .png file, got {out}")
    if not out.parent.is_dir():
        raise RequestError(f"--out: there is no folder {out.parent}; make it, or name another")
    files = out, out.with_suffix(".npz")
    if out.resolve() in (path.resolve() for path in options.images):
        raise RequestError(f"--out: {out} is one of the two images; give another name")
    for path in files:
        if path.is_dir() or (path.exists() and not options.force and not _is_ours(path)):
            raise RequestError(
                f"{path} is already there and was not written by this command; give another "
                "name, or --force to overwrite it"
            )
    return files


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        beginning = file.read(_BEGINNING)
    return (_ARRAY if path.suffix == ".npz" else _MARK).encode() in beginning


def _write(
    found: xr.DataArray, photographs: list[Image.Image], figure_file: Path, maps_file: Path
) -> str:
    """Write both files; say which letters no font has, or nothing."""
    import numpy as np

    from aisthesis.report.charts.drawing import sheet
    from aisthesis.report.charts.figures import drawn_png
    from aisthesis.report.charts.letters import on_missing_letters
    from aisthesis.report.pictures.pair_figure import draw_pair
    from aisthesis.store.files import plain_errors
    from aisthesis.store.whole import whole_file

    drawing = sheet([draw_pair(found, photographs)])
    with plain_errors(maps_file), whole_file(maps_file) as partial:
        arrays: dict[str, Any] = {_ARRAY: found.to_numpy(), "images": found["image"].astype(str)}
        np.savez(partial, **(arrays | found.attrs))
    with plain_errors(figure_file), whole_file(figure_file) as partial:
        partial.write_bytes(drawn_png(drawing, 200, _MARK))
    return on_missing_letters(drawing.file(pictures=False)[1])
