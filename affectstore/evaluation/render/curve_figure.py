"""Learning curves of every row: loss and accuracy on the training and validation subsets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from affectstore.evaluation.render.style import INK, QUIET, SUBSET_COLOURS
from affectstore.evaluation.runs import Run
from affectstore.evaluation.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("loss", "accuracy")
_LABELS = {"train": "training subset", "val": "validation subset"}
_COLUMNS = 4


def curve_figure(table: Table, runs: Sequence[Run]) -> Figure:
    """Plot two panels per row, a thin line per seed and fold, the mean thick; call inside `figure_style`.

    Args:
        table: Results of the experiment.
        runs: Its runs.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = min(_COLUMNS, len(table.rows))
    lines = math.ceil(len(table.rows) / columns)
    figure = Figure(figsize=(max(columns, 2) * 2.35 + 0.3, lines * 3.2 + 0.5), layout="constrained")
    grid = figure.subplots(lines * len(PANELS), columns, squeeze=False)
    for k in range(lines * columns):
        pair = [grid[k // columns * len(PANELS) + p, k % columns] for p in range(len(PANELS))]
        if k >= len(table.rows):
            for axis in pair:
                axis.set_axis_off()
            continue
        row = table.rows[k]
        own = [run for run in runs if run.cell == row.cell.id]
        for axis, quantity in zip(pair, PANELS, strict=True):
            _panel(axis, own, quantity)
            if k % columns == 0:
                axis.set_ylabel(quantity if quantity == "loss" else f"{quantity}, %")
        pair[0].set_title(row.wrapped_label(27), fontsize=7.5)
        pair[0].set_xticklabels([])
        pair[1].set_xlabel("epoch", fontsize=8)
    handles = [
        Line2D([], [], color=SUBSET_COLOURS[subset], linewidth=1.8, label=label) for subset, label in _LABELS.items()
    ]
    handles.append(
        Line2D([], [], color=INK, marker="o", markersize=4, markerfacecolor="white", linestyle="", label="epoch chosen")
    )
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))
    return figure


def _panel(axis: Axes, runs: Sequence[Run], quantity: str) -> None:
    from matplotlib.ticker import MaxNLocator

    any_history = False
    for subset, colour in SUBSET_COLOURS.items():
        column = f"{subset}_{quantity}"
        scale = 1.0 if quantity == "loss" else 100.0
        series = [
            (run, run.history.set_index("epoch")[column] * scale) for run in runs if column in run.history.columns
        ]
        series = [(run, values) for run, values in series if len(values)]
        for run, values in series:
            any_history = True
            axis.plot(values.index, values, color=colour, linewidth=0.6, alpha=0.45, zorder=2)
            best = run.facts.get("best_epoch")
            if subset == "val" and isinstance(best, int) and best in values.index:
                axis.plot([best], [values[best]], "o", ms=3.2, mfc="white", mec=INK, mew=0.8, zorder=4)
        if series:
            # Runs stop at different epochs: where fewer are left, their mean would jump.
            mean = pd.concat([values for _, values in series], axis=1, join="inner").mean(axis=1)
            axis.plot(mean.index, mean, color=colour, linewidth=1.8, zorder=3)
    if not any_history:
        axis.text(0.5, 0.5, "not trained in epochs", color=QUIET, fontsize=8, ha="center", transform=axis.transAxes)
    axis.margins(x=0.04)
    if quantity == "accuracy":
        axis.set_ylim(-3, 103)
    axis.grid(axis="y")
    axis.tick_params(labelsize=7.5)
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
