"""A study from configuration to report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from aisthesis.agreement.metrics import metrics_named
from aisthesis.config import StudyConfig, study_config
from aisthesis.engine import Narrator, StudyFolder
from aisthesis.engine.jobs import Executor, Serial, forget_loaded
from aisthesis.engine.permitted import require_permitted
from aisthesis.engine.processes import Processes, cores
from aisthesis.engine.store_index import index_store
from aisthesis.engine.tables import read_csv
from aisthesis.errors import RequestError
from aisthesis.maps.explainers import require_libraries
from aisthesis.memory import plain_memory_errors
from aisthesis.parts import denied, is_own
from aisthesis.pipeline.agree import mapped_labels
from aisthesis.pipeline.catalogue import check_request
from aisthesis.pipeline.explain import explain_backbones, explained_images
from aisthesis.pipeline.explainers import explain_by_others
from aisthesis.pipeline.fit import Fit
from aisthesis.pipeline.human_maps import check_human_maps
from aisthesis.pipeline.inputs import Inputs, read_inputs
from aisthesis.pipeline.network import NetworkSpec
from aisthesis.pipeline.own_parts import plain_keys
from aisthesis.pipeline.predict import predict_images
from aisthesis.pipeline.record import record_inputs, warnings_of
from aisthesis.pipeline.retain import retain_files
from aisthesis.pipeline.running import running_rows
from aisthesis.pipeline.stages import do_stage, retain_stage, table_stages
from aisthesis.pipeline.status import Row, study_status
from aisthesis.report import write_report
from aisthesis.studies.base import BaseStudy
from aisthesis.studies.looking import image_of, save_overlays
from aisthesis.studies.one_image import StudyImage
from aisthesis.studies.stored_maps import Maps

__all__ = ["Maps", "Study"]

_STAGES = ("fit", "explain", "agree", "report")


class Study(BaseStudy[StudyConfig, StudyFolder, Inputs]):
    """One study: images and human ratings in; heads, maps, agreement and a report out.

    Parameters
    ----------
    config : StudyConfig, optional
        A checked configuration; or give its keys by name (`images`, `ratings`, `out`,
        `backbones`, ...), relative paths being relative to the working directory.
    narrator : Narrator, optional
        Who tells progress; by default bars in a notebook, nobody elsewhere.
    follow_links : bool
        Whether links in the study's folder are your own; otherwise it is refused with them.

    Raises
    ------
    RequestError
        If what is asked for cannot be.
    """

    folder_class = StudyFolder
    command = "run"

    def __init__(
        self,
        config: StudyConfig | None = None,
        *,
        narrator: Narrator | None = None,
        follow_links: bool = False,
        **keys: Any,
    ) -> None:
        if config is None:
            config = study_config(plain_keys(keys), Path.cwd(), "Study(...)")
        elif keys:
            raise TypeError("give a configuration or its keys by name, not both")
        super().__init__(config, narrator=narrator, follow_links=follow_links)
        self._specs: dict[str, NetworkSpec] = {}

    def run(self, *, until: str = "report", here: bool = False, force: bool = False) -> Study:
        """Do what is not done yet, up to and including a stage.

        A study grows: backbones, seeds, explainers, metrics or images that its folder does not
        hold yet are added, and what is done stays.

        Parameters
        ----------
        until : {"fit", "explain", "agree", "report"}
        here : bool
            Whether all is done in this process, whatever `engine` says.
        force : bool
            Whether results that the folder holds may be removed or computed anew because the
            settings are others; without it that is refused, and said.

        Raises
        ------
        RequestError
            For faults in the request, the tables or the images, or where something would be lost
            without `force`.
        AisthesisError
            If the work fails; what is finished stays, and the next run goes on from there.
        """
        if until not in _STAGES:
            raise RequestError(f"expected a stage out of {', '.join(_STAGES)}, got {until!r}")
        with self._at_work(here=here, force=force) as (inputs, executor):
            for stage in _STAGES[: _STAGES.index(until) + 1]:
                with plain_memory_errors(stage):
                    getattr(self, f"_{stage}")(inputs, executor)
        return self

    @contextmanager
    def _at_work(
        self, *, here: bool = False, force: bool = False
    ) -> Iterator[tuple[Inputs, Executor]]:
        """Check the request, keep other runs out, and give the inputs and who does the work."""
        self.folder.inspect()
        with self._parts(), self._checked(here=here, force=force) as work:
            yield work

    @contextmanager
    def _checked(self, *, here: bool, force: bool) -> Iterator[tuple[Inputs, Executor]]:
        """As `_at_work`, with the user's own parts at hand."""
        known = [n for n in self.config.metrics if not (denied() and is_own("metric", n))]
        if known or not self.config.metrics:
            metrics_named(known)
        check_request(self.config)
        require_libraries(self.config.explainers)
        self.folder.check(self.config, force=force)
        config = self.config.model_copy(update={"engine": "serial"}) if here else self.config
        if self._settings_of is not None and config.engine == "dask":
            require_permitted(config.dask, self._settings_of)
        inputs = self.inputs
        with self._alone(inputs, force=force):
            # Named once a run: a file that is swapped while it lasts is another one, and said so.
            self._specs = {b.label: NetworkSpec.of(self.config, b) for b in self.config.backbones}
            try:
                with _executor(config, self._narrator) as executor:
                    yield inputs, executor
            finally:
                forget_loaded()

    def _read_inputs(self) -> Inputs:
        return read_inputs(self.config, self._narrator)

    def _record_inputs(self, inputs: Inputs) -> None:
        record_inputs(self.folder, self.config, inputs)

    def _files_judged(self) -> tuple[Path, ...]:
        return self.config.ratings_files

    def _table_of_images(self) -> Path:
        return self.folder.predictions

    def _running_rows(self, who: str) -> list[Row]:
        return running_rows(self.folder, self.config, who)

    def _status_rows(self) -> list[Row]:
        return study_status(self.folder, self.config, self.inputs, self._narrator)

    def _fit(self, inputs: Inputs, executor: Executor) -> None:
        check_human_maps(self.config, inputs)
        fit = Fit(self.folder, self.config, inputs, self._specs, self._narrator)
        if fit.run(executor):
            self.folder.record(warnings=warnings_of(self.folder, self.config, inputs))

    def _explain(self, inputs: Inputs, executor: Executor) -> None:
        started = time.perf_counter()
        made = explain_backbones(self.config, inputs, self._specs, executor, self._narrator)
        made |= explain_by_others(self.config, inputs, self._specs, executor, self._narrator)
        index_store(self.folder.root, self.folder.maps.name)
        explained = explained_images(self.config, inputs)
        self.folder.record(explained={"which": self.config.explain, "n": len(explained)})
        if made or "explain" not in (self.folder.provenance().get("stages") or {}):
            self.folder.record_stage("explain", "", started)

    def _agree(self, inputs: Inputs, executor: Executor) -> None:
        folder, narrator = self.folder, self._narrator
        for stage in table_stages(folder, self.config, inputs, executor, narrator):
            do_stage(folder, stage, narrator)

    def _report(self, inputs: Inputs, executor: Executor) -> None:
        self.report()

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
        with self._at_work() as (inputs, executor):
            self._fit(inputs, executor)
            stage = retain_stage(
                self.folder, self.config, inputs, self._specs, (folds, repeats), self._narrator
            )
            do_stage(self.folder, stage, self._narrator)
        return read_csv(retain_files(self.folder)["retention"])

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
            prediction; in rating units.
        """
        self.folder.inspect()
        with self._parts():
            return predict_images(
                self.folder,
                self.config,
                Path(images),
                on_error=on_error,
                device=device,
                narrator=self._narrator,
                retained=retained,
            )

    def report(self, photographs: Literal["auto", "inline", "folder"] = "auto") -> Path:
        """Write the report from what the folder holds and give its path.

        Parameters
        ----------
        photographs : {"auto", "inline", "folder"}
            Whether the image browser's photographs lie inside the page or as files beside it, in
            `report-photographs/`; `auto` keeps them inside while they take less than about 20 MB.
        """
        started = time.perf_counter()
        page = write_report(
            self.folder.root,
            progress=self._narrator,
            photographs=photographs,
            follow_links=self.folder.follow_links,
        )
        self.folder.record_stage("report", "", started)
        return page

    @property
    def predictions(self) -> pd.DataFrame:
        """`predictions.csv`."""
        return self._table(self.folder.predictions, "fit")

    @property
    def ridge_predictions(self) -> pd.DataFrame:
        """`ridge_predictions.csv`: the sanity line's predictions, as in `predictions.csv`."""
        return self._table(self.folder.ridge_predictions, "fit")

    @property
    def scores(self) -> pd.DataFrame:
        """`scores.csv`: prediction quality per backbone, head, seed and split."""
        return self._table(self.folder.scores, "fit")

    @property
    def prediction_differences(self) -> pd.DataFrame:
        """`prediction_differences.csv`: paired differences of networks' scores, and of heads'."""
        return self._table(self.folder.prediction_differences, "fit")

    @property
    def agreement(self) -> pd.DataFrame:
        """`agreement.csv`: a row per kind of map, metric and pair of backbones."""
        return self._table(self.folder.agreement, "agree")

    @property
    def agreement_images(self) -> pd.DataFrame:
        """`agreement_images.csv`: a row per image, kind of map, metric and pair of backbones."""
        return self._table(self.folder.agreement_images, "agree")

    @property
    def agreement_differences(self) -> pd.DataFrame:
        """`agreement_differences.csv`: paired differences of pairs, and of networks."""
        return self._table(self.folder.agreement_differences, "agree")

    @property
    def reliability(self) -> pd.DataFrame:
        """`reliability.csv`: agreement of each backbone with itself across seeds."""
        return self._table(self.folder.reliability, "agree")

    @property
    def baselines(self) -> pd.DataFrame:
        """`baselines.csv`: agreement of each backbone's maps with its layer's mean activation."""
        return self._table(self.folder.baselines, "agree")

    @property
    def variance(self) -> pd.DataFrame:
        """`variance.csv`: shares of the maps' variance between images, backbones and seeds."""
        return self._table(self.folder.variance, "agree")

    @property
    def clusters(self) -> pd.DataFrame:
        """`clusters.csv`: a row per merge of the backbones' hierarchical clustering."""
        return self._table(self.folder.clusters, "agree")

    @property
    def faithfulness(self) -> pd.DataFrame:
        """`faithfulness.csv`: whether each method's maps are true to their network."""
        return self._table(self.folder.faithfulness, "agree")

    @property
    def methods(self) -> pd.DataFrame:
        """`methods.csv`: agreement of every two methods on each backbone."""
        return self._table(self.folder.methods, "agree")

    @property
    def images(self) -> pd.DataFrame:
        """`images.csv`: consensus, controversy and predictions, image by image."""
        return self._table(self.folder.images, "agree")

    @property
    def maps(self) -> Maps:
        """AIS maps by backbone."""
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
        return save_overlays(
            self.folder, self.config, self.maps, Path(folder), kind, images, limit, side_px
        )

    def __repr__(self) -> str:
        """Say where the study is, what it is of and which of its stages have been done."""
        stages = self.folder.provenance().get("stages")
        done = [name for name in _STAGES if isinstance(stages, dict) and name in stages]
        if self.folder.predictions.is_file() and "fit" not in done:
            done.insert(0, "fit")
        labels = [backbone.label for backbone in self.config.backbones]
        shown = ", ".join(labels[:6]) + (", ..." if len(labels) > 6 else "")
        return (
            f"Study({str(self.folder.root)!r}: {len(labels)} network"
            f"{'s' if len(labels) > 1 else ''} ({shown}), "
            f"{self.config.seeds} seed{'s' if self.config.seeds > 1 else ''}; "
            f"done: {', '.join(done) or 'nothing yet'})"
        )

    def _repr_html_(self) -> str:
        """The same, with the table of held-out scores where there is one."""
        said = f"<p>{escape(repr(self))}</p>"
        if not self.folder.scores.is_file():
            return said
        scores = self.scores.query("split == 'test' and seed == 'mean' and head == 'mlp'")
        shown = scores[[c for c in ("backbone", "n", "plcc", "srcc", "rmse", "r2") if c in scores]]
        return said + str(shown.round(3).to_html(index=False, border=0))


@contextmanager
def _executor(config: StudyConfig, narrator: Narrator) -> Iterator[Executor]:
    """Give who does the work on chunks: this process, some beside it, or a cluster."""
    if config.engine == "serial":
        yield Serial()
        return
    if config.engine == "processes":
        yield Processes(config.workers or cores(), config.threads)
        return
    from aisthesis.engine.cluster import dask_executor

    with dask_executor(
        config.dask, config.workers, config.threads, narrator, config.out
    ) as executor:
        yield executor
