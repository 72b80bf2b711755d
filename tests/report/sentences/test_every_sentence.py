"""No function of the report that holds prose is left without a check or a stated reason."""

from __future__ import annotations

import importlib

from prose import functions_with_prose
from reading import CHECKED

for _name in ("prediction", "agreement", "noise", "method", "image", "kind", "record", "pair",
              "template", "caption", "people", "option", "shape",
              "property"):  # fmt: skip
    importlib.import_module(f"test_{_name}_sentences")

FIXED = "text that no number of a table enters"
#: Functions that hold prose and have no property test, each with the reason.
WITHOUT = {
    **dict.fromkeys(
        (
            "cautions._arbitrary_signs",
            "alignment.words.references", "alignment.words.methods", "alignment.words._after_relu", "alignment.write._written",
            "properties.parts.charts", "properties.parts.correlation_rows",
            "properties.words.observations", "properties.words.methods",
            "alignment.figures.draw_dissimilarities", "alignment.figures.draw_plane",
            "dendrogram.draw_tree", "drawing.Drawing.svg", "drawing._Text.svg", "scatter.draw_panel",
            "alignment.charts.draw_curve", "alignment.charts._draw_key",
            "distribution.draw_distribution", "figure_pictures.draw_examples",
            "matrix_drawing.draw_matrix", "variance.draw_variance",
            "known_places._main_table", "where_people_look._main_table",
            "observations.observe", "overlays.colour_bar_css", "photographs.Photographs._read",
            "tables.network_rows", "write._overview", "yardsticks.yardsticks",
            "matrices._matrix", "matrices.Matrix.own_words",
        ),
        FIXED,
    ),
}  # fmt: skip


def test_every_function_that_writes_prose_is_checked_or_says_why_not():
    found = functions_with_prose()
    missing = found - set(CHECKED) - set(WITHOUT)
    assert not missing, f"write a property test, or say why there is none, for {sorted(missing)}"
    assert set(WITHOUT) <= found, "no longer there, or without prose"
    assert not set(WITHOUT) & set(CHECKED)
