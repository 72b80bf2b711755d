"""One image of a study: its photograph and every network's map of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import xarray as xr
from PIL import Image

from aisthesis.maps.colour import stated_limit
from aisthesis.report.pictures.looking import overlay, units_of
from aisthesis.report.pictures.photographs import jpeg_data_uri, map_data_uri

__all__ = ["StudyImage"]

_SIDE_PX = 224


@dataclass(frozen=True)
class StudyImage:
    """One image with all networks' maps of it; a notebook shows them side by side.

    Attributes
    ----------
    name : str
    kind : str
        Of the maps: `ais`, `evidence`, ...
    photograph : PIL.Image.Image or None
        Upright; None where it is not there any more.
    rating : float
        Mean human rating; NaN where there is none.
    predictions : dict
        By network, averaged over seeds.
    maps : dict of xarray.DataArray, (y, x)
        By network, averaged over seeds, with the crop's box in the photograph's pixels; networks
        whose map is not defined (AIS of an image without a rating) are left out.
    """

    name: str
    kind: str
    photograph: Image.Image | None = field(repr=False)
    rating: float
    predictions: Mapping[str, float]
    maps: Mapping[str, xr.DataArray] = field(repr=False)

    def overlay(self, label: str, **keys: float) -> Image.Image:
        """One network's map over the photograph, as `ais.overlay`."""
        return overlay(self.maps[label], self.photograph, **keys)  # type: ignore[arg-type]

    def _repr_html_(self) -> str:
        """Show the photograph and each network's map, with its prediction and colour limit."""
        figures = []
        if self.photograph is not None:
            small = self.photograph.copy()
            small.thumbnail((_SIDE_PX, _SIDE_PX))
            said = [self.name, f"rated {self.rating:.3g}"]
            figures.append((jpeg_data_uri(small), said, self.name))
        for label, one in self.maps.items():
            limit = stated_limit(one.values)
            picture = map_data_uri(overlay(one, self.photograph, limit=limit, side_px=_SIDE_PX))
            predicted = self.predictions.get(label, float("nan"))
            said = [f"{label}: {predicted:.3g}", f"full colour ±{limit:.2g} {units_of(one)}"]
            figures.append((picture, said, f"{self.kind} map of {label}"))
        return (
            '<div style="display:flex;flex-wrap:wrap;gap:8px">'
            + "".join(
                f'<figure style="margin:0;max-width:{_SIDE_PX}px"><img src="{source}" '
                f'alt="{escape(alt)}" style="max-width:100%"><figcaption>'
                f"{'<br>'.join(map(escape, said))}</figcaption></figure>"
                for source, said, alt in figures
            )
            + "</div>"
        )
