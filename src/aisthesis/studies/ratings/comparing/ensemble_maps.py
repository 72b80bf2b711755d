"""What the ensembles of a study look at: `ensemble.zarr` and `ensemble_maps.csv`.

The sum of the members' evidence, in rating units over the photograph, and for some images the
photograph itself with squares covered. They lie outside `maps.zarr`, whose groups are backbones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import xarray as xr
import zarr
from numpy.typing import NDArray

from aisthesis.ablation.plan import AblationPlan
from aisthesis.agreement.chance import sampled
from aisthesis.backbones import Backbone
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
from aisthesis.store.chunk_store import ArraySpec, as_coordinate, create_array
from aisthesis.store.files import plain_errors, remove_tree, write_csv
from aisthesis.store.folder import StudyFolder, digest_of
from aisthesis.store.map_axes import map_axes
from aisthesis.store.maps_store import open_maps
from aisthesis.store.store_index import consolidate
from aisthesis.studies.ratings.comparing.methods import maps_dependencies
from aisthesis.studies.ratings.comparing.predicted import Predicted
from aisthesis.studies.ratings.inputs.reading import Inputs
from aisthesis.studies.shared.ablation_plans import plan_for
from aisthesis.studies.shared.devices import choose_device
from aisthesis.studies.shared.network import fitted_backbone, fitted_heads

__all__ = ["COLUMNS", "ensemble_maps", "ensemble_maps_dependencies", "explains_ensembles"]

_SIZE = 56
_GRID = 7
_MASKED_IMAGES = 8
#: Images whose maps are made and written together.
_IMAGES_AT_ONCE = 128
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
    members = [_member(folder, config, asked, inputs) for asked in config.backbones]
    names, frames = members[0].names, union_of_boxes([one.boxes for one in members])
    places = np.sort(sampled(len(names), _masked(config), config.seed))
    mean = PhotographEnsemble(
        [one.network for one in members], ensembles["ensemble"], choose_device(config.device)
    )
    masking = _masked_maps(mean, inputs.folder, [names[i] for i in places], reporter)
    kinds = [f"{name}{kind}" for kind in ("", _PLACE) for name in ensembles]
    sums = {name: np.empty(len(names)) for name in ensembles}
    kept = {kind: np.empty((len(places), _SIZE, _SIZE)) for kind in kinds}  # of covered ones
    with (
        _new_store(folder, kinds, masking, places, _framed(inputs, names, frames)) as store,
        reporter.steps("ensemble: evidence", len(names)) as advance,
    ):
        for start in range(0, len(names), _IMAGES_AT_ONCE):
            some = slice(start, min(start + _IMAGES_AT_ONCE, len(names)))
            here = (places >= some.start) & (places < some.stop)
            for kind, maps in _made(members, ensembles, frames, some).items():
                store[kind][some] = maps.astype(np.float32)
                kept[kind][here] = maps[places[here] - some.start]
                if kind in sums:
                    sums[kind][some] = maps.sum((1, 2))
            advance(some.stop - some.start)
    write_csv(folder.ensemble_maps, _table(folder, sums, kept, masking, names, places))


def _made(
    members: Sequence[_Member],
    ensembles: Mapping[str, Ensemble],
    frames: NDArray[np.float64],
    some: slice,
) -> dict[str, NDArray[np.float64]]:
    """Maps (n, y, x) of some images by every ensemble, from channels and by place."""
    boxes = [one.boxes[some] for one in members]
    return {
        f"{name}{kind}": ensemble_map(maps, one.weights, boxes, frames[some], _SIZE)
        for kind, maps in (
            ("", [member.by_channel(some) for member in members]),
            (_PLACE, [member.by_place(some) for member in members]),
        )
        for name, one in ensembles.items()
    }


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


@dataclass(frozen=True, eq=False)
class _Member:
    """One network of the ensembles, with its stored scores and maps, read as they are asked for."""

    names: list[str]
    boxes: NDArray[np.float64]  # (N, 4) what it saw of each photograph
    network: MemberNetwork
    backbone: Backbone
    plan: AblationPlan
    folder: ImageFolder
    batch_size: int
    stored: xr.Dataset

    @torch.no_grad()
    def by_channel(self, some: slice) -> NDArray[np.float64]:
        """Its channels' evidence in rating units (n, h, w), averaged over its heads."""
        removed = self.stored["delta_prediction"].isel(image=some).mean("seed").values
        scores = -torch.from_numpy(removed).double()
        nothing = np.zeros((0, self.plan.channels), dtype=bool)  # the layer's output is wanted
        maps, done, names = [], 0, self.names[some]
        for batch in batches(self.folder, names, self.backbone.transform, self.batch_size):
            output = self.plan(batch.pixels.to(self.backbone.device), groups=nothing).activation
            own = scores[done : done + len(batch.names)]
            activation = self.backbone.to_map(output).double().cpu()
            maps.append(rating_unit_map(own, activation).numpy())
            done += len(batch.names)
        return np.concatenate(maps)

    def by_place(self, some: slice) -> NDArray[np.float64]:
        """Its evidence by place (n, h, w), averaged over its heads, in rating units."""
        found = self.stored["evidence_place"].isel(image=some).mean("seed").values
        return np.asarray(found, dtype=np.float64)


def _member(
    folder: StudyFolder, config: StudyConfig, asked: BackboneConfig, inputs: Inputs
) -> _Member:
    """Load one member's network and open what is stored of it."""
    with open_maps(folder.maps, asked.label) as stored:
        # What is opened is read piece by piece; nothing is held open in between.
        names = [str(name) for name in stored["image"].values]
        boxes = np.stack([stored[edge].values for edge in _EDGES], axis=1).astype(np.float64)
    backbone = fitted_backbone(folder, config, asked)
    heads = fitted_heads(folder, asked.label, config.seed, config.seeds)
    model = MeanRating(backbone.trunk, heads).to(backbone.device)
    plan = plan_for(backbone, model, inputs.folder)
    network = MemberNetwork((asked.label,), backbone.transform, model)
    return _Member(names, boxes, network, backbone, plan, inputs.folder, config.batch_size, stored)


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


@contextmanager
def _new_store(
    folder: StudyFolder,
    kinds: Sequence[str],
    masking: NDArray[np.float64],
    places: NDArray[np.intp],
    framed: _Framed,
) -> Iterator[zarr.Group]:
    """Give `ensemble.zarr` whose maps are to be written; it appears whole or not at all."""
    fall = {"long_name": "fall of the mean prediction as a square is covered (rating units)"}
    dataset = xr.Dataset(
        {"masking": (("masked", "masked_y", "masked_x"), masking.astype(np.float32), fall)},
        coords={
            "image": as_coordinate(framed.names),
            **framed.axes,
            "masked": as_coordinate([framed.names[i] for i in places]),
            **{edge.replace("crop", "frame"): ("image", values)
               for edge, values in zip(_EDGES, framed.frames.T, strict=True)},
        },
    )  # fmt: skip
    axes = (("image", len(framed.names)), ("y", _SIZE), ("x", _SIZE))
    spec = ArraySpec(axes, "evidence of all members (rating units per cell)")
    partial = folder.root / ".ensemble.zarr.partial"
    with plain_errors(folder.ensemble):
        remove_tree(partial, inside=folder.root)
        dataset.to_zarr(partial, mode="w", consolidated=False, zarr_format=3)
        group = zarr.open_group(partial, mode="a", use_consolidated=False)
        for kind in kinds:
            create_array(group, kind, spec, _IMAGES_AT_ONCE)
        yield group
        consolidate(partial)
        remove_tree(folder.ensemble, inside=folder.root)
        partial.rename(folder.ensemble)


def _table(
    folder: StudyFolder,
    sums: Mapping[str, NDArray[np.float64]],
    kept: Mapping[str, NDArray[np.float64]],
    masking: NDArray[np.float64],
    names: list[str],
    places: NDArray[np.intp],
) -> pd.DataFrame:
    predicted = Predicted.of(folder, list(sums), names).prediction
    tables = []
    for label, own in sums.items():
        cosines = {kind: np.full(len(names), np.nan) for kind in ("", _PLACE)}
        if label == "ensemble":
            for kind, cosine in cosines.items():
                found = zip(kept[f"{label}{kind}"], masking, strict=True)
                cosine[places] = [_cosine(map_, covered) for map_, covered in found]
        tables.append(
            pd.DataFrame(
                {
                    "image": names,
                    "ensemble": label,
                    "prediction": predicted[label],
                    "evidence_sum": own,
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
