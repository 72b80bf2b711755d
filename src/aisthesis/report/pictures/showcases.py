"""Which images may be shown large: those whose maps are defined for every network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aisthesis.report.folder.selection import EVIDENCE
from aisthesis.report.folder.stored_maps import KINDS, BackboneMaps
from aisthesis.report.pictures.overlays import map_moments
from aisthesis.report.words.wording import and_list, count

__all__ = ["Showcases", "showcases"]


@dataclass(frozen=True)
class Showcases:
    """What the page's large pictures are chosen among.

    Attributes
    ----------
    images : list of str
        Names, in the order of the study.
    n_left_out : int
        Explained images that are not among them.
    n_dead : int
        Of these, images on which a head of some seed is dead.
    """

    images: list[str]
    n_left_out: int
    n_dead: int

    @property
    def words(self) -> str:
        """How many were left out, and why; empty where none was."""
        if not self.n_left_out:
            return ""
        are = "is" if self.n_left_out == 1 else "are"
        reasons = [
            f"{n:,} where {why}"
            for n, why in (
                (self.n_dead, "a head of some seed is dead"),
                (self.n_left_out - self.n_dead, "a network’s map is flat or undefined"),
            )
            if n
        ]
        left_out = count(self.n_left_out, "image")
        return f"{left_out} {are} left out of the choice: {and_list(reasons)}."


def showcases(maps: Mapping[str, BackboneMaps], images: Sequence[str]) -> Showcases:
    """Find the images whose AIS and evidence maps are finite and not flat for every network.

    Images on which a seed's head is dead are left out too: there the average over seeds is one
    over fewer. Where no image is left, such images are taken, and then those that have an
    evidence map by every network (images without a rating have no AIS map).

    Parameters
    ----------
    maps : mapping of str to BackboneMaps
        By label.
    images : sequence of str
        The explained images.
    """
    dead = {name for stack in maps.values() for name in stack.dead}
    shown = [name for name in images if _defined(maps, name, KINDS)]
    evidence = [name for name in images if _defined(maps, name, EVIDENCE)]
    chosen = next(
        (some for some in ([n for n in shown if n not in dead], shown, evidence) if some), []
    )
    left_out = set(images) - set(chosen)
    return Showcases(chosen, len(left_out), len(left_out & dead))


def _defined(maps: Mapping[str, BackboneMaps], name: str, kinds: Sequence[str]) -> bool:
    """Whether every network has a finite map that is not flat, of each kind that it has at all."""
    for stack in maps.values():
        for kind in kinds:
            if kind in stack.kinds:
                values = stack.get(kind, name)
                if values is None or map_moments(values).flat:
                    return False
    return True
