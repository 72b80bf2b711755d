"""The figures of an alignment report as PNG files for papers and slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from numpy.typing import NDArray

from aisthesis.engine.files import told_plainly
from aisthesis.report.alignment.pictures import MATRIX_COLOURS, percentiles
from aisthesis.report.figures import INK, POINT, QUIET, quiet_frame
from aisthesis.report.letters import fitted_letters
from aisthesis.report.photographs import Photographs
from aisthesis.whole import whole_file

if TYPE_CHECKING:
    from aisthesis.report.alignment.pictures import PlanePanel

__all__ = ["draw_agreement", "draw_curve", "draw_matrices", "draw_planes", "save_png"]

_TRAIN = "#b2622f"
_DPI = 200


def save_png(figure: Figure, path: Path) -> list[str]:
    """Write a figure as PNG, whole or not at all; give lines as `fitted_letters` does."""
    with told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial, fitted_letters(figure) as lines:
            figure.savefig(partial, format="png", dpi=_DPI, facecolor="white", bbox_inches="tight")
    return lines


def draw_agreement(table: pd.DataFrame) -> Figure:
    """Draw the mean agreement with single subjects beside the noise ceiling."""
    figure = Figure(figsize=(5.6, 1.1 + 0.45 * len(table)), layout="constrained")
    axes = figure.subplots()
    first = table.iloc[0]
    if np.isfinite(first["ceiling_lower"]):
        axes.axvspan(
            first["ceiling_lower"], first["ceiling_upper"], color="#dfe3e8", label="noise ceiling"
        )
    y = np.arange(len(table))[::-1]
    full = table["agreement_subjects"].to_numpy()
    kept = table["agreement_retained_subjects"].to_numpy()
    axes.hlines(y, full, kept, color=QUIET, lw=1)
    axes.plot(full, y, "o", mfc="white", mec=POINT, label="all channels")
    axes.plot(kept, y, "o", color=POINT, label="retained (chosen on these images)")
    axes.set_yticks(y, table["backbone"])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlim(left=min(0.0, float(np.nanmin([full.min(), kept.min()]))))
    axes.set_xlabel("mean agreement with single subjects", fontsize=8)
    quiet_frame(axes)
    figure.legend(loc="outside upper left", fontsize=7, frameon=False, ncols=3)
    return figure


def draw_curve(curve: pd.DataFrame, row: pd.Series) -> Figure:
    """Draw R² on training and held-out images by the number of retained channels."""
    figure = Figure(figsize=(5.6, 3.2), layout="constrained")
    axes = figure.subplots()
    n = curve["n_retained"].to_numpy()
    test = curve["r2_test"].to_numpy()
    error = curve["r2_test_sd"].to_numpy() / np.sqrt(max(float(row["n_folds"]), 1.0))
    axes.plot(n, curve["r2_train"], color=_TRAIN, lw=1.2, ls="--", label="training images")
    axes.fill_between(n, test - error, test + error, color=POINT, alpha=0.2, lw=0)
    axes.plot(n, test, color=POINT, lw=1.6, label="held-out images (mean ± SE of the folds)")
    axes.axhline(float(row["r2_full"]), color=QUIET, lw=0.8, ls=":", label="all channels")
    axes.axvspan(row["n_retained_min"], row["n_retained_max"], color="#eceff2", zorder=0)
    axes.axvline(
        row["n_retained_mean"], color=INK, lw=0.8, label="retained, mean and range of the folds"
    )
    axes.set_xlim(0, n.max())
    axes.set_xlabel("retained channels", fontsize=8)
    axes.set_ylabel("R²", fontsize=8)
    quiet_frame(axes)
    axes.legend(fontsize=7, frameon=False)
    return figure


def draw_matrices(matrices: Mapping[str, NDArray[np.float64]], order: NDArray[np.intp]) -> Figure:
    """Draw matrices side by side, a pixel a pair, coloured by percentile."""
    figure = Figure(figsize=(2.6 * len(matrices) + 0.6, 2.9), layout="constrained")
    grid = figure.subplots(1, len(matrices), squeeze=False)[0]
    for axes, (name, matrix) in zip(grid, matrices.items(), strict=True):
        shown = np.ma.masked_invalid(percentiles(matrix)[np.ix_(order, order)])
        image = axes.imshow(shown, cmap=MATRIX_COLOURS, vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_axis_off()
    bar = figure.colorbar(image, ax=list(grid), shrink=0.7, aspect=20)
    bar.set_ticks([0, 0.5, 1], labels=["most alike", "median", "least alike"])
    bar.ax.tick_params(labelsize=7, color=QUIET)
    bar.outline.set_visible(False)
    return figure


def draw_planes(panels: Sequence[PlanePanel], photographs: Photographs) -> Figure:
    """Draw the images in the plane by people, by all channels and by the retained ones."""
    figure = Figure(figsize=(4.2 * len(panels), 4.4), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    everything = np.concatenate([panel.positions for panel in panels])
    reach = float(np.abs(everything).max()) * 1.1
    for axes, panel in zip(grid, panels, strict=True):
        axes.set_title(panel.name, fontsize=10, loc="left")
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.set_axis_off()
        for point, position in zip(panel.points, panel.positions, strict=True):
            photograph = photographs.get(point["name"])
            if photograph is None:
                axes.plot(*position, ".", color=POINT)
                continue
            small = photograph.copy()
            small.thumbnail((64, 64))
            box = OffsetImage(np.asarray(small), zoom=0.32)
            axes.add_artist(AnnotationBbox(box, tuple(position), frameon=False))
    return figure
