"""A table as cells of text, for the formats that people read."""

from __future__ import annotations

import math
from dataclasses import dataclass

from affectstore.evaluation.base import Metric
from affectstore.evaluation.table import SHOWN, Row, Summary, Table


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes:
        cells: texts by column.
        bold: by column, whether the first word (the mean) is bold.
        reference: whether it is no row of the experiment but chance or human accuracy.
    """

    cells: tuple[str, ...]
    bold: tuple[bool, ...]
    reference: bool = False


@dataclass(frozen=True)
class Wide:
    """Headings and lines; a new modality begins at the lines whose index is in `starts`."""

    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    starts: frozenset[int]


def wide(table: Table) -> Wide:
    """Lines: modality x encoder x fusion, then chance and humans; columns: the metrics shown."""
    metrics = [Metric.load(name) for name in SHOWN]
    headings = ("Modality", "Encoder", "Fusion", *(_heading(metric) for metric in metrics), "Tested", "Flags")
    lines: list[Line] = []
    starts: list[int] = []
    for modality in table.modalities:
        starts.append(len(lines))
        lines += [_line(row, metrics) for row in table.rows if row.cell.modality == modality]
    starts.append(len(lines))
    guess = tuple(f"{100 * table.chance[m.name]:.1f}" if m.name in table.chance else "" for m in metrics)
    lines.append(_reference(("", "chance", "", *guess, "", "")))
    for modality in table.modalities:
        if modality in table.human:
            people = tuple(f"{100 * table.human[modality]:.1f}" if m.name == "accuracy" else "" for m in metrics)
            lines.append(_reference((modality, "human", "", *people, "", "")))
    return Wide(headings, tuple(lines), frozenset(starts))


def _heading(metric: Metric) -> str:
    return f"{metric.label} %" if metric.percent else metric.label


def _reference(cells: tuple[str, ...]) -> Line:
    return Line(cells, (False,) * len(cells), reference=True)


def _line(row: Row, metrics: list[Metric]) -> Line:
    values = [show(row.values[metric.name], metric.percent) for metric in metrics]
    cells = (
        row.modality,
        row.encoder_label,
        row.fusion_label,
        *values,
        str(row.n_test),
        ", ".join(row.flags),
    )
    bold = (False, False, False, *(metric.name in row.best for metric in metrics), False, False)
    return Line(cells, bold)


def show(value: Summary, percent: bool) -> str:
    """`41.3 ± 2.1 [36.0, 46.9]`: percent with one digit, others with three; no deviation for a single seed."""
    scale, digits = (100.0, 1) if percent else (1.0, 3)
    if math.isnan(value.mean):
        return "undefined"
    mean, sd, low, high = (f"{scale * x:.{digits}f}" for x in (value.mean, value.sd, value.ci_low, value.ci_high))
    spread = "" if math.isnan(value.sd) else f" ± {sd}"
    return f"{mean}{spread} [{low}, {high}]"
