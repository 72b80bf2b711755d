"""A study from configuration to report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import pandas as pd

from aisthesis.agreement.metrics import metrics_named
from aisthesis.config import SPLIT_FILE, StudyConfig, property_configs
from aisthesis.errors import RequestError
from aisthesis.execution.progress import Prefixed, Silent
from aisthesis.explainers.registry import require_libraries
from aisthesis.parts import denied, is_own
from aisthesis.store.folder import StudyFolder
from aisthesis.store.ledger import State
from aisthesis.store.lock import at_work
from aisthesis.studies.ratings.comparing.agree import mapped_labels
from aisthesis.studies.ratings.explaining.explain import Studied
from aisthesis.studies.ratings.inputs.reading import Inputs, read_inputs
from aisthesis.studies.ratings.inputs.record import record_inputs, record_together
from aisthesis.studies.ratings.inputs.together import InputsTogether, read_together
from aisthesis.studies.ratings.planning import rated_sample
from aisthesis.studies.ratings.predict import Embedded, predict_images
from aisthesis.studies.ratings.properties.comparison import (
    OneProperty,
    by_property,
    properties_stage,
)
from aisthesis.studies.ratings.properties.maps import PropertyMaps
from aisthesis.studies.ratings.retaining.retain import retain_files
from aisthesis.studies.ratings.running import running_rows
from aisthesis.studies.ratings.showing.in_notebooks import study_as_html, study_in_words
from aisthesis.studies.ratings.showing.looking import image_of, save_overlays
from aisthesis.studies.ratings.showing.one_image import StudyImage
from aisthesis.studies.ratings.showing.stored_maps import Maps
from aisthesis.studies.ratings.stages import rating_stages, retain_stage, retained_before
from aisthesis.studies.ratings.tables import StudyTables
from aisthesis.studies.shared.base import BaseStudy
from aisthesis.studies.shared.catalogue import check_request
from aisthesis.studies.shared.expected_cost import Sample
from aisthesis.studies.shared.plan import Plan, of_properties
from aisthesis.studies.shared.rows import STATUS_COLUMNS, Row
from aisthesis.studies.shared.stage import Stage

__all__ = ["Maps", "Study"]


class Study(BaseStudy[StudyConfig, StudyFolder, Inputs], StudyTables):
    """One study: images and human ratings in; heads, maps, agreement and a report out.

    Parameters
    ----------
    config : StudyConfig, optional
        A checked configuration; or give its keys by name (`images`, `ratings`, `out`,
        `backbones`, ...), relative paths being relative to the working directory.
    reporter : ProgressReporter, optional
        Who tells progress; by default bars in a notebook, nobody elsewhere.
    follow_links : bool
        Whether links in the study's folder are your own; otherwise it is refused with them.

    Raises
    ------
    RequestError
        If what is asked for cannot be.

    Examples
    --------
    With photographs in the folder `photos` and a table `ratings.csv`:

    >>> import aisthesis as ais
    >>> keys = {"images": "photos", "ratings": "ratings.csv", "metrics": ["cosine"]}
    >>> networks = ["miniature:vgg16", "miniature:vgg19"]
    >>> study = ais.Study(**keys, backbones=networks, out="study").run()
    >>> study.maps["miniature:vgg16"].dims
    ('image', 'y', 'x')
    """

    folder_class = StudyFolder
    commands = ("fit", "explain", "agree", "report")
    command = "run"
    _together: InputsTogether | None = None  # inputs of several properties

    @cached_property
    def properties(self) -> dict[str, Study]:
        """A study of each property by its name, in a folder of its own; empty where there is one.

        All have the images, the test images and the passes through each trunk in common.
        """
        each = {}
        for name, config in property_configs(self.config).items():
            each[name] = Study(
                config,
                reporter=Prefixed(self._reporter, name),
                follow_links=self.folder.follow_links,
            )
            each[name]._settings_of, each[name]._beside = self._settings_of, self._beside
        return each

    def _check_request(self) -> None:
        known = [n for n in self.config.metrics if not (denied() and is_own("metric", n))]
        if known or not self.config.metrics:
            metrics_named(known)
        super()._check_request()
        require_libraries(self.config.explainers)

    @property
    def _all_folders(self) -> Sequence[Study]:
        return (self, *self.properties.values())

    def _name_networks(self) -> None:
        super()._name_networks()
        for study in self.properties.values():
            study._specs = {
                label: replace(one, root=study.config.out) for label, one in self._specs.items()
            }

    @property
    def _studies(self) -> list[Study]:
        """The study of each property; this one where there is one."""
        return list(self.properties.values()) or [self]

    def _know_inputs(self) -> None:
        """Read and check the images and the ratings of every property, once."""
        if not self.properties:
            _ = self.inputs
        elif self._together is None:
            started = time.perf_counter()
            configs = {name: study.config for name, study in self.properties.items()}
            self._together = read_together(self.config, configs, self._reporter)
            for name, study in self.properties.items():
                study._inputs = self._together.each[name]
            self._checked_in = time.perf_counter() - started

    def _read_inputs(self) -> Inputs:
        self._refuse_several("inputs")
        return read_inputs(self.config, self._reporter)

    def _refuse_several(self, what: str) -> None:
        """Refuse what is of one property where there are several."""
        if self.properties:
            raise RequestError(
                "the images of this study were rated for several properties; ask for that of one: "
                f"study.properties[{next(iter(self.properties))!r}].{what}"
            )

    def _record_inputs(self) -> None:
        if self._together is None:
            record_inputs(self.folder, self.config, self.inputs)
            return
        self._together.write_split(self.folder.root / SPLIT_FILE)
        configs = {name: study.config for name, study in self.properties.items()}
        record_together(self.folder, configs, self._together)

    def _files_judged(self) -> tuple[Path, ...]:
        split = () if self.config.split is None else (self.config.split,)
        return (*self.config.ratings_files, *split)

    def _table_of_images(self) -> Path:
        return self._studies[0].folder.predictions

    def _running_rows(self, who: str) -> list[Row]:
        return running_rows(self.folder, self.config, who)

    def _studied(self) -> Studied:
        return Studied(self.folder, self.config, self.inputs, self._specs, self._reporter)

    def _stages(self) -> Iterator[Stage]:
        yield from rating_stages([one._studied() for one in self._studies], self._reporter)
        if self.properties:
            yield self._comparison

    def _stages_asked_for(self) -> Iterator[Stage]:
        validation = retained_before(self.folder)
        if validation is not None:
            yield retain_stage(self._studied(), validation)

    def _sample(self) -> Sample:
        return rated_sample(self.config, lambda config: Study(config, reporter=Silent()))

    def plan(
        self, *, n_images: int | None = None, n_workers: int = 1, n_measured: int = 96
    ) -> Plan:
        """As for any study; of several properties each is taken to cost what the first one does."""
        one = self._studies[0]
        plan = super(Study, one).plan(n_images=n_images, n_workers=n_workers, n_measured=n_measured)
        return of_properties(plan, len(self.properties)) if self.properties else plan

    @property
    def _comparison(self) -> Stage:
        """The stage that compares the properties."""
        compared = [
            OneProperty(name, study.folder, study.config) for name, study in self.properties.items()
        ]
        return properties_stage(self.folder, self.config, compared, self._reporter)

    def status(self) -> pd.DataFrame:
        """Say what is done, stale, damaged or to do, and why; nothing is computed or written.

        Returns
        -------
        DataFrame
            Columns ``stage, of, state, done, total, why``: a row for each stage, and where a stage
            goes backbone by backbone for each backbone. Of several properties the first column is
            ``property``; the rows of what compares them have none.
        """
        if not self.properties:
            return super().status()
        self.folder.inspect()
        tables = {}
        with self._parts():
            check_request(self.config)
            if not at_work(self.folder.root) and not self.absent:
                self._know_inputs()
            for name, study in self.properties.items():
                rows = study.status() if self._together is None else study._status_rows()
                tables[name] = pd.DataFrame(rows, columns=list(STATUS_COLUMNS))
            tables[""] = self._status_of_comparison(tables)
        return by_property(tables)

    def _status_of_comparison(self, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
        """Rows of the stage that compares the properties, from those of what it is made of."""
        stage = self._comparison
        (standing,) = stage.standing()
        state = standing.state
        for name, table in tables.items():
            unfinished = table[(table["state"] != "done") & table["stage"].isin(stage.after)]
            if state.done and len(unfinished):
                first = unfinished.iloc[0]
                why = f"{first['stage']} of {first['of']} ({name}) is {first['state']}"
                state = State("stale", why)
        row = (stage.name, standing.of, state.kind, int(state.done), 1, state.why)
        return pd.DataFrame([row], columns=list(STATUS_COLUMNS))

    def retain(self, *, folds: int = 4, repeats: int = 2) -> pd.DataFrame:
        """Keep each head's most important channels and say whether it then predicts better.

        Fits first where that is not done. Writes `retention.csv`, `retention_folds.csv`,
        `retention_curve.csv`, `retention_channels.csv` and the retained predictors.

        Parameters
        ----------
        folds, repeats : int
            Of the nested cross-validation.

        Returns
        -------
        DataFrame
            `retention.csv`: full against retained PLCC and SRCC on held-out images.
        """
        if folds < 2 or repeats < 1:
            raise RequestError(f"expected at least 2 folds and 1 repeat, got {folds} and {repeats}")
        with self._at_work() as executor:
            self._do(executor, "fit")
            for one in self._studies:
                retain_stage(one._studied(), (folds, repeats)).do(executor)
        return self._table(retain_files(self.folder)["retention"], "retain")

    def predict(
        self,
        images: str | Path,
        *,
        on_error: Literal["stop", "skip"] = "stop",
        device: str = "auto",
        retained: bool = False,
    ) -> pd.DataFrame:
        """Rate unseen images with the fitted heads.

        Parameters
        ----------
        images : path
            A folder of images.
        on_error : {"stop", "skip"}
            What a broken image does.
        device : str
        retained : bool
            Whether the predictors that `retain` saved are used.

        Returns
        -------
        DataFrame
            Columns ``image, backbone, seed, prediction``; seed ``mean`` is the averaged
            prediction; in rating units. Of several properties the first column is ``property``.
        """
        self.folder.inspect()
        tables, embedded = {}, Embedded()  # one pass of each trunk for all properties
        with self._parts():
            for name, study in (self.properties or {"": self}).items():
                tables[name] = predict_images(
                    study.folder,
                    study.config,
                    Path(images),
                    on_error=on_error,
                    device=device,
                    reporter=study._reporter,
                    retained=retained,
                    embedded=embedded,
                )
        return by_property(tables) if self.properties else tables[""]

    def report(self, photographs: Literal["auto", "inline", "folder"] = "auto") -> Path:
        """Write the report from what the folder holds and give its path.

        Parameters
        ----------
        photographs : {"auto", "inline", "folder"}
            Whether the image browser's photographs lie inside the page or as files beside it, in
            `report-photographs/`; `auto` keeps them inside while they take less than about 20 MB.

        Returns
        -------
        Path
            `report.html`; of several properties that which compares them and leads to the report
            of each, which is written too.
        """
        for study in self.properties.values():
            study.report(photographs)
        started = time.perf_counter()
        follow_links = self.folder.follow_links
        if self.properties:
            from aisthesis.report.properties import write_properties_report

            page = write_properties_report(
                self.folder.root, progress=self._reporter, follow_links=follow_links
            )
        else:
            from aisthesis.report.write import write_report  # a second that `status` does without

            page = write_report(
                self.folder.root,
                progress=self._reporter,
                photographs=photographs,
                follow_links=follow_links,
            )
        self.folder.record_stage("report", "", started)
        return page

    def _table(self, path: Path, command: str = "") -> pd.DataFrame:
        """A table of the folder; those of all properties one after the other."""
        if not self.properties or path in self.folder.of_properties:
            return super()._table(path, command)
        return by_property(
            {
                name: study._table(study.folder.root / path.relative_to(self.folder.root), command)
                for name, study in self.properties.items()
            }
        )

    @property
    def maps(self) -> Maps:
        """AIS maps by backbone; of several properties with the dimension `property`."""
        if self.properties:
            return PropertyMaps({name: study.maps for name, study in self.properties.items()})
        return Maps(self.folder, self.config, mapped_labels(self.folder, self.config))

    def image(self, name: str, *, kind: str = "ais") -> StudyImage:
        """Give one image with all networks' maps of it; a notebook shows them.

        Parameters
        ----------
        name : str
            As the study's tables name it.
        kind : str
            Of the maps: `ais`, `evidence`, `ais_place`, `evidence_place` or another explainer.

        Raises
        ------
        RequestError
            If the study has no maps of it, with the nearest right names.
        """
        self._refuse_several("image(...)")
        return image_of(self.folder, self.config, self.maps, name, kind)

    def save_overlays(
        self,
        folder: str | Path,
        *,
        kind: str = "ais",
        images: Sequence[str] | None = None,
        limit: float | None = None,
        side_px: int = 512,
    ) -> list[Path]:
        """Write every map over its photograph as PNG: `folder`/network/image.png.

        `limits.csv` beside them says for each picture which value has full colour.

        Parameters
        ----------
        folder : path
            Is made; outside of the folder of images.
        kind, images
            Which maps, and of which images (all that are explained).
        limit : float, optional
            Full colour of all pictures; by default each map's largest magnitude.
        side_px : int
            Longer side of a picture.

        Returns
        -------
        list of Path
            What was written.
        """
        self._refuse_several("save_overlays(...)")
        return save_overlays(
            self.folder, self.config, self.maps, Path(folder), kind, images, limit, side_px
        )

    def __repr__(self) -> str:
        """Say where the study is, what it is of and which of its stages have been done."""
        first = self._studies[0].folder  # stages are done for all properties in turn
        return study_in_words(
            self.folder.root, self.config, list(self.properties), first, self.commands
        )

    def _repr_html_(self) -> str:
        """The same, with the table of held-out scores where there is one."""
        there = all(one.folder.scores.is_file() for one in self._studies)
        return study_as_html(repr(self), self.scores if there else None)
