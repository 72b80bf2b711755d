"""The folder of an alignment study: the same care as a study of ratings, other files."""

from __future__ import annotations

from pathlib import Path

from aisthesis.config import AlignmentConfig
from aisthesis.names.labels import slug
from aisthesis.store.folder import StudyFolder

__all__ = ["AlignmentFolder"]


class AlignmentFolder(StudyFolder):
    """A folder that holds one study of similarity judgments.

    Parameters
    ----------
    root : Path
        The folder; it need not exist yet.
    """

    grows = frozenset({"backbones"})
    config_class = AlignmentConfig
    other_kind = (
        "ratings",
        "a study of ratings; run it with `aisthesis run`, or choose another folder for the study "
        "of similarity judgments",
    )

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

    def aligned(self, label: str) -> Path:
        """What is kept of a backbone's scores, for tables and maps."""
        return self.cache / f"aligned-{slug(label)}.npz"
