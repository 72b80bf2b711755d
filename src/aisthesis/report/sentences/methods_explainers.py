"""Other explainers and the tests of their maps, in words ready for a paper."""

from __future__ import annotations

from typing import Any

from aisthesis.names.explainer_table import EXPLAINER_TABLE
from aisthesis.names.explainers import BASE
from aisthesis.report.folder.record import StudyRecord
from aisthesis.report.words.wording import and_list, count

__all__ = ["explainers_text", "tests_text"]

_BASELINES = {
    "blur": "a blurred copy",
    "mean": "the mean colour",
    "noisy_linear": "a noisy linear imputation of their surroundings",
}
#: Keys of `[explaining]` that have a clause of their own.
_OPTIONS = {
    "cells": "averaged over {0} × {0} cells",
    "integration_steps": "{0} steps",
    "lime_samples": "{0} samples",
    "lime_superpixels": "{0} superpixels",
    "occlusion_px": "squares of {0} px",
    "multiscale_px": "squares of {0} px",
}

#: Said where a table has differences to controls.
CORRECTED = (
    "Differences to a control on the same images are corrected over the {} that are compared with "
    "it, by the largest studentised difference of each bootstrap draw (of fewer than 20 images by "
    "Bonferroni), and over networks by Bonferroni."
)


def explainers_text(record: StudyRecord) -> str:
    """Name the explainers beside AIS and evidence that the study holds maps by, with options."""
    asked = record.config.get("explainers") or ()
    names = [name for name in dict.fromkeys(asked) if name not in BASE]
    if not names or not record.maps:
        return ""
    options = record.config.get("explaining") or {}
    said = [_explainer(str(name), options) for name in names]
    return f"Maps were also made by {and_list(said, most=len(said))}."


def _explainer(name: str, options: dict[str, Any]) -> str:
    about = EXPLAINER_TABLE.get(name)
    if about is None:
        return name
    clauses = [
        _OPTIONS[key].format(_value(options[key]))
        for key in about.options.values()
        if key in _OPTIONS and options.get(key) is not None
    ]
    if "stride_px" in about.options.values():
        stride = options.get("stride_px")
        clauses.append(
            f"{stride:g} px apart" if stride is not None
            else "as close as 200 forward passes an image allow"
        )  # fmt: skip
    return about.said + (f" ({', '.join(clauses)})" if clauses else "")


def _value(value: Any) -> str:
    return and_list([str(v) for v in value]) if isinstance(value, list | tuple) else str(value)


def tests_text(record: StudyRecord) -> str:
    """Say how maps were tested on their networks; empty where they were not."""
    table, options = record.faithfulness, record.config.get("faithfulness") or {}
    if table.empty:
        return ""
    n = table["n"].max() if "n" in table else None
    asked = f" of {count(int(n), 'image')}, drawn at random," if n and n == n else ""
    text = f"Whether maps are true to their network was tested on maps{asked}"
    if options.get("steps"):
        text += (
            f" by removing cells of {options['cell_px']} px in {options['steps']} steps in the "
            "order of the map (deletion, insertion, ROAD, magnitude)"
        )
        ways = [_BASELINES.get(str(one), str(one)) for one in options.get("baselines") or ()]
        text += f", removed cells becoming {and_list(ways)}" if ways else ""
        if options.get("squares"):
            text += f"; by infidelity over {count(int(options['squares']), 'random square')} each"
    text += (
        ". Changes are in SDs of the human ratings; random maps and a centre prior are controls."
    )
    text += f" {CORRECTED.format('methods')}" if "difference_p_corrected" in table else ""
    if len(record.cascade):
        some = options.get("cascade_images")
        text += (
            " Maps were compared with those of the network made random layer by layer from the "
            "output down" + (f" ({count(int(some), 'image')})" if some else "") + "."
        )
    return text
