"""A study of similarity judgments from configuration to report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from aisthesis.alignment_config import AlignmentConfig, alignment_config
from aisthesis.config import BackboneConfig, slug
from aisthesis.engine import Narrator, digest_of
from aisthesis.engine.alignment_folder import AlignmentFolder
from aisthesis.engine.files import plain_errors
from aisthesis.engine.maps_store import open_maps
from aisthesis.engine.store_index import index_store
from aisthesis.engine.versions import without_nan
from aisthesis.importance.similarity import fold_numbers
from aisthesis.judgments import similarity_ceiling
from aisthesis.judgments.rsa import is_rdms
from aisthesis.memory import plain_memory_errors
from aisthesis.pipeline.align import Aligned, align_backbone, align_parts, require_layers
from aisthesis.pipeline.align_inputs import AlignmentInputs, read_alignment_inputs
from aisthesis.pipeline.align_maps import write_alignment_maps
from aisthesis.pipeline.align_status import alignment_status, maps_piece, record_state
from aisthesis.pipeline.align_tables import write_alignment_tables
from aisthesis.pipeline.catalogue import check_request
from aisthesis.pipeline.own_parts import plain_keys
from aisthesis.pipeline.status import Row
from aisthesis.pipeline.unchanged import refuse_changed
from aisthesis.studies.base import BaseStudy
from aisthesis.whole import whole_file

__all__ = ["Alignment"]


class Alignment(BaseStudy[AlignmentConfig, AlignmentFolder, AlignmentInputs]):
    """One study: images and how alike people find them; channel scores, maps and a report.

    Parameters
    ----------
    config : AlignmentConfig, optional
        A checked configuration; or give its keys by name (`images`, `judgments`, `out`,
        `backbones`, ...), relative paths being relative to the working directory. `judgments` may
        be rsatoolbox RDMs; they are then kept in the study's folder.
    narrator : Narrator, optional
        Who tells progress; by default bars in a notebook, nobody elsewhere.
    follow_links : bool
        Whether links in the study's folder are your own; otherwise it is refused with them.

    Raises
    ------
    RequestError
        If what is asked for cannot be, or `out` holds another study.

    Examples
    --------
    With photographs in the folder `photos` and a table `similarity.csv`:

    >>> import aisthesis as ais
    >>> keys = {"images": "photos", "judgments": "similarity.csv", "backbones": ["miniature:vgg16"]}
    >>> study = ais.Alignment(**keys, out="alike", repeats=1, sizes=8).run()
    >>> study.maps("miniature:vgg16")["alignment_place"].dims
    ('image', 'y', 'x')
    """

    folder_class = AlignmentFolder
    command = "align"

    def __init__(
        self,
        config: AlignmentConfig | None = None,
        *,
        narrator: Narrator | None = None,
        follow_links: bool = False,
        **keys: Any,
    ) -> None:
        self._given: Any = None
        if config is None:
            if is_rdms(keys.get("judgments")):
                self._given = keys["judgments"]
                keys["judgments"] = str(Path(keys.get("out", ".")) / "judgments.npz")
            config = alignment_config(plain_keys(keys), Path.cwd(), "Alignment(...)")
        elif keys:
            raise TypeError("give a configuration or its keys by name, not both")
        super().__init__(config, narrator=narrator, follow_links=follow_links)

    def run(self) -> Alignment:
        """Do what is not done yet: score, retain, validate, map, report.

        Raises
        ------
        RequestError
            For faults in the request, the judgments or the images.
        AisthesisError
            If the work fails; what is finished stays, and the next run goes on from there.
        """
        self.folder.inspect()
        with self._parts():
            self._run()
        return self

    def _run(self) -> None:
        check_request(self.config)
        require_layers(self.config)
        inputs = self.inputs
        # Too few images for the folds is said before the work, not after it.
        fold_numbers(len(inputs.names), self.config.folds, 1, self.config.seed)
        self.folder.check(self.config)
        with self._alone(), plain_memory_errors("align"):
            self._align(inputs)
            self.report()

    def _read_inputs(self) -> AlignmentInputs:
        return read_alignment_inputs(self.config, self._narrator, self._given)

    def _files_judged(self) -> tuple[Path, ...]:
        return () if self._given is not None else self.config.judgments

    def _table_of_images(self) -> Path:
        return self.folder.images_table

    def _status_rows(self) -> list[Row]:
        return alignment_status(self.folder, self.config, self.inputs)

    def report(self) -> Path:
        """Write the report from what the folder holds and give its path."""
        from aisthesis.report.alignment import write_alignment_report

        started = time.perf_counter()
        path = write_alignment_report(
            self.folder.root, progress=self._narrator, follow_links=self.folder.follow_links
        )
        self.folder.record_stage("report", "", started)
        return path

    @property
    def agreement(self) -> pd.DataFrame:
        """`alignment.csv`: agreement with people, ceilings and validation of each backbone."""
        return self._table(self.folder.alignment)

    @property
    def channels(self) -> pd.DataFrame:
        """`channels.csv`: AIS and rank of each channel, and whether it is retained."""
        return self._table(self.folder.channels)

    @property
    def validation(self) -> pd.DataFrame:
        """`validation.csv`: a row a backbone, repeat and fold."""
        return self._table(self.folder.validation)

    def maps(self, label: str) -> xr.Dataset:
        """Open a backbone's heatmaps and each channel's importance in each image."""
        return open_maps(self.folder.maps, label)

    def _align(self, inputs: AlignmentInputs) -> None:
        parts, ledger = align_parts(self.config, inputs), self.folder.ledger
        labels = [asked.label for asked in self.config.backbones]
        pieces = ["align", *(maps_piece(label) for label in labels)]
        if all(ledger.state(piece, parts).done for piece in pieces) and all(
            record_state(self.folder, label).done for label in labels
        ):
            index_store(self.folder.root, self.folder.maps.name)
            self._narrator.say("align: already done")
            return
        started = time.perf_counter()
        results = [self._backbone(inputs, asked, parts) for asked in self.config.backbones]
        write_alignment_tables(self.folder, self.config, inputs, results)
        ledger.enter("align", parts, self.folder.tables)
        index_store(self.folder.root, self.folder.maps.name)
        for _, row in self.agreement.iterrows():
            self._narrator.say(
                f"{row['backbone']}: agreement {row['agreement']:.3f}; held-out R² "
                f"{row['r2_full']:.3f} with all {row['n_channels']} channels, "
                f"{row['r2_retained']:.3f} with {row['n_retained_mean']:.0f} retained (difference "
                f"{row['difference']:.3f}, 95% interval {row['difference_low']:.3f} to "
                f"{row['difference_high']:.3f})"
            )
        self.folder.record_stage("align", digest_of(parts), started)

    def _backbone(
        self, inputs: AlignmentInputs, asked: BackboneConfig, parts: dict[str, str]
    ) -> Aligned:
        result, backbone, plan = align_backbone(
            self.folder, self.config, inputs, asked, self._narrator
        )
        self._refuse_changed(inputs, parts)
        label, own_key = asked.label, digest_of(parts, asked.label)
        ledger, piece = self.folder.ledger, maps_piece(label)
        held = self.folder.backbone_record(label)
        # Where the record is lost, the ledger still has what it said of the maps.
        kept = {**held, **ledger.notes(piece)}
        if ledger.state(piece, parts).done and "places" in kept:
            held = kept
        else:
            maps = write_alignment_maps(
                self.folder, self.config, inputs, backbone, plan, result, own_key, self._narrator
            )
            self._refuse_changed(inputs, parts)
            result.record.update(maps)
            group = self.folder.maps / slug(label)
            ledger.enter(piece, parts, [one for one in group.rglob("*") if one.is_file()], **maps)
        self.folder.record(backbones={label: {**held, **result.record}})
        return result

    def _refuse_changed(self, inputs: AlignmentInputs, parts: dict[str, str]) -> None:
        """Refuse to vouch for work whose images or weights were changed while it lasted.

        Raises
        ------
        AisthesisError
            With what was changed.
        """
        now = align_parts(self.config, inputs)
        others = [name for name in parts if now.get(name) != parts[name]]
        refuse_changed(inputs.folder, inputs.names, inputs.digests, others)

    def _keep_judgments(self, inputs: AlignmentInputs) -> None:
        judged = inputs.similarities
        file = self.folder.judgments
        with plain_errors(file), whole_file(file) as partial:
            np.savez(
                partial,
                dissimilarity=judged.dissimilarity,
                images=np.array(judged.names),
                subjects=np.array(judged.subjects),
            )

    def _record_inputs(self) -> None:
        config, inputs, judged = self.config, self.inputs, self.inputs.similarities
        if self._given is not None:
            self._keep_judgments(inputs)
        ceiling = similarity_ceiling(judged.dissimilarity, measure=config.measure)
        self.folder.record(
            images={
                "folder": str(config.images),
                "n": len(inputs.names),
                "n_not_judged": inputs.n_unjudged_images,
                "skipped": [{"image": name, "reason": why} for name, why in inputs.skipped],
            },
            judgments={
                "files": [str(path) for path in config.judgments],
                "given_as": judged.given,
                "inferred": judged.inferred or None,
                "n_subjects": len(judged.subjects),
                "n_missing": judged.n_missing,
                "n_pairs_nobody_judged": judged.n_unjudged,
                "noise_ceiling": without_nan(ceiling.as_dict()),
            },
        )
