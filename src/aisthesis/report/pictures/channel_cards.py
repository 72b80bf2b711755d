"""Channels with the largest mean effect, as a page shows them: words, sign and cropped images."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pandas as pd

from aisthesis.report.pictures.photographs import Photographs, jpeg_data_uri
from aisthesis.report.words.wording import count, number, scientific

__all__ = ["ChannelCard", "NetworkCard", "channel_cards"]

_SIDE_PX = 120


class Picture(NamedTuple):
    """One image of a channel, cropped to where it is active."""

    name: str
    uri: str | None
    effect: str


class ChannelCard(NamedTuple):
    """One channel."""

    title: str
    words: str
    pictures: list[Picture]


class NetworkCard(NamedTuple):
    """The channels of one network."""

    label: str
    channels: list[ChannelCard]


def channel_cards(table: pd.DataFrame, photographs: Photographs) -> list[NetworkCard]:
    """Prepare `top_channels.csv` for a page.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of `top_channels.csv`; may be empty.
    photographs : Photographs
    """
    cards = []
    for label, rows in table.groupby("backbone", sort=False) if len(table) else ():
        channels = [
            _card(own.sort_values("image_rank"), photographs) for _, own in rows.groupby("rank")
        ]
        cards.append(NetworkCard(str(label), channels))
    return cards


def _card(rows: pd.DataFrame, photographs: Photographs) -> ChannelCard:
    first: Any = rows.iloc[0]
    pictures = [
        Picture(
            str(row["image"]),
            _cropped(row, photographs),
            _signed(float(row["image_effect"])),
        )
        for _, row in rows.iterrows()
    ]
    return ChannelCard(f"channel {int(first['channel'])}", _words(first), pictures)


def _words(row: Any) -> str:
    effect, low, high = (float(row[key]) for key in ("effect", "low", "high"))
    if not math.isfinite(effect):
        return "its effect is undefined"
    does = "raises" if effect > 0 else "lowers"
    said = f"{does} the prediction by {_short(abs(effect))} on average"
    if math.isfinite(low) and math.isfinite(high):
        said += f" (95% interval of the effect {_short(low)} to {_short(high)})"
        if low <= 0 <= high:
            said += ", which may be zero"
    seeds, same = int(row["n_seeds"]), int(row["seeds_same_sign"])
    if seeds > 1:
        said += f"; of the same sign in {same} of {count(seeds, 'seed')}"
        reliability = float(row["reliability"])
        if math.isfinite(reliability):
            said += f", correlation of the seeds over images {number(reliability)}"
    return said


def _short(value: float) -> str:
    """Two significant digits: an effect that is not zero is never said to be."""
    if value == 0 or 1e-4 <= abs(value) < 1e6:
        return f"{float(f'{value:.1e}'):.10f}".rstrip("0").rstrip(".").replace("-", "−")
    return scientific(value)


def _signed(value: float) -> str:
    return f"+{_short(value)}" if value > 0 else _short(value)


def _cropped(row: Any, photographs: Photographs) -> str | None:
    photograph = photographs.get(str(row["image"]))
    if photograph is None:
        return None
    across, down = photograph.width / row["width_px"], photograph.height / row["height_px"]
    left, right = round(row["box_left"] * across), round(row["box_right"] * across)
    top, bottom = round(row["box_top"] * down), round(row["box_bottom"] * down)
    part = photograph.crop((left, top, max(left + 1, right), max(top + 1, bottom)))
    part.thumbnail((_SIDE_PX, _SIDE_PX))
    return jpeg_data_uri(part, 75)
