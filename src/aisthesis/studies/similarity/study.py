"""A study of similarity judgments from configuration to report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from aisthesis.config import AlignmentConfig
from aisthesis.execution.progress import Silent
from aisthesis.importance.similarity import fold_numbers
from aisthesis.judgments.files.rsa import is_rdms
from aisthesis.judgments.similarity.ceiling import similarity_ceiling
from aisthesis.provenance.versions import without_nan
from aisthesis.store.alignment_folder import AlignmentFolder
from aisthesis.store.maps_store import open_maps
from aisthesis.studies.shared.base import BaseStudy
from aisthesis.studies.shared.expected_cost import Sample
from aisthesis.studies.shared.stage import Stage
from aisthesis.studies.similarity.align import require_layers
from aisthesis.studies.similarity.inputs import (
    AlignmentInputs,
    read_alignment_inputs,
    write_judgments,
)
from aisthesis.studies.similarity.planning import judged_sample
from aisthesis.studies.similarity.stages import similarity_stages

__all__ = ["Alignment"]


class Alignment(BaseStudy[AlignmentConfig, AlignmentFolder, AlignmentInputs]):
    """One study: images and how alike people find them; channel scores, maps and a report.

    Parameters
    ----------
    config : AlignmentConfig, optional
        A checked configuration; or give its keys by name (`images`, `judgments`, `out`,
        `backbones`, ...), relative paths being relative to the working directory. `judgments` may
        be rsatoolbox RDMs; they are then kept in the study's folder.
    reporter : ProgressReporter, optional
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
    commands = ("align", "report")
    command = "align"
    _given: Any = None  # judgments that are in memory

    def _values(self, keys: dict[str, Any]) -> dict[str, Any]:
        if is_rdms(keys.get("judgments")):
            self._given = keys["judgments"]
            keys["judgments"] = str(Path(keys.get("out", ".")) / "judgments.npz")
        return super()._values(keys)

    def _check_request(self) -> None:
        super()._check_request()
        require_layers(self.config)

    def _read_inputs(self) -> AlignmentInputs:
        inputs = read_alignment_inputs(self.config, self._reporter, self._given)
        # Too few images for the folds is said before the work, not after it.
        fold_numbers(len(inputs.names), self.config.folds, 1, self.config.seed)
        return inputs

    def _files_judged(self) -> tuple[Path, ...]:
        return () if self._given is not None else self.config.judgments

    def _table_of_images(self) -> Path:
        return self.folder.images_table

    def _stages(self) -> Iterator[Stage]:
        return similarity_stages(self.folder, self.config, self.inputs, self._specs, self._reporter)

    def _sample(self) -> Sample:
        return judged_sample(self.config, lambda config: Alignment(config, reporter=Silent()))

    def report(self) -> Path:
        """Write the report from what the folder holds and give its path."""
        from aisthesis.report.similarity.write import write_alignment_report

        started = time.perf_counter()
        path = write_alignment_report(
            self.folder.root, progress=self._reporter, follow_links=self.folder.follow_links
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

    def _record_inputs(self) -> None:
        config, inputs, judged = self.config, self.inputs, self.inputs.similarities
        if self._given is not None:
            write_judgments(self.folder.judgments, judged)
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
