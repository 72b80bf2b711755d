"""What a study folder holds, read once: tables, provenance and maps."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.errors import AisthesisError, RequestError, quoted
from aisthesis.report.folder.asked import Asked
from aisthesis.report.folder.selection import evaluated_split
from aisthesis.report.folder.stored_maps import KINDS, BackboneMaps, read_backbone_maps
from aisthesis.report.words.metricnames import learn
from aisthesis.store.project import settled
from aisthesis.store.tables import read_csv, read_long_csv

__all__ = [
    "FolderRecord",
    "StudyRecord",
    "read_settings",
    "read_study_record",
    "read_table",
    "told_as_damage",
]

REQUIRED = ("study.toml", "predictions.csv", "scores.csv", "provenance.json")
_NUMBERS = frozenset(
    f"{name}{end}"
    for name in ("plcc", "srcc", "krcc", "rmse", "mae", "r2", "rating", "prediction", "n", "mean",
                 "std", "median", "min", "max", "value", "share", "distance", "chance", "p",
                 "single_seed", "opposite_seeds_share",
                 "p_corrected", "reliability_a", "reliability_b", "disattenuated", "n_undefined")
    for end in ("", "_low", "_high")
)  # fmt: skip
#: What predictions of all networks together are called.
ENSEMBLE_LABELS = ("ensemble", "ensemble_stacking")
# What reading or drawing values raises that no study has written.
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
#: What the page needs of each table of inference.
INFERENCE = {
    "reliability": ("map", "metric", "backbone", "mean"),
    "baselines": ("map", "metric", "backbone", "mean"),
    "variance": ("map", "component", "share"),
    "clusters": ("map", "metric", "members", "distance"),
    "images": ("image", "map", "metric"),
}
_DIFFERENCES = ("map", "metric", "compared", "first", "second", "p_corrected")
_OF_CHANNELS = (
    "backbone", "channel", "rank", "effect", "low", "high", "seeds_same_sign", "n_seeds",
    "reliability", "image", "image_rank", "image_effect", "box_left", "box_top",
    "box_right", "box_bottom", "width_px", "height_px",
)  # fmt: skip
_OF_PREDICTIONS = ("score", "compared", "backbone_a", "backbone_b", "p_corrected")


@dataclass(frozen=True)
class FolderRecord:
    """What the folder of a study of either kind says of it.

    Attributes
    ----------
    path : Path
        The study folder.
    config : dict
        `study.toml`, with every default filled in.
    provenance : dict
        `provenance.json`.
    """

    path: Path
    config: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def name(self) -> str:
        """The study's title, or else its folder's name."""
        return self.config.get("title") or self.path.resolve().name

    @property
    def images_dir(self) -> Path | None:
        """Folder of the photographs, or None where it is not known or not there any more."""
        # Where the study file says, which moves with its project; else where they were last.
        named = [self.config.get("images"), (self.provenance.get("images") or {}).get("folder")]
        folders = [self.path / Path(one) for one in named if one]
        return next((folder for folder in folders if folder.is_dir()), None)

    @property
    def seconds(self) -> dict[str, float]:
        """How long each stage took, the report left out."""
        return {
            name: float(facts["seconds"])
            for name, facts in (self.provenance.get("stages") or {}).items()
            if name != "report" and isinstance(facts, dict) and facts.get("seconds") is not None
        }


@dataclass(frozen=True)
class StudyRecord(FolderRecord):
    """One finished study of ratings, as its folder tells it.

    Attributes
    ----------
    predictions, scores : pandas.DataFrame
        The tables of the same names, `predictions` of the test images and of those that are
        explained; `seed` is text (`"0"`, `"mean"`). Names in `predictions` and `agreement_images`
        are categories: these tables have rows for every image.
    agreement, agreement_images, localisation, human_maps : pandas.DataFrame
        The tables of the same names; empty where the study has none.
    reliability, baselines, variance, clusters : pandas.DataFrame
        The tables of inference of the same names; empty where the study has none, or one of an
        older make.
    images : pandas.DataFrame
        Rows of `images.csv` of the images in `explained`; empty likewise.
    between, between_images, methods, faithfulness, cascade : pandas.DataFrame
        `agreement.csv` and `agreement_images.csv` for all kinds of maps (`agreement`,
        `agreement_images` and the tables of inference hold AIS and evidence alone), and the
        tables of the same names; empty where the study has none.
    differences, prediction_differences : pandas.DataFrame
        `agreement_differences.csv` and `prediction_differences.csv`; empty likewise.
    channels, retention, method_differences : pandas.DataFrame
        `top_channels.csv`, `retention.csv` and `faithfulness_differences.csv`; empty likewise.
    maps : dict of str to BackboneMaps
        Maps per backbone label, in the order of `backbones`.
    """

    predictions: pd.DataFrame
    scores: pd.DataFrame
    agreement: pd.DataFrame
    agreement_images: pd.DataFrame
    localisation: pd.DataFrame
    reliability: pd.DataFrame
    baselines: pd.DataFrame
    variance: pd.DataFrame
    clusters: pd.DataFrame
    images: pd.DataFrame
    maps: dict[str, BackboneMaps]
    between: pd.DataFrame = field(default_factory=pd.DataFrame)
    between_images: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"map": []}))
    methods: pd.DataFrame = field(default_factory=pd.DataFrame)
    faithfulness: pd.DataFrame = field(default_factory=pd.DataFrame)
    cascade: pd.DataFrame = field(default_factory=pd.DataFrame)
    method_differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    retention: pd.DataFrame = field(default_factory=pd.DataFrame)
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    prediction_differences: pd.DataFrame = field(default_factory=pd.DataFrame)
    human_maps: pd.DataFrame = field(default_factory=pd.DataFrame)
    channels: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def backbones(self) -> list[str]:
        """Labels of the backbones, in the order of the study."""
        named = list(self.provenance.get("backbones", {}))
        found = (table["backbone"].dropna().unique() for table in (self.predictions, self.scores))
        return list(dict.fromkeys([*named, *chain.from_iterable(found)]))

    @property
    def networks(self) -> list[str]:
        """Labels of the networks themselves, without the ensembles of their predictions."""
        known = self.provenance.get("backbones", {})
        return [one for one in self.backbones if one in known or one not in ENSEMBLE_LABELS]

    @property
    def n_explained(self) -> int:
        """Number of images that have a map, whether or not the page shows them."""
        return max(int(self.provenance.get("explained", {}).get("n") or 0), len(self.explained))

    @property
    def explained(self) -> list[str]:
        """Names of the images whose maps were read: all that have one, or a sample of many."""
        return list(dict.fromkeys(name for stack in self.maps.values() for name in stack.images))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read as text: {error}") from error


def _parsed(path: Path, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    try:
        found = parse(_text(path))
    except RequestError:
        raise
    except (ValueError, RecursionError) as error:  # JSON's and TOML's errors are ValueErrors
        raise RequestError(f"{path} is damaged: {error}; run the study again") from error
    if not isinstance(found, dict):
        raise RequestError(
            f"{path} is damaged: it should hold names and values; run the study again"
        )
    return found


def read_settings(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a folder's `study.toml`, its paths where they are now, and its `provenance.json`.

    Raises
    ------
    RequestError
        If one is missing or damaged.
    """
    provenance = _parsed(path / "provenance.json", json.loads)
    held = _parsed(path / "study.toml", tomllib.loads)
    return settled(held, path, provenance.get("places")), provenance


@contextmanager
def told_as_damage(path: Path) -> Iterator[None]:
    """Say of a study folder that holds what no study writes that it is damaged.

    Raises
    ------
    AisthesisError
        Instead of whatever the values have raised, which stays its cause.
    """
    try:
        yield
    except AisthesisError:
        raise
    except _DAMAGE as error:
        raise AisthesisError(
            f"the report cannot be made from what {path} holds ({type(error).__name__}: "
            f"{str(error)[:200]}): a file of it is damaged or another program's; run the study "
            "again in a new folder"
        ) from error


def read_table(
    path: Path,
    columns: tuple[str, ...],
    *,
    optional: bool = False,
    read: Callable[[Path], pd.DataFrame] = read_csv,
) -> pd.DataFrame:
    """Read a CSV whose names are text and never taken for numbers or for missing values."""
    if optional and not path.exists():
        return pd.DataFrame(columns=list(columns))
    try:
        table = read(path)
    except (OSError, ValueError) as error:
        raise RequestError(
            f"{path} cannot be read as a table: {error}; run the study again"
        ) from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise RequestError(
            f"{path} lacks the column(s) {', '.join(missing)} that a study folder has; "
            f"it has {', '.join(map(str, table.columns))}"
        )
    for name in _NUMBERS.intersection(table.columns):
        column = table[name]
        if not pd.api.types.is_numeric_dtype(column) and len(column.dropna()):
            numbers = pd.to_numeric(column, errors="coerce")
            odd = column[numbers.isna() & column.notna()]
            if len(odd):
                raise RequestError(
                    f"{path} is damaged: its column {name} should hold numbers, but holds "
                    f"{quoted(str(odd.iloc[0]))}; run the study again"
                )
            table[name] = numbers  # text stood in rows that were passed over
    return table


def _inference_table(
    path: Path, columns: tuple[str, ...], read: Callable[[Path], pd.DataFrame] = read_csv
) -> pd.DataFrame:
    """Read a table of inference; one that lacks what the page needs is of another make: empty."""
    table = read_table(path, (), optional=True, read=read)
    usable = all(name in table.columns for name in columns)
    return _base_kinds(table) if usable else pd.DataFrame(columns=list(columns))


def _asked_maps(store: Path, order: list[str], asked: Asked) -> dict[str, BackboneMaps]:
    """Read the maps of the backbones and by the explainers that the study asks for."""
    found = read_backbone_maps(store, order, left_out=asked.left_out)
    return {
        label: maps
        for label, maps in found.items()
        if asked.backbones is None or label in asked.backbones
    }


def _base_kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of AIS and evidence maps: other explainers have a section of their own."""
    base = table["map"].isin(KINDS)
    return table if base.all() else table[base].reset_index(drop=True)


def _rows_of(images: Collection[str], part: pd.DataFrame, split: str = "") -> pd.DataFrame:
    """Rows of some images, and of a split; all where the table does not say of which they are."""
    if "image" not in part or (split and "split" not in part):
        return part
    chosen = np.fromiter(map(images.__contains__, part["image"]), bool, len(part))
    return part[chosen | (part["split"] == split) if split else chosen]


def _named_as(table: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """A table whose names of images are held by another one too, where both name the same."""
    own, theirs = table["image"].dtype, other["image"].dtype
    if not (isinstance(own, pd.CategoricalDtype) and isinstance(theirs, pd.CategoricalDtype)):
        return table
    if not own.categories.equals(theirs.categories):
        return table
    codes = table["image"].cat.codes.to_numpy()
    return table.assign(image=pd.Categorical.from_codes(codes, dtype=theirs))


def read_study_record(path: Path) -> StudyRecord:
    """Read everything the report needs from a study folder.

    Parameters
    ----------
    path : Path
        A study folder whose stages up to `fit` have run; agreement, maps and localisation
        may be missing.

    Returns
    -------
    StudyRecord
        Its tables, provenance and maps, the maps averaged over seeds; what `study.toml` asks for
        no longer is left out.

    Raises
    ------
    RequestError
        If the folder or one of the required files is missing, or a file cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        raise RequestError(f"expected a study folder, found none at {path}; run the study first")
    missing = [name for name in REQUIRED if not (path / name).is_file()]
    if missing:
        raise RequestError(
            f"{path} is not a finished study: it lacks {', '.join(missing)}; "
            "run the study again, it resumes where it stopped"
        )
    keys = ("map", "metric", "backbone_a", "backbone_b")
    config, provenance = read_settings(path)
    learn((provenance.get("parts") or {}).get("metrics"))
    asked = Asked.by(config)
    between = asked.rows(read_table(path / "agreement.csv", (*keys, "mean", "n"), optional=True))
    per_image = asked.rows(
        read_table(
            path / "agreement_images.csv",
            ("image", *keys, "value"),
            optional=True,
            read=read_long_csv,
        )
    )
    maps = _asked_maps(path / "maps.zarr", list(provenance.get("backbones", {})), asked)
    shown = {name for stack in maps.values() for name in stack.images}
    of_shown = partial(read_long_csv, kept=partial(_rows_of, shown))
    scores = read_table(path / "scores.csv", ("backbone", "head", "seed", "split", "n"))
    compared: Any = per_image["image"].astype("category").cat.categories
    # Names of all images are held by the table already, and not once more for looking them up.
    all_compared = all(map(compared.__contains__, shown))
    explained = compared if all_compared else shown | set(compared)
    split = evaluated_split(scores)
    of_predictions = partial(read_long_csv, kept=partial(_rows_of, explained, split=split))
    predictions = read_table(
        path / "predictions.csv",
        ("image", "backbone", "seed", "split", "rating", "prediction"),
        # Images of any other part are of another one for another seed.
        read=of_predictions if split == "test" else read_long_csv,
    )
    # Read in any case, so that a damaged one is told.
    tested = [
        read_table(path / f"{name}.csv", (), optional=True)
        for name in ("faithfulness", "cascade", "faithfulness_differences")
    ]
    localised = read_table(path / "localisation.csv", (), optional=True)
    looked = read_table(path / "human_maps.csv", (), optional=True)
    if not asked.faithfulness:
        tested = [table.iloc[:0] for table in tested]
    return StudyRecord(
        path=path,
        config=config,
        provenance=provenance,
        predictions=_named_as(predictions, per_image),
        scores=scores,
        agreement=_base_kinds(between),
        agreement_images=_base_kinds(per_image),
        between=between,
        between_images=per_image,
        channels=asked.rows(read_table(path / "top_channels.csv", _OF_CHANNELS, optional=True)),
        methods=asked.rows(read_table(path / "methods.csv", (), optional=True)),
        faithfulness=asked.rows(tested[0], controls=True),
        cascade=asked.rows(tested[1], controls=True),
        method_differences=tested[2],
        retention=read_table(path / "retention.csv", (), optional=True),
        localisation=asked.rows(localised if asked.masks else localised.iloc[:0], controls=True),
        human_maps=asked.rows(looked if asked.human_maps else looked.iloc[:0], controls=True),
        **{
            name: _inference_table(
                path / f"{name}.csv", columns, of_shown if name == "images" else read_csv
            )
            for name, columns in INFERENCE.items()
        },
        differences=_inference_table(path / "agreement_differences.csv", _DIFFERENCES),
        prediction_differences=read_table(
            path / "prediction_differences.csv", _OF_PREDICTIONS, optional=True
        ),
        maps=maps,
    )
