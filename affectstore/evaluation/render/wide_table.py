"""Tables as cells of text, the common form of Markdown, TeX and the report."""

from __future__ import annotations

import math
from dataclasses import dataclass

from affectstore.evaluation.encoder_fusion_matrix import EncoderFusionMatrix
from affectstore.evaluation.metrics import METRICS, Metric
from affectstore.evaluation.table import SHOWN, Row, Summary, Table


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes:
        cells: Texts by column.
        bold: Columns whose first word (the mean) is bold.
        reference: True for chance and human accuracy, which are no rows of the experiment.
    """

    cells: tuple[str, ...]
    bold: frozenset[int] = frozenset()
    reference: bool = False


@dataclass(frozen=True)
class WideTable:
    """Headings and lines.

    Attributes:
        headings: Column headings.
        lines: Lines of the table.
        starts: Indices of the lines that start a group, such as a modality.
    """

    headings: tuple[str, ...]
    lines: tuple[Line, ...]
    starts: frozenset[int]


def wide_table(table: Table) -> WideTable:
    """Lay out rows by modality, then chance and human accuracy; the columns are the metrics `SHOWN`."""
    metrics = [METRICS[name] for name in SHOWN]
    headings = ("Modality", "Encoder", "Fusion", *(metric.heading for metric in metrics), "Tested", "Flags")
    lines: list[Line] = []
    starts: list[int] = []
    for modality in table.modalities:
        starts.append(len(lines))
        lines += [_line(row, metrics) for row in table.rows if row.cell.modality == modality]
    starts.append(len(lines))
    chance = tuple(f"{100 * table.chance[m.name]:.1f}" if m.name in table.chance else "" for m in metrics)
    lines.append(Line(("", "chance", "", *chance, "", ""), reference=True))
    for modality in table.modalities:
        if modality in table.human:
            human = tuple(f"{100 * table.human[modality]:.1f}" if m.name == "accuracy" else "" for m in metrics)
            lines.append(Line((modality, "human", "", *human, "", ""), reference=True))
    return WideTable(headings, tuple(lines), frozenset(starts))


def _line(row: Row, metrics: list[Metric]) -> Line:
    values = (format_summary(row.values[metric.name], metric.percent) for metric in metrics)
    labels = (row.modality, row.encoder_label, row.fusion_label)
    bold = frozenset(len(labels) + k for k, metric in enumerate(metrics) if metric.name in row.best)
    return Line((*labels, *values, str(row.n_test), ", ".join(row.notes)), bold)


def condition_table(table: Table) -> WideTable | None:
    """Lay out the scores under other test conditions than the full input; None if there are none."""
    metrics = [METRICS[name] for name in SHOWN]
    headings = ("Modality", "Encoder", "Fusion", "Condition", *(metric.heading for metric in metrics))
    lines: list[Line] = []
    starts: list[int] = []
    for row in table.rows:
        if row.conditions:
            starts.append(len(lines))
        for condition, values in row.conditions.items():
            texts = (format_summary(values[metric.name], metric.percent) for metric in metrics)
            lines.append(Line((row.modality, row.encoder_label, row.fusion_label, condition, *texts)))
    return WideTable(headings, tuple(lines), frozenset(starts)) if lines else None


def matrix_table(matrix: EncoderFusionMatrix) -> WideTable:
    """Lay out an encoder-fusion matrix, one line per encoder."""
    lines = tuple(
        Line(
            (encoder, *("" if entry is None else entry.text for entry in entries)),
            frozenset(k for k, entry in enumerate(entries, 1) if entry is not None and entry.best_of_line),
        )
        for encoder, entries in matrix.lines
    )
    return WideTable(("Encoder", *matrix.columns), lines, frozenset({0}))


def format_summary(value: Summary, percent: bool) -> str:
    """Format `41.3 ± 2.1 [36.0, 46.9]`: one digit for percent, else three; no ± for a single seed."""
    scale, digits = (100.0, 1) if percent else (1.0, 3)
    if math.isnan(value.mean):
        return "undefined"
    mean, sd, low, high = (f"{scale * x:.{digits}f}" for x in (value.mean, value.sd, value.ci_low, value.ci_high))
    spread = "" if math.isnan(value.sd) else f" ± {sd}"
    return f"{mean}{spread} [{low}, {high}]"
