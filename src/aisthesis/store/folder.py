"""The study folder: where each file is, whose study it holds, and what is already done."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import tomllib
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import tomli_w
from pydantic import BaseModel

from aisthesis.config import CommonConfig, StudyConfig
from aisthesis.errors import AisthesisError, RequestError
from aisthesis.names.labels import slug
from aisthesis.provenance.versions import made_with
from aisthesis.store.entries import check_entries
from aisthesis.store.files import plain_errors, read_json, remove_tree, write_json, write_text
from aisthesis.store.growth import Change, change_of
from aisthesis.store.ledger import Ledger, file_digest
from aisthesis.store.project import HEADER, absolute_by_name, is_the_folders_own, seen_from, settled

__all__ = ["StudyFolder", "digest_of", "digest_of_files"]


def digest_of(*parts: Any) -> str:
    """Give a short digest of JSON-like values; equal values have equal digests."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of_files(path: Path) -> str:
    """Digest of a file's bytes, or of the names and bytes of all files in a folder."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    return digest_of([(one.relative_to(path).as_posix(), file_digest(one)) for one in files])


class StudyFolder:
    """A folder that holds one study.

    Parameters
    ----------
    root : Path
        The folder; it need not exist yet.
    follow_links : bool
        Whether links in it are its owner's own; otherwise a study with links is refused.
    """

    #: Keys by which a study grows and keeps what is done.
    grows: ClassVar[frozenset[str]] = frozenset(
        {"backbones", "seeds", "explain", "unrated", "ensemble"}
    )
    #: What the study of such a folder is configured by.
    config_class: ClassVar[type[CommonConfig]] = StudyConfig
    #: A key that only studies of the other kind have, and what to do with such a folder.
    other_kind: ClassVar[tuple[str, str]] = (
        "judgments", "a study of similarity judgments; run it with `aisthesis align`",
    )  # fmt: skip

    def __init__(self, root: Path, *, follow_links: bool = False) -> None:
        self.root = root
        self.follow_links = follow_links
        self.study_file = root / "study.toml"
        self.provenance_file = root / "provenance.json"
        self.predictions = root / "predictions.csv"
        self.ridge_predictions = root / "ridge_predictions.csv"
        self.scores = root / "scores.csv"
        self.prediction_differences = root / "prediction_differences.csv"
        self.heads = root / "heads"
        self.maps = root / "maps.zarr"
        self.agreement = root / "agreement.csv"
        self.agreement_images = root / "agreement_images.csv"
        self.agreement_differences = root / "agreement_differences.csv"
        self.reliability = root / "reliability.csv"
        self.baselines = root / "baselines.csv"
        self.variance = root / "variance.csv"
        self.clusters = root / "clusters.csv"
        self.images = root / "images.csv"
        self.localisation = root / "localisation.csv"
        self.human_maps = root / "human_maps.csv"
        self.methods = root / "methods.csv"
        self.faithfulness = root / "faithfulness.csv"
        self.faithfulness_differences = root / "faithfulness_differences.csv"
        self.cascade = root / "cascade.csv"
        self.top_channels = root / "top_channels.csv"
        self.ensemble = root / "ensemble.zarr"
        self.ensemble_maps = root / "ensemble_maps.csv"
        self.properties = root / "properties.csv"
        self.properties_agreement = root / "properties_agreement.csv"
        self.properties_images = root / "properties_images.csv"
        self.properties_differences = root / "properties_differences.csv"
        self.figures = root / "figures"
        self.report = root / "report.html"
        self.cache = root / "cache"

    @property
    def of_properties(self) -> tuple[Path, ...]:
        """Tables that compare several properties of the same images."""
        return (
            self.properties,
            self.properties_agreement,
            self.properties_images,
            self.properties_differences,
        )

    def check(self, config: CommonConfig, *, force: bool = False) -> Change:
        """Refuse a folder that may not hold this study; nothing is written.

        Parameters
        ----------
        config
            Of the study that asks.
        force : bool
            Whether what is there may be removed or computed anew.

        Returns
        -------
        Change
            What the study adds to what the folder holds, and what it loses.

        Raises
        ------
        RequestError
            If something would be lost without `force`, or there are files that are no study.
        """
        _refuse_no_unicode(config)
        _refuse_nested(config, self.root)
        with plain_errors(self.root):
            if self.root.exists() and not self.root.is_dir():
                raise RequestError(f"expected a folder for the study, but {self.root} is a file")
            self.inspect()
            if self.study_file.is_file():
                if not is_the_folders_own(self.study_file):
                    raise RequestError(
                        f"{self.study_file} was not written by a run, so the study does not go "
                        "beside it: it would be overwritten; choose another `out`"
                    )
                return self._change(config, force)
            if self.root.is_dir() and any(
                not file.name.startswith(".lock") for file in self.root.iterdir()
            ):
                raise RequestError(
                    f"the output folder {self.root} is not empty and holds no study; "
                    "choose an empty or new folder"
                )
        return Change()

    def inspect(self) -> None:
        """Refuse a study in whose folder are links, pipes, devices or endless files.

        Raises
        ------
        RequestError
            With the first of them, and what to do.
        """
        if os.path.lexists(self.study_file):
            check_entries(self.root, follow_links=self.follow_links)

    def make(self) -> None:
        """Make the folder where there is none."""
        with plain_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)

    def claim(self, config: CommonConfig, *, force: bool = False) -> Change:
        """Make the folder and write the study into it; what it leaves out is removed.

        Returns
        -------
        Change
            As `check`.

        Raises
        ------
        RequestError
            As `check`.
        """
        change = self.check(config, force=force)
        self.make()
        self._drop(change, [backbone.label for backbone in config.backbones])
        values = config.model_dump(mode="json", exclude_none=True)
        write_text(self.study_file, HEADER + tomli_w.dumps(seen_from(values, self.root.absolute())))
        self.record(places=absolute_by_name(values))
        return change

    def _change(self, config: CommonConfig, force: bool) -> Change:
        """Compare a study with the one that the folder holds.

        Raises
        ------
        RequestError
            If something would be lost without `force`.
        """
        held = self.config(where_last=False).model_dump(mode="json")
        change = change_of(held, config.model_dump(mode="json"), self.grows)
        if change.lost and not force:
            raise RequestError(
                f"the output folder {self.root} holds another study "
                f"(it differs in {', '.join(f'`{key}`' for key in change.keys)}): "
                f"{'; '.join(change.lost)}; choose another `out`, or accept that with --force "
                "(in Python `run(force=True)`)"
            )
        return change

    def _drop(self, change: Change, labels: Iterable[str]) -> None:
        """Remove the heads, maps and records of backbones and seeds that are left out.

        `labels` are those of the backbones that stay.
        """
        for label in change.dropped:
            own = f"/{slug(label)}"
            kept = [
                p for p in self.ledger.all_names() if p.startswith("cache/") and p.endswith(own)
            ]
            for entry in (f"fit{own}", f"align{own}", f"{self.maps.name}{own}", *kept):
                self.ledger.forget(entry)
            with plain_errors(self.maps):
                remove_tree(self.maps / slug(label), inside=self.root)
        gone = [rf"{re.escape(slug(label))}-seed\d+\.safetensors" for label in change.dropped]
        gone += [
            re.escape(self.head_file(label, seed).name)
            for label in labels
            for seed in change.dropped_seeds
        ]
        for folder in (self.heads, self.root / "retained"):
            for file in sorted(folder.iterdir()) if gone and folder.is_dir() else ():
                if re.fullmatch("|".join(gone), file.name):
                    with plain_errors(file):
                        file.unlink(missing_ok=True)
        if change.dropped:
            record = self.provenance()
            held = self.backbone_records()
            record["backbones"] = {k: v for k, v in held.items() if k not in change.dropped}
            write_json(self.provenance_file, record)

    def config(self, *, where_last: bool = True) -> CommonConfig:
        """Read the configuration that the folder holds; `where_last` as for `study_keys`.

        Raises
        ------
        RequestError
            If the folder holds no study of this kind.
        """
        values = self.study_keys(where_last=where_last)
        key, words = self.other_kind
        if key in values:
            raise RequestError(f"{self.root} holds {words}")
        return self.config_class.of(values, self.root.absolute(), str(self.study_file))

    def study_keys(self, *, where_last: bool = True) -> dict[str, Any]:
        """Read the keys of the study that the folder holds, unchecked but for their paths.

        A study may be moved: it is where it is, not where it was made. `where_last` says whether
        files that are not where it names them are looked for where they last were.

        Raises
        ------
        RequestError
            If the folder holds no study.
        """
        self.inspect()
        if not self.study_file.is_file():
            raise RequestError(
                f"expected a study folder, but {self.root} holds no study.toml; "
                "make one with `aisthesis run`"
            )
        try:
            values = tomllib.loads(self.study_file.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            raise RequestError(f"{self.study_file} cannot be read: {error}") from None
        return settled(values, self.root, self.provenance().get("places") if where_last else None)

    @property
    def ledger(self) -> Ledger:
        """What is finished in this folder."""
        return Ledger(self.root)

    def head_file(self, label: str, seed: int) -> Path:
        """Where the head of a backbone and seed is kept."""
        return self.heads / f"{slug(label)}-seed{seed}.safetensors"

    def provenance(self) -> dict[str, Any]:
        """Read the record of how everything here came about.

        It is empty for a new study, and where the file is damaged: the stages then write it anew.
        """
        try:
            held = read_json(self.provenance_file)
        except AisthesisError:
            return {}
        return held if isinstance(held, dict) else {}

    def backbone_records(self) -> dict[str, Any]:
        """What the record says of all backbones, by label."""
        backbones = self.provenance().get("backbones")
        return backbones if isinstance(backbones, dict) else {}

    def backbone_record(self, label: str) -> dict[str, Any]:
        """What the record says of a backbone; empty where it says nothing."""
        held = self.backbone_records().get(label)
        return held if isinstance(held, dict) else {}

    def record(self, **sections: Any) -> None:
        """Add sections to the record; dictionaries are merged key by key."""
        record = self.provenance()
        record["updated"] = datetime.now(UTC).isoformat(timespec="seconds")
        for name, section in sections.items():
            held = record.get(name)
            if isinstance(held, dict) and isinstance(section, dict):
                section = {**held, **section}
            record[name] = section
        write_json(self.provenance_file, record)

    def record_stage(self, stage: str, key: str, started: float) -> None:
        """Add a finished stage: what it was done for, its seconds (`perf_counter`), versions."""
        seconds = round(time.perf_counter() - started, 2)
        self.record(stages={stage: {"key": key, "seconds": seconds, "versions": made_with()}})


def _refuse_no_unicode(config: BaseModel) -> None:
    """Refuse paths whose bytes are no UTF-8: the files of a study are, and could not name them."""
    for key, value in config.model_dump(mode="json").items():
        text = json.dumps(value, ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RequestError(
                f"`{key}`: expected a path in UTF-8, got {text}; rename that folder or file, or "
                "work in another folder"
            ) from None


def _refuse_nested(config: BaseModel, root: Path) -> None:
    """Refuse an output folder whose files would be taken for images or masks, or the reverse."""
    out = root.resolve()
    looked = getattr(config, "human_maps", None)
    folders = {key: getattr(config, key, None) for key in ("images", "masks")}
    for key, given in {**folders, "human maps": None if looked is None else looked.path}.items():
        held = None if given is None else _resolved(Path(given))
        if held is not None and (out.is_relative_to(held) or held.is_relative_to(out)):
            raise RequestError(
                f"the output folder {root} and the folder of {key} {given} lie in one another, so "
                f"the study's files would be taken for {key}; choose an `out` beside it"
            )


def _resolved(path: Path) -> Path | None:
    """Where a path leads; None where it cannot be one, which those who open it say."""
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):
        return None
