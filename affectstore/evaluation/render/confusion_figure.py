"""Confusion matrices of every row, row-normalised, with counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from affectstore.evaluation.render.style import INK, QUIET
from affectstore.evaluation.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_ON_DARK = "#fdfdfd"  # not the white of PAPER, which the report replaces by the background of its theme


def total_confusion(row: Row, classes: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Sum the confusion matrix of one row over seeds and folds, (true, predicted)."""
    return np.array(
        [[row.values[f"confusion:{true}>{guess}"].mean * row.n_seeds for guess in classes] for true in classes]
    ).round()


def confusion_figure(table: Table) -> Figure:
    """Plot a grid of matrices, one per row of the table; call inside `figure_style`."""
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(table.rows))
    lines = math.ceil(len(table.rows) / columns)
    side = max(2.15, 0.36 * len(table.classes) + 0.35)
    figure = Figure(figsize=(columns * side + 0.7, lines * (side + 0.55) + 0.75), layout="compressed")
    axes = figure.subplots(lines, columns, squeeze=False)
    for k, axis in enumerate(axes.flat):
        if k >= len(table.rows):
            axis.set_axis_off()
            continue
        _panel(axis, table.rows[k], table.classes)
        if k % columns:
            axis.set_yticklabels([])
        else:
            axis.set_ylabel("true", fontsize=8, color=QUIET)
        if k + columns >= len(table.rows):
            axis.set_xlabel("predicted", fontsize=8, color=QUIET)
    figure.suptitle(
        "Of 100 test clips of a class (below: counts over all seeds and folds)",
        fontsize=8,
        color=QUIET,
        x=0.01,
        ha="left",
    )
    return figure


def _panel(axis: Axes, row: Row, classes: tuple[str, ...]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    counts = total_confusion(row, classes)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    paint = LinearSegmentedColormap.from_list("share", ["#f4f7fb", "#8fbbdc", "#2b6ca3", "#0b3157"])
    edges = np.arange(len(classes) + 1) - 0.5
    axis.pcolormesh(edges, edges, share, cmap=paint, vmin=0, vmax=1, edgecolors="white", linewidth=0.8)
    axis.invert_yaxis()
    axis.set_aspect("equal")
    for i in range(len(classes)):
        for j in range(len(classes)):
            dark = share[i, j] > 0.42
            percent = f"{100 * share[i, j]:.0f}" if totals[i] else "–"
            ink = _ON_DARK if dark else INK
            shown = axis.text(j, i - 0.1, percent, ha="center", va="center", fontsize=7.5, color=ink)
            quiet = "#dfe9f2" if dark else "#4d5661"
            count = axis.text(j, i + 0.27, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=5, color=quiet)
            for text in (shown, count):
                text.set_in_layout(False)  # inside the axes: measuring it would only take time
    axis.set_xticks(range(len(classes)), classes, fontsize=7, rotation=90 if max(map(len, classes)) > 4 else 0)
    axis.set_yticks(range(len(classes)), classes, fontsize=7)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_title(row.wrapped_label(32), fontsize=7.5)
