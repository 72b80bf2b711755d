"""The folder of an alignment study: the same care as a study of ratings, other files."""

from __future__ import annotations

from pathlib import Path

from aisthesis.alignment_config import AlignmentConfig, alignment_config, read_alignment_file
from aisthesis.engine.folder import StudyFolder
from aisthesis.errors import RequestError

__all__ = ["AlignmentFolder"]


class AlignmentFolder(StudyFolder):
    """A folder that holds one study of similarity judgments.

    Parameters
    ----------
    root : Path
        The folder; it need not exist yet.
    """

    #: Each backbone's results are of all, so that nothing can be added to them yet.
    grows = frozenset()

    def __init__(self, root: Path, *, follow_links: bool = False) -> None:
        super().__init__(root, follow_links=follow_links)
        self.alignment = root / "alignment.csv"
        self.channels = root / "channels.csv"
        self.images_table = root / "images.csv"
        self.validation = root / "validation.csv"
        self.retention_curve = root / "retention_curve.csv"
        self.dissimilarities = root / "dissimilarities.npz"
        self.judgments = root / "judgments.npz"

    @property
    def tables(self) -> list[Path]:
        """What the stage `align` writes."""
        return [
            self.alignment,
            self.channels,
            self.images_table,
            self.validation,
            self.retention_curve,
            self.dissimilarities,
        ]

    @staticmethod
    def read_file(path: Path) -> AlignmentConfig:
        """Read a study file of this kind; as `alignment_config.read_alignment_file`."""
        return read_alignment_file(path)

    def config(self, *, where_last: bool = True) -> AlignmentConfig:
        """Read the configuration that the folder holds; `where_last` as for `study_keys`.

        Raises
        ------
        RequestError
            If the folder holds no alignment study.
        """
        values = self.study_keys(where_last=where_last)
        if "ratings" in values:
            raise RequestError(
                f"{self.root} holds a study of ratings; run it with `aisthesis run`, or choose "
                "another folder for the study of similarity judgments"
            )
        return alignment_config(values, self.root.absolute(), str(self.study_file))
