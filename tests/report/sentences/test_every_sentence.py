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
            "sentences.cautions._arbitrary_signs",
            "similarity.words.references", "similarity.words.methods", "similarity.words._after_relu", "similarity.write._written",
            "properties.parts.charts", "properties.parts.correlation_rows",
            "properties.words.observations", "properties.words.methods",
            "similarity.figures.draw_dissimilarities", "similarity.figures.draw_plane",
            "charts.dendrogram.draw_tree", "charts.drawing.Drawing.svg", "charts.drawing._Text.svg", "charts.scatter.draw_panel",
            "similarity.charts.draw_curve", "similarity.charts._draw_key",
            "charts.distribution.draw_distribution", "pictures.figure_pictures.draw_examples",
            "charts.matrix_drawing.draw_matrix", "parts.variance.draw_variance",
            "pictures.looking._one_map", "parts.known_places._main_table", "parts.where_people_look._main_table",
            "sentences.observations.observe", "pictures.overlays.colour_bar_css", "pictures.photographs.Photographs._read",
            "sentences.tables.network_rows", "write._overview", "parts.yardsticks.yardsticks",
            "charts.matrices._matrix", "charts.matrices.Matrix.own_words",
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
