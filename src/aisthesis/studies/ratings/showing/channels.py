"""The channels of a study's networks that matter most, with pictures of what they look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from aisthesis.errors import RequestError, nearest, or_list
from aisthesis.images import ImageFolder
from aisthesis.report.pictures.channel_cards import channel_cards
from aisthesis.report.pictures.photographs import Photographs
from aisthesis.store.folder import StudyFolder
from aisthesis.store.tables import read_csv

__all__ = ["NetworkChannels", "channels"]

_OF_CHANNEL = [
    "channel", "rank", "effect", "low", "high", "n", "seeds_same_sign", "n_seeds", "reliability",
]  # fmt: skip
_OF_IMAGE = [
    "channel",
    "image",
    "image_rank",
    "image_effect",
    "box_left",
    "box_top",
    "box_right",
    "box_bottom",
    "width_px",
    "height_px",
]


@dataclass(frozen=True)
class NetworkChannels:
    """A network's channels with the largest mean effect; a notebook shows their images.

    Attributes
    ----------
    label : str
        The network.
    table : DataFrame
        A row a channel, the largest mean effect first: ``effect`` (how far the prediction falls
        on average without the channel, rating units; positive where it raises the rating) with its
        95 % interval ``low, high`` over ``n`` images; ``seeds_same_sign`` of ``n_seeds`` seeds
        have an effect of the same sign; ``reliability`` is the mean correlation over images of two
        seeds' effects.
    images : DataFrame
        A row for each channel and top image, with the box (photograph's pixels) where the channel
        is active.
    """

    label: str
    table: pd.DataFrame = field(repr=False)
    images: pd.DataFrame = field(repr=False)
    _folder: Path | None = field(default=None, repr=False)

    def crop(self, channel: int, rank: int = 1) -> Image.Image:
        """Give the photograph of a channel's top image, cropped to where it is active.

        Raises
        ------
        RequestError
            If the channel is not among these, has no such image, or its photograph is not there.
        """
        rows = self.images.query("channel == @channel and image_rank == @rank")
        if rows.empty:
            known = ", ".join(map(str, self.table["channel"]))
            raise RequestError(
                f"expected one of the channels {known} and the rank of an image of it, got "
                f"channel {channel} and rank {rank}"
            )
        row = rows.iloc[0]
        if self._folder is None:
            raise RequestError(f"the photograph {row['image']} is not there any more")
        photograph = ImageFolder(self._folder).load(str(row["image"]))
        left, top, right, bottom = (
            round(row[f"box_{edge}"]) for edge in ("left", "top", "right", "bottom")
        )
        return photograph.crop((left, top, right, bottom))

    def _repr_html_(self) -> str:
        """Show each channel with its images."""
        cards = channel_cards(self._rows(), Photographs(self._folder))
        said = [f"<p>{escape(self.label)}</p>"]
        for card in cards[0].channels if cards else ():
            pictures = "".join(
                f'<img src="{one.uri}" alt="{escape(one.name)}" title="{escape(one.name)}" '
                'style="height:96px;margin-right:4px">'
                for one in card.pictures
                if one.uri
            )
            said.append(f"<p><b>{escape(card.title)}</b>: {escape(card.words)}<br>{pictures}</p>")
        return "".join(said)

    def _rows(self) -> pd.DataFrame:
        return self.table.merge(self.images, on="channel").assign(backbone=self.label)


def channels(study: Any, label: str) -> NetworkChannels:
    """Give the channels of one network with the largest mean effect on the predicted rating.

    Parameters
    ----------
    study : Study or path
        A study of ratings whose stage `agree` is done.
    label : str
        One of its networks.

    Returns
    -------
    NetworkChannels

    Raises
    ------
    RequestError
        If the study has no such table yet, or no such network with maps.

    Examples
    --------
    With a study in the folder `study` that has run:

    >>> import aisthesis as ais
    >>> found = ais.channels("study", "miniature:vgg16")
    >>> found.table[["channel", "effect", "low", "high"]].shape
    (6, 4)
    """
    folder = study.folder if hasattr(study, "folder") else StudyFolder(Path(study).absolute())
    if not folder.top_channels.is_file():
        raise RequestError(f"{folder.top_channels} is not there yet; run `aisthesis agree` first")
    table = read_csv(folder.top_channels)
    known: Sequence[str] = list(dict.fromkeys(table["backbone"]))
    if label not in known:
        close = nearest(label, known) or known
        raise RequestError(
            f"expected a network of the study that has maps, got {label!r}; did you mean "
            f"{or_list(close)}?"
        )
    own = table[table["backbone"] == label].reset_index(drop=True)
    images = folder.config().images
    return NetworkChannels(
        label,
        own[_OF_CHANNEL].drop_duplicates("channel").reset_index(drop=True),
        own[_OF_IMAGE],
        images if images.is_dir() else None,
    )
