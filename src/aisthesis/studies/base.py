"""What studies of both kinds share: settings, folder, inputs, lock, status."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import ClassVar, Generic, Self, TypeVar

import pandas as pd

from aisthesis.config import CommonConfig
from aisthesis.engine import Narrator, StudyFolder
from aisthesis.engine.growth import Change
from aisthesis.engine.lock import at_work, folder_lock
from aisthesis.engine.permitted import folder_of
from aisthesis.engine.progress import narrator_here
from aisthesis.engine.tables import read_csv
from aisthesis.errors import RequestError
from aisthesis.pipeline.absent import absent_inputs, status_without_inputs
from aisthesis.pipeline.catalogue import check_request
from aisthesis.pipeline.own_parts import parts_at_hand, record_parts
from aisthesis.pipeline.status import STATUS_COLUMNS, Row

__all__ = ["BaseStudy"]

ConfigT = TypeVar("ConfigT", bound=CommonConfig)
FolderT = TypeVar("FolderT", bound=StudyFolder)
InputsT = TypeVar("InputsT")


class BaseStudy(ABC, Generic[ConfigT, FolderT, InputsT]):
    """A folder of one study and what it is computed from.

    Parameters
    ----------
    config : CommonConfig
        Checked, of the kind's own class.
    narrator : Narrator, optional
        Who tells progress; by default bars in a notebook, nobody elsewhere.
    follow_links : bool
        Whether links in the study's folder are your own; otherwise it is refused with them.
    """

    #: The class of the kind's folders, which also reads its configurations.
    folder_class: ClassVar[type[StudyFolder]]
    #: The command that makes a table which is missing.
    command: ClassVar[str]

    def __init__(
        self, config: ConfigT, *, narrator: Narrator | None = None, follow_links: bool = False
    ) -> None:
        self.config = config
        self.folder: FolderT = self.folder_class(  # type: ignore[assignment]
            config.out, follow_links=follow_links
        )
        self._narrator = narrator or narrator_here()
        self._inputs: InputsT | None = None
        self._checked_in = 0.0
        self._settings_of: Path | None = None  # the study's folder, where they come from there
        self._beside: Path | None = None  # where the study file lies

    @classmethod
    def from_toml(
        cls,
        path: str | Path,
        *,
        narrator: Narrator | None = None,
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
            return cls.open(own, narrator=narrator, follow_links=follow_links)
        config = cls.folder_class.read_file(Path(path))
        study = cls(config, narrator=narrator, follow_links=follow_links)  # type: ignore[arg-type]
        study.settings_from(Path(path))
        return study

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        narrator: Narrator | None = None,
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
        study = cls(held, narrator=narrator, follow_links=follow_links)  # type: ignore[arg-type]
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
            self._checked_in = time.perf_counter() - started
        return self._inputs

    @property
    def absent(self) -> str:
        """What of the images and judgments is not there any more; empty where all is there."""
        return absent_inputs(self.config.images, self._files_judged(), self._table_of_images())

    def status(self) -> pd.DataFrame:
        """Say what is done, stale, damaged or to do, and why; nothing is computed or written.

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
            self._narrator.say(f"the study grows by {', '.join(change.added)}; what is done stays")
        if change.lost:
            self._narrator.warn(f"as asked for: {'; '.join(change.lost)}")

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

    @abstractmethod
    def _status_rows(self) -> list[Row]:
        """Rows of `status` where all inputs are there."""

    def _table(self, path: Path, command: str = "") -> pd.DataFrame:
        if not path.is_file():
            raise RequestError(
                f"{path} is not there yet; run `aisthesis {command or self.command}` first"
            )
        return read_csv(path)
