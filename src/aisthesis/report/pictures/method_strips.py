"""One strip of pictures a method: what each shows of the same images on the same network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aisthesis.names.explainers import BASE, CONTROLS
from aisthesis.report.folder.stored_maps import BackboneMaps
from aisthesis.report.pictures.overlays import lay_over
from aisthesis.report.pictures.photographs import Photographs, map_data_uri
from aisthesis.report.words.wording import capitalised, name_of

__all__ = ["MethodStrips", "method_strips"]

SIDE_PX = 160
MOST = 4  # images


@dataclass(frozen=True)
class MethodStrips:
    """The strips of one network.

    Attributes
    ----------
    backbone : str
        Whose maps they are.
    images : list of str
        Names of the images, a column each.
    photographs : list of str or None
        Pictures of them.
    strips : list of (str, list)
        Method, and its picture of each image; None where it has no map.
    """

    backbone: str
    images: list[str]
    photographs: list[str | None]
    strips: list[tuple[str, list[str | None]]]


def method_strips(
    maps: dict[str, BackboneMaps], images: Sequence[str], photographs: Photographs
) -> MethodStrips | None:
    """Draw the first images by every method of the first network that has others than AIS.

    Every picture has its own scale, as values of methods have units of their own.

    Parameters
    ----------
    maps : dict of str to BackboneMaps
        By label.
    images : sequence of str
        Names, of which the first four are shown.
    photographs : Photographs
        The photographs.

    Returns
    -------
    MethodStrips or None
        None where no network has maps by other methods, or there are no images.
    """
    names = list(images[:MOST])
    stack = next((one for one in maps.values() if set(one.kinds) - set(BASE)), None)
    if stack is None or not names:
        return None
    strips = []
    for kind in sorted(stack.kinds, key=lambda kind: kind in CONTROLS):
        drawn: list[str | None] = []
        for name in names:
            values = stack.get(kind, name)
            crop = stack.crop(name)
            picture = values is not None and lay_over(photographs.get(name), values, crop, SIDE_PX)
            drawn.append(map_data_uri(picture) if picture else None)
        strips.append((capitalised(name_of(kind)), drawn))
    seen = [photographs.thumbnail_uri(name, SIDE_PX) for name in names]
    return MethodStrips(stack.label, names, seen, strips)
