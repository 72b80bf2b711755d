"""What the ensembles of a study look at: `ensemble.zarr` and `ensemble_maps.csv`.

The sum of the members' evidence, in rating units over the photograph, and for some images the
photograph itself with squares covered. They lie outside `maps.zarr`, whose groups are backbones.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray

from aisthesis.agreement.chance import sampled
from aisthesis.config import BackboneConfig, StudyConfig
from aisthesis.execution.progress import ProgressReporter
from aisthesis.heads import MeanRating, MemberNetwork, PhotographEnsemble, bagging
from aisthesis.heads.ensembles import Ensemble
from aisthesis.images import ImageFolder, batches
from aisthesis.maps.common_frame import ensemble_map, union_of_boxes
from aisthesis.maps.photograph_masking import photograph_masking_map
from aisthesis.maps.rating_units import rating_unit_map
from aisthesis.maps.resample import upsample
from aisthesis.provenance.code import code_dependencies
from aisthesis.store.chunk_store import as_coordinate
from aisthesis.store.files import plain_errors, remove_tree, write_csv
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.map_axes import map_axes
from aisthesis.store.maps_store import open_maps
from aisthesis.store.store_index import consolidate
from aisthesis.store.tables import read_csv
from aisthesis.studies.ratings.comparing.methods import maps_dependencies
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.ablation_plans import plan_for
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.network import fitted_backbone, fitted_heads

__all__ = ["COLUMNS", "ensemble_maps", "ensemble_maps_dependencies", "explains_ensembles"]

_SIZE = 56
_GRID = 7
_MASKED_IMAGES = 8
_PLACE = "_place"
_EDGES = ("crop_left", "crop_top", "crop_right", "crop_bottom")
COLUMNS = (
    "image",
    "ensemble",
    "prediction",
    "evidence_sum",
    "cosine_with_masking",
    "place_cosine_with_masking",
)


def explains_ensembles(folder: StudyFolder, config: StudyConfig) -> bool:
    """Whether a study has ensembles all of whose members have maps."""
    labels = {asked.label for asked in config.backbones}
    parts = maps_dependencies(folder, config)
    return config.ensemble and len(labels) > 1 and all(f"maps of {one}" in parts for one in labels)


def ensemble_maps_dependencies(folder: StudyFolder, config: StudyConfig) -> dict[str, str]:
    """What the stage's results depend on, by name."""
    options = digest_of(_masked(config), config.seed)
    code = code_dependencies("the ensembles", __name__)
    return maps_dependencies(folder, config) | code | {"options of the ensemble": options}


def ensemble_maps(
    folder: StudyFolder, config: StudyConfig, inputs: Inputs, reporter: ProgressReporter
) -> None:
    """Explain the mean of the backbones and their stacking.

    `ensemble.zarr` holds ``ensemble`` and ``ensemble_stacking`` (image, y, x), the members'
    channels' evidence in rating units per cell of a grid over what any member saw of the
    photograph, ``ensemble_place`` and ``ensemble_stacking_place``, their evidence by place, and
    ``masking`` (masked, y, x), the fall of the mean prediction as squares of the photograph are
    covered. `ensemble_maps.csv` says for each image what the channels' map sums to and, where
    masking was done, the cosines of both maps with it.
    """
    ensembles = _ensembles(folder, [asked.label for asked in config.backbones])
    parts, by_place, boxes, networks = [], [], [], []
    names: list[str] = []
    with reporter.steps("ensemble: evidence", len(config.backbones)) as advance:
        for asked in config.backbones:
            maps, seen, names, network = _member(folder, config, asked, inputs)
            parts.append(maps)
            by_place.append(_evidence_by_place(folder, asked.label))
            boxes.append(seen)
            networks.append(network)
            advance(1)
    frames = union_of_boxes(boxes)
    made = {
        f"{name}{kind}": ensemble_map(maps, one.weights, boxes, frames, _SIZE)
        for kind, maps in (("", parts), (_PLACE, by_place))
        for name, one in ensembles.items()
    }
    places = np.sort(sampled(len(names), _masked(config), config.seed))
    device = choose_device(config.device)
    mean = PhotographEnsemble(networks, ensembles["ensemble"], device)
    masking = _masked_maps(mean, ImageFolder(config.images), [names[i] for i in places], reporter)
    _write_maps(folder, made, masking, places, _framed(inputs, names, frames))
    table = _table(folder, made, masking, names, places)
    write_csv(folder.ensemble_maps, table)


def _masked(config: StudyConfig) -> int:
    """Images whose photographs are covered square by square."""
    asked = config.faithfulness.images
    return _MASKED_IMAGES if asked is None else min(asked, _MASKED_IMAGES)


def _ensembles(folder: StudyFolder, labels: list[str]) -> dict[str, Ensemble]:
    held = folder.provenance()["ensemble"]
    weights = dict(zip(held["members"], held["stacking_weights"], strict=True))
    stacked = np.array([weights[label] for label in labels])
    return {
        "ensemble": bagging(labels),
        "ensemble_stacking": Ensemble(
            "stacking", tuple(labels), stacked, held["stacking_intercept"]
        ),
    }


@torch.no_grad()
def _member(
    folder: StudyFolder, config: StudyConfig, asked: BackboneConfig, inputs: Inputs
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str], MemberNetwork]:
    """One member's evidence in rating units (N, h, w), what it saw (N, 4), and its network."""
    with open_maps(folder.maps, asked.label) as stored:
        names = [str(name) for name in stored["image"].values]
        scores = -torch.from_numpy(stored["delta_prediction"].mean("seed").values).double()
        boxes = np.stack([stored[edge].values for edge in _EDGES], axis=1).astype(np.float64)
    backbone = fitted_backbone(folder, config, asked)
    heads = fitted_heads(folder, asked.label, config.seed, config.seeds)
    model = MeanRating(backbone.trunk, heads).to(backbone.device)
    plan = plan_for(backbone, model, inputs.folder)
    nothing = np.zeros((0, plan.channels), dtype=bool)  # the layer's output alone is wanted
    maps, done = [], 0
    for batch in batches(inputs.folder, names, backbone.transform, config.batch_size):
        output = plan(batch.pixels.to(backbone.device), groups=nothing).activation
        own = scores[done : done + len(batch.names)]
        maps.append(rating_unit_map(own, backbone.to_map(output).double().cpu()).numpy())
        done += len(batch.names)
    network = MemberNetwork((asked.label,), backbone.transform, model)
    return np.concatenate(maps), boxes, names, network


def _evidence_by_place(folder: StudyFolder, label: str) -> NDArray[np.float64]:
    """A member's evidence by place (N, h, w), averaged over its heads, in rating units."""
    with open_maps(folder.maps, label) as stored:
        return np.asarray(stored["evidence_place"].mean("seed").values, dtype=np.float64)


def _masked_maps(
    ensemble: PhotographEnsemble, folder: ImageFolder, names: list[str], reporter: ProgressReporter
) -> NDArray[np.float64]:
    maps = []
    with reporter.steps("ensemble: photographs covered", len(names) * _GRID**2) as advance:
        for name in names:
            photograph = folder.load(name)
            maps.append(
                photograph_masking_map(
                    ensemble, photograph, square=0.2, grid=_GRID, advance=advance
                )
            )
    return np.stack(maps) if maps else np.zeros((0, _GRID, _GRID))


class _Framed(NamedTuple):
    """Images, the frame (left, top, right, bottom) of each in its photograph, the maps' axes."""

    names: list[str]
    frames: NDArray[np.float64]
    axes: dict[str, xr.Variable]


def _framed(inputs: Inputs, names: list[str], frames: NDArray[np.float64]) -> _Framed:
    width, height = np.array([inputs.sizes[name] for name in names], dtype=np.float64).T
    none = np.zeros(len(names))
    seen = dict(zip((*_EDGES, "height_px"), (*frames.T, height), strict=True))
    whole = dict(zip((*_EDGES, "height_px"), (none, none, width, height, height), strict=True))
    axes = map_axes(seen, _SIZE, _SIZE, covers="frame")
    covered = map_axes(whole, _GRID, _GRID, covers="photograph")
    axes |= {
        f"masked_{axis}": xr.Variable(f"masked_{axis}", one.values, one.attrs)
        for axis, one in covered.items()
    }
    return _Framed(names, frames, axes)


def _write_maps(
    folder: StudyFolder,
    made: dict[str, NDArray[np.float64]],
    masking: NDArray[np.float64],
    places: NDArray[np.intp],
    framed: _Framed,
) -> None:
    unit = {"long_name": "evidence of all members (rating units per cell)"}
    fall = {"long_name": "fall of the mean prediction as a square is covered (rating units)"}
    dataset = xr.Dataset(
        {
            **{name: (("image", "y", "x"), maps.astype(np.float32), unit)
               for name, maps in made.items()},
            "masking": (("masked", "masked_y", "masked_x"), masking.astype(np.float32), fall),
        },
        coords={
            "image": as_coordinate(framed.names),
            **framed.axes,
            "masked": as_coordinate([framed.names[i] for i in places]),
            **{edge.replace("crop", "frame"): ("image", values)
               for edge, values in zip(_EDGES, framed.frames.T, strict=True)},
        },
    )  # fmt: skip
    partial = folder.root / ".ensemble.zarr.partial"
    with plain_errors(folder.ensemble):
        remove_tree(partial, inside=folder.root)
        dataset.to_zarr(partial, mode="w", consolidated=False, zarr_format=3)
        consolidate(partial)
        remove_tree(folder.ensemble, inside=folder.root)
        partial.rename(folder.ensemble)


def _table(
    folder: StudyFolder,
    made: dict[str, NDArray[np.float64]],
    masking: NDArray[np.float64],
    names: list[str],
    places: NDArray[np.intp],
) -> pd.DataFrame:
    predictions = read_csv(folder.predictions)
    predictions = predictions[predictions["seed"] != "mean"]
    tables = []
    for label in (name for name in made if not name.endswith(_PLACE)):
        maps = made[label]
        own = predictions[predictions["backbone"] == label].groupby("image")["prediction"].mean()
        cosines = {kind: np.full(len(names), np.nan) for kind in ("", _PLACE)}
        if label == "ensemble":
            for kind, cosine in cosines.items():
                for one, place in zip(masking, places, strict=True):
                    cosine[place] = _cosine(made[f"{label}{kind}"][place], one)
        tables.append(
            pd.DataFrame(
                {
                    "image": names,
                    "ensemble": label,
                    "prediction": own.reindex(names).to_numpy(),
                    "evidence_sum": maps.sum((1, 2)),
                    "cosine_with_masking": cosines[""],
                    "place_cosine_with_masking": cosines[_PLACE],
                }
            )
        )
    return pd.concat(tables, ignore_index=True).reindex(columns=list(COLUMNS))


def _cosine(map_: NDArray[np.float64], masked: NDArray[np.float64]) -> float:
    """Cosine of two maps, each less its mean, on the finer grid; NaN where one is flat."""
    big = upsample(torch.from_numpy(masked)[None], map_.shape)[0].numpy()
    a, b = map_ - map_.mean(), big - big.mean()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / scale if scale > 0 else float("nan")
