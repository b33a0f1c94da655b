"""Bar plot of UAR and WAR of every row with interval, chance and human accuracy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from affectstore.evaluation.metrics import METRICS, Metric
from affectstore.evaluation.render.style import GRID, INK, MODALITY_COLOURS, QUIET
from affectstore.evaluation.table import Row, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = ("uar", "accuracy")
_ROW_IN, _GAP_ROWS = 0.27, 1.4


def bar_figure(table: Table) -> Figure:
    """Plot one panel per metric and one bar per row, grouped by modality; call inside `figure_style`."""
    from matplotlib.figure import Figure

    groups, y = [], 0.0
    for modality in table.modalities:
        rows = [row for row in table.rows if row.cell.modality == modality]
        groups.append((modality, [(y + k, row) for k, row in enumerate(rows)]))
        y += len(rows) - 1 + _GAP_ROWS + 0.6
    height = y - _GAP_ROWS - 0.6
    figure = Figure(figsize=(9.2, (height + 2.2) * _ROW_IN + 1.15), layout="constrained")
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for axis, name in zip(axes, PANELS, strict=True):
        _panel(axis, table, METRICS[name], groups)
    axes[0].set_ylim(height + 0.8, -1.25)
    axes[0].set_yticks(
        [at for _, group in groups for at, _ in group], [row.label for _, group in groups for _, row in group]
    )
    _legend(figure, table)
    return figure


def _panel(axis: Axes, table: Table, metric: Metric, groups: list[tuple[str, list[tuple[float, Row]]]]) -> None:
    highest = max(
        [100 * row.values[metric.name].ci_high for row in table.rows if math.isfinite(row.values[metric.name].ci_high)]
        + [100 * row.values[metric.name].mean for row in table.rows]
        + [100 * table.chance[metric.name]]
        + ([100 * table.human[m] for m in table.modalities if m in table.human] if metric.name == "accuracy" else [])
    )
    limit = min(128.0, highest * 1.16 + 3)
    chance = 100 * table.chance[metric.name]
    axis.axvline(chance, color=QUIET, linestyle=(0, (4, 3)), linewidth=1.1, zorder=1)
    for modality, group in groups:
        top, bottom = group[0][0] - 0.5, group[-1][0] + 0.5
        name = axis.text(0, top - 0.1, modality, color=QUIET, fontsize=8, fontweight="bold", va="bottom", zorder=2)
        name.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.8})
        if metric.name == "accuracy" and modality in table.human:
            axis.vlines(100 * table.human[modality], top, bottom, color=INK, linewidth=1.6, zorder=4)
        for at, row in group:
            _bar(axis, at, row, metric, limit)
    axis.set_xlim(0, limit)
    axis.set_xticks([tick for tick in range(0, 101, 10 if limit < 70 else 20) if tick < limit])
    axis.set_xlabel(f"{metric.title} on test clips, %")
    axis.grid(axis="x", color=GRID)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)


def _bar(axis: Axes, at: float, row: Row, metric: Metric, limit: float) -> None:
    value = row.values[metric.name]
    if math.isnan(value.mean):
        axis.text(limit * 0.01, at, "undefined", color=QUIET, fontsize=7.5, va="center")
        return
    mean, low, high = 100 * value.mean, 100 * value.ci_low, 100 * value.ci_high
    axis.barh(at, mean, height=0.72, color=MODALITY_COLOURS[row.cell.modality], alpha=0.78, linewidth=0, zorder=2)
    end = mean
    if math.isfinite(low) and math.isfinite(high):
        # A mean can lie outside its percentile interval, where an error bar of lengths would be impossible.
        axis.hlines(at, low, high, color=INK, linewidth=1.1, zorder=3)
        axis.vlines([low, high], at - 0.17, at + 0.17, color=INK, linewidth=1.1, zorder=3)
        end = max(mean, high)
    weight = "bold" if metric.name in row.best else "normal"
    label = axis.text(end + limit * 0.014, at, f"{mean:.1f}", fontsize=8, va="center", fontweight=weight, zorder=5)
    label.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6})


def _legend(figure: Figure, table: Table) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=INK, linewidth=1.1, marker="|", markersize=6, label="95 % interval (speakers and seeds)"),
        Line2D([], [], color=QUIET, linewidth=1.1, linestyle=(0, (4, 3)), label="chance"),
    ]
    if any(m in table.human for m in table.modalities):
        handles.append(Line2D([], [], color=INK, linewidth=1.6, label="human accuracy"))
    figure.legend(handles=handles, loc="outside lower right", ncols=len(handles))
