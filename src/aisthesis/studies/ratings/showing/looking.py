"""A study's maps as pictures: of one image, or all of them as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr
from PIL import Image

from aisthesis.config import StudyConfig
from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.images import ImageFault, ImageFolder
from aisthesis.maps.colour import stated_limit
from aisthesis.names.labels import slug
from aisthesis.report.pictures.looking import overlay, units_of
from aisthesis.store.files import plain_errors, write_csv
from aisthesis.store.folder import StudyFolder
from aisthesis.store.tables import read_csv
from aisthesis.store.whole import whole_file
from aisthesis.studies.ratings.showing.one_image import StudyImage
from aisthesis.studies.ratings.showing.stored_maps import Maps

__all__ = ["image_of", "save_overlays"]


def image_of(
    folder: StudyFolder, config: StudyConfig, maps: Maps, name: str, kind: str
) -> StudyImage:
    """Give one image of a study with its maps; as `Study.image`."""
    found: dict[str, xr.DataArray] = {}
    for label, stack in _stacks(maps, kind).items():
        one = _map_of(stack, name)
        if one is not None:
            found[label] = one
    rows = read_csv(folder.predictions).query("image == @name")
    mean = rows[rows["seed"] == "mean"].set_index("backbone")["prediction"]
    each = rows[rows["seed"] != "mean"].groupby("backbone", sort=False)["prediction"].mean()
    return StudyImage(
        name,
        kind,
        _photograph(config, name),
        float(rows["rating"].iloc[0]) if len(rows) else float("nan"),
        {label: float(mean.get(label, each.get(label, float("nan")))) for label in found},
        found,
    )


def save_overlays(
    folder: StudyFolder,
    config: StudyConfig,
    maps: Maps,
    into: Path,
    kind: str,
    images: Sequence[str] | None,
    limit: float | None,
    side_px: int,
) -> list[Path]:
    """Write maps over photographs; as `Study.save_overlays`."""
    for held in (config.images, folder.root):
        if into.resolve().is_relative_to(held.resolve()):
            raise RequestError(
                f"{into} lies in {held}, whose files are taken for the study's; choose a folder "
                "outside of it"
            )
    stacks = _stacks(maps, kind)
    names = images or [str(one) for one in next(iter(stacks.values()))["image"].values]
    wanted = {name: {label: _map_of(one, name) for label, one in stacks.items()} for name in names}
    rows: dict[str, list[dict[str, object]]] = {label: [] for label in stacks}
    for name, of_image in wanted.items():
        photograph = _photograph(config, name)  # decoded once for all networks
        for label, one in of_image.items():
            if one is None:
                continue
            full = stated_limit(one.values) if limit is None else limit
            file = Path(slug(label)) / f"{name}.png"
            _save(overlay(one, photograph, limit=full, side_px=side_px), into / file)
            rows[label].append(
                {"file": file.as_posix(), "image": name, "backbone": label, "kind": kind,
                 "limit": full, "units": units_of(one)}
            )  # fmt: skip
    columns = ["file", "image", "backbone", "kind", "limit", "units"]
    table = pd.DataFrame([row for own in rows.values() for row in own], columns=columns)
    write_csv(into / "limits.csv", table)
    return [into / file for file in table["file"]]


def _map_of(stack: xr.DataArray, name: str) -> xr.DataArray | None:
    """One image's map (y, x) out of a network's; None where it is not defined.

    Raises
    ------
    RequestError
        If there is none of such an image.
    """
    names = [str(one) for one in stack["image"].values]
    if name not in names:
        raise RequestError(
            f"the study has no maps of {name!r}; did you mean "
            f"{or_list(nearest(name, names) or names[:3])}? (maps are of the test images; "
            '`explain = "all"` makes them of all)'
        )
    one = stack.isel(image=names.index(name)).load()
    return one if bool(one.notnull().all()) else None


def _stacks(maps: Maps, kind: str) -> Mapping[str, xr.DataArray]:
    """One kind of maps (image, y, x) of every network."""
    if not len(maps):
        raise RequestError("the study holds no maps yet; run `aisthesis explain` first")
    return {label: maps.by(kind, label) for label in maps}


def _photograph(config: StudyConfig, name: str) -> Image.Image | None:
    try:
        return ImageFolder(config.images).load(name)
    except (ImageFault, RequestError):
        return None


def _save(picture: Image.Image, file: Path) -> None:
    with plain_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as partial:
            picture.save(partial, "PNG")
