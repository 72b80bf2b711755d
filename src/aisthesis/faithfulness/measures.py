"""What each measure of faithfulness is, as data that tables, reports and documents read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["FAITHFULNESS_MEASURES", "FaithfulnessMeasure"]


@dataclass(frozen=True)
class FaithfulnessMeasure:
    """One way to ask whether an explanation is true to its network.

    Attributes
    ----------
    name, label
        For tables and for people.
    direction
        Whether a more faithful explanation has a higher or a lower value.
    unit
        Of the value.
    asks
        The question it puts, in a sentence.
    blind_to
        What it cannot tell.
    """

    name: str
    label: str
    direction: Literal["higher", "lower"]
    unit: str
    asks: str
    blind_to: str


_UNNATURAL = "whether a perturbed image, which no camera took, still means anything to the network"
_UNIT = "unit of change"
_ALL = (
    FaithfulnessMeasure(
        "deletion_positive",
        "Deletion, positive first (MoRF)",
        "higher",
        _UNIT,
        "Does the prediction fall when what the map says raises it is removed first?",
        _UNNATURAL,
    ),
    FaithfulnessMeasure(
        "deletion_negative",
        "Deletion, negative first (LeRF)",
        "higher",
        _UNIT,
        "Does the prediction rise when what the map says lowers it is removed first?",
        _UNNATURAL,
    ),
    FaithfulnessMeasure(
        "insertion_positive",
        "Insertion, positive first",
        "higher",
        _UNIT,
        "Does the bare baseline's prediction rise when what the map says raises it comes first?",
        _UNNATURAL + "; it differs from deletion, negative first, by a constant of the image",
    ),
    FaithfulnessMeasure(
        "insertion_negative",
        "Insertion, negative first",
        "higher",
        _UNIT,
        "Does the bare baseline's prediction fall when what the map says lowers it comes first?",
        _UNNATURAL + "; it differs from deletion, positive first, by a constant of the image",
    ),
    FaithfulnessMeasure(
        "road",
        "ROAD (LeRF less MoRF)",
        "higher",
        _UNIT,
        "How far does the order of the map, from one end or the other, move the prediction apart?",
        "maps without a sign, which have 0 by definition",
    ),
    FaithfulnessMeasure(
        "magnitude",
        "Largest less smallest magnitude first",
        "higher",
        _UNIT,
        "Does what the map calls strong move the prediction more than what it calls weak?",
        "the sign of the map; changes that cancel on the way",
    ),
    FaithfulnessMeasure(
        "infidelity",
        "Infidelity",
        "lower",
        "share of the squared change left unexplained, 0 to 1",
        "Is the fall of the prediction proportional to the sum of the map over what is removed?",
        "the scale of the map",
    ),
    FaithfulnessMeasure(
        "sensitivity",
        "Max-sensitivity",
        "lower",
        "share of the map's norm",
        "Does the map keep still when the image hardly changes?",
        "whether the map is right: one that ignores the image has 0",
    ),
    FaithfulnessMeasure(
        "channels_positive",
        "Channels, positive first",
        "higher",
        _UNIT,
        "Does the prediction fall when the channels of the highest scores are removed together?",
        "where in the image the channels are active",
    ),
    FaithfulnessMeasure(
        "channels_negative",
        "Channels, negative first",
        "higher",
        _UNIT,
        "Does the prediction rise when the channels of the lowest scores are removed together?",
        "where in the image the channels are active",
    ),
    FaithfulnessMeasure(
        "channels_magnitude",
        "Channels, largest magnitude first",
        "higher",
        _UNIT,
        "Do the channels of the strongest scores, removed together, move the prediction most?",
        "the sign of the scores; where in the image the channels are active",
    ),
    FaithfulnessMeasure(
        "channels_error",
        "Error without the channels, positive first",
        "higher",
        _UNIT,
        "Does the prediction get further from the human rating without the highest-scored ones?",
        "where in the image the channels are active",
    ),
)

#: Every measure by its name.
FAITHFULNESS_MEASURES: Mapping[str, FaithfulnessMeasure] = MappingProxyType(
    {one.name: one for one in _ALL}
)
