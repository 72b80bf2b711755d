"""What studies of both kinds share: settings, folder, inputs, lock, stages, status."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import pandas as pd

from aisthesis.config import CommonConfig
from aisthesis.errors import RequestError
from aisthesis.execution.jobs import Executor, forget_loaded
from aisthesis.execution.progress import ProgressReporter, reporter_here
from aisthesis.execution.sharing import executor_of
from aisthesis.memory import give_memory_back, plain_memory_errors
from aisthesis.store.folder import StudyFolder
from aisthesis.store.growth import Change
from aisthesis.store.lock import at_work, folder_lock
from aisthesis.store.permitted import folder_of, require_permitted
from aisthesis.store.tables import read_csv
from aisthesis.studies.shared.absent import absent_inputs, status_without_inputs
from aisthesis.studies.shared.catalogue import check_request
from aisthesis.studies.shared.expected_cost import Sample, plan_study
from aisthesis.studies.shared.network import NetworkSpec
from aisthesis.studies.shared.own_parts import parts_at_hand, plain_keys, record_parts
from aisthesis.studies.shared.plan import Plan
from aisthesis.studies.shared.rows import STATUS_COLUMNS, Row
from aisthesis.studies.shared.stage import Shared, Stage, status_rows

__all__ = ["BaseStudy"]

ConfigT = TypeVar("ConfigT", bound=CommonConfig)
FolderT = TypeVar("FolderT", bound=StudyFolder)
InputsT = TypeVar("InputsT")


class BaseStudy(ABC, Generic[ConfigT, FolderT, InputsT]):
    """A folder of one study and what it is computed from.

    Parameters
    ----------
    config : CommonConfig, optional
        Checked, of the kind's own class; or give its keys by name.
    reporter : ProgressReporter, optional
        Who tells progress; by default bars in a notebook, nobody elsewhere. Its former name,
        `narrator`, is still taken.
    follow_links : bool
        Whether links in the study's folder are your own; otherwise it is refused with them.
    """

    #: The class of the kind's folders, which also reads its configurations.
    folder_class: ClassVar[type[StudyFolder]]
    #: The commands that do its stages, in their order; the last one is `report`.
    commands: ClassVar[tuple[str, ...]]
    #: The command that makes a table which is missing.
    command: ClassVar[str]

    def __init__(
        self,
        config: ConfigT | None = None,
        *,
        reporter: ProgressReporter | None = None,
        narrator: ProgressReporter | None = None,
        follow_links: bool = False,
        **keys: Any,
    ) -> None:
        if config is None:
            values, source = self._values(keys), f"{type(self).__name__}(...)"
            made: Any = self.folder_class.config_class.of(values, Path.cwd(), source)
            config = made
        elif keys:
            raise TypeError("give a configuration or its keys by name, not both")
        self.config: ConfigT = config
        self.folder: FolderT = self.folder_class(  # type: ignore[assignment]
            config.out, follow_links=follow_links
        )
        self._reporter = reporter or narrator or reporter_here()
        self._inputs: InputsT | None = None
        self._specs: dict[str, NetworkSpec] = {}
        self._checked_in = 0.0
        self._settings_of: Path | None = None  # the study's folder, where they come from there
        self._beside: Path | None = None  # where the study file lies

    def _values(self, keys: dict[str, Any]) -> dict[str, Any]:
        """Values of a study file's keys out of what a program gives."""
        return plain_keys(keys)

    @classmethod
    def from_toml(
        cls,
        path: str | Path,
        *,
        reporter: ProgressReporter | None = None,
        narrator: ProgressReporter | None = None,
        follow_links: bool = False,
    ) -> Self:
        """Read a study file; its relative paths are relative to its own folder.

        One that a run has written into a study's folder is of that folder, wherever it is now.

        Raises
        ------
        RequestError
            If the file is missing, is not TOML, or asks for what cannot be.
        """
        own = folder_of(Path(path))
        if own is not None:
            return cls.open(own, reporter=reporter or narrator, follow_links=follow_links)
        config = cls.folder_class.config_class.read(Path(path))
        study = cls(config, reporter=reporter or narrator, follow_links=follow_links)  # type: ignore[arg-type]
        study.settings_from(Path(path))
        return study

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        reporter: ProgressReporter | None = None,
        narrator: ProgressReporter | None = None,
        follow_links: bool = False,
    ) -> Self:
        """Open a study folder that a run has written.

        Its settings are not trusted with what runs code: a cluster is started with the few
        options of `engine.permitted` alone.

        Raises
        ------
        RequestError
            If the folder holds no study of this kind.
        """
        held = cls.folder_class(Path(folder), follow_links=follow_links).config()
        study = cls(held, reporter=reporter or narrator, follow_links=follow_links)  # type: ignore[arg-type]
        study._settings_of = Path(folder)
        return study

    def settings_from(self, file: Path) -> None:
        """Say which study file the settings come from; one in a study's folder is not trusted."""
        self._settings_of, self._beside = folder_of(file), file.absolute().parent

    def _parts(self) -> AbstractContextManager[None]:
        """Have the user's own parts at hand; none where the settings come from a folder."""
        return parts_at_hand(self.config, self.folder, self._settings_of, self._beside)

    @property
    def inputs(self) -> InputsT:
        """Images and judgments, read and checked once."""
        if self._inputs is None:
            started = time.perf_counter()
            self._inputs = self._read_inputs()
            give_memory_back()
            self._checked_in = time.perf_counter() - started
        return self._inputs

    @property
    def absent(self) -> str:
        """What of the images and judgments is not there any more; empty where all is there."""
        if self._settings_of is not None and self.config.columns.reader:
            return (
                f"the judgments are read by {self.config.columns.reader}, which is code and so is "
                "not run from a study's folder; if the study is yours, run its own study file"
            )
        return absent_inputs(self.config.images, self._files_judged(), self._table_of_images())

    def run(self, *, until: str = "report", here: bool = False, force: bool = False) -> Self:
        """Do what is not done yet, up to and including the stages of a command.

        A study grows: backbones and, of ratings, seeds, explainers, metrics or images that its
        folder does not hold yet are added, and what is done stays.

        Parameters
        ----------
        until : str
            One of `commands`: for ratings `fit`, `explain`, `agree` or `report`; for similarity
            judgments `align` or `report`.
        here : bool
            Whether all is done in this process, whatever `engine` says.
        force : bool
            Whether results that the folder holds may be removed or computed anew because the
            settings are others; without it that is refused, and said.

        Raises
        ------
        RequestError
            For faults in the request, the judgments or the images, or where something would be
            lost without `force`.
        AisthesisError
            If the work fails; what is finished stays, and the next run goes on from there.
        """
        if until not in self.commands:
            raise RequestError(f"expected a stage out of {', '.join(self.commands)}, got {until!r}")
        with self._at_work(here=here, force=force) as executor:
            self._do(executor, until)
            if until == "report":
                with plain_memory_errors("report"):
                    self.report()
        return self

    def _do(self, executor: Executor, until: str) -> None:
        """Do the stages up to a command."""
        wanted = self.commands[: self.commands.index(until) + 1]
        for stage in self._stages():
            if stage.command not in wanted:
                return
            stage.do(executor)

    @property
    def shared(self) -> dict[str, Shared]:
        """What of its stages workers share, by the name of its time in the record; among what."""
        return {name: what for one in self._stages() for name, what in one.shared.items()}

    def plan(
        self, *, n_images: int | None = None, n_workers: int = 1, n_measured: int = 96
    ) -> Plan:
        """Measure the study on a few of its images and say what all of it will take.

        Parameters
        ----------
        n_images : int, optional
            Size to plan for; by default that of the study.
        n_workers : int
            Of a cluster with workers like this process.
        n_measured : int
            Most images that it is measured on.

        Raises
        ------
        RequestError
            If there are too few images to measure on.
        """
        with self._parts():
            return plan_study(
                self._sample(),
                seed=self.config.seed,
                n_images=n_images,
                n_workers=n_workers,
                n_measured=n_measured,
                reporter=self._reporter,
            )

    def status(self) -> pd.DataFrame:
        """Say what is done, stale, damaged or to do, and why; nothing is computed or written.

        The digest of every file that the study has made is computed again.

        Returns
        -------
        DataFrame
            Columns ``stage, of, state, done, total, why``: a row for each stage, and where a stage
            goes backbone by backbone for each backbone. While a run is at work no image is read:
        what it has finished is counted.
        """
        self.folder.inspect()
        with self._parts():
            check_request(self.config)
            who = at_work(self.folder.root)
            rows = self._running_rows(who) if who else []
            if not rows:
                why = self.absent
                rows = status_without_inputs(self.folder, why) if why else self._status_rows()
        return pd.DataFrame(rows, columns=list(STATUS_COLUMNS))

    def _status_rows(self) -> list[Row]:
        self._name_networks()
        return status_rows([*self._stages(), *self._stages_asked_for()])

    def _name_networks(self) -> None:
        """Say which weights are meant: once a run, so that a file that is swapped is found out."""
        self._specs = {b.label: NetworkSpec.of(self.config, b) for b in self.config.backbones}

    @contextmanager
    def _at_work(self, *, here: bool = False, force: bool = False) -> Iterator[Executor]:
        """Check the request, read the inputs, keep other runs out, and give who does the work."""
        self.folder.inspect()
        with self._parts():
            self._check_request()
            self.folder.check(self.config, force=force)
            config = self.config.model_copy(update={"engine": "serial"}) if here else self.config
            if self._settings_of is not None and config.engine == "dask":
                require_permitted(config.dask, self._settings_of)
            self._know_inputs()
            with ExitStack() as stack:
                for study in self._all_folders:
                    stack.enter_context(study._alone(force=force))
                self._name_networks()
                try:
                    yield stack.enter_context(executor_of(config, self._reporter))
                finally:
                    forget_loaded()

    def _know_inputs(self) -> None:
        """Read and check the inputs, where that is not done."""
        _ = self.inputs

    @property
    def _all_folders(self) -> Sequence[BaseStudy[ConfigT, FolderT, InputsT]]:
        """This study first, and those of its parts that have a folder of their own."""
        return (self,)

    @contextmanager
    def _alone(self, *, force: bool = False) -> Iterator[None]:
        """Keep other runs out of the folder and write the study and its inputs into it.

        `force` says whether what the folder holds may be removed or computed anew.
        """
        self.folder.make()
        with folder_lock(self.folder.root):
            self._tell(self.folder.claim(self.config, force=force))
            self._record_inputs()
            record_parts(self.folder, self.config)
            self.folder.record(stages={"check": {"seconds": round(self._checked_in, 3)}})
            yield

    def _tell(self, change: Change) -> None:
        """Say what a study that was there adds or loses."""
        if change.added:
            self._reporter.say(f"the study grows by {', '.join(change.added)}; what is done stays")
        if change.lost:
            self._reporter.warn(f"as asked for: {'; '.join(change.lost)}")

    def _check_request(self) -> None:
        """Refuse what cannot be before anything is read."""
        check_request(self.config)

    def _stages_asked_for(self) -> Iterable[Stage]:
        """Stages that no run does but a command of their own, where it was given before."""
        return ()

    @abstractmethod
    def _sample(self) -> Sample:
        """Images that the study can be measured on."""

    @abstractmethod
    def report(self) -> Path:
        """Write the report from what the folder holds and give its path."""

    @abstractmethod
    def _stages(self) -> Iterable[Stage]:
        """Stages of a run in their order; a later one may depend on what one before has made."""

    @abstractmethod
    def _read_inputs(self) -> InputsT:
        """Read and check what the study is computed from."""

    @abstractmethod
    def _record_inputs(self) -> None:
        """Write what was read into `provenance.json`."""

    @abstractmethod
    def _files_judged(self) -> tuple[Path, ...]:
        """Files of human judgments."""

    @abstractmethod
    def _table_of_images(self) -> Path:
        """A table of the folder whose column `image` names the images that it was made of."""

    def _running_rows(self, who: str) -> list[Row]:
        """Rows of `status` while a run is at work; none where it is asked as at any time."""
        return []

    def _table(self, path: Path, command: str = "") -> pd.DataFrame:
        if not path.is_file():
            raise RequestError(
                f"{path} is not there yet; run `aisthesis {command or self.command}` first"
            )
        return read_csv(path)
