"""Scores of the same networks under other conditions: a modality zeroed, noise added."""

from __future__ import annotations

import pandas as pd

from affectstore.evaluation.base import Metric
from affectstore.evaluation.score import POOLED
from affectstore.evaluation.table import SHOWN, Summary, Table
from affectstore.evaluation.wide import Line, Wide, show


def conditions(table: Table, metrics: pd.DataFrame) -> Wide | None:
    """Rows of a table under each condition but `full`; none where nothing else was tried.

    Args:
        table: the results with the full input.
        metrics: as `score` gave them.
    """
    own = metrics[(metrics["subset"] == "test") & (metrics["fold"] == POOLED) & (metrics["seed"] == POOLED)]
    own = own[own["condition"] != "full"]
    if own.empty:
        return None
    shown = [Metric.load(name) for name in SHOWN]
    lines: list[Line] = []
    starts: list[int] = []
    for row in table.rows:
        part = own[own["cell"] == row.cell.id]
        if not part.empty:
            starts.append(len(lines))
        for condition, values in part.groupby("condition"):
            numbers = values.set_index("metric")[["value", "sd", "ci_low", "ci_high"]].T.to_dict("list")
            found = [Summary(*map(float, numbers[metric.name])) for metric in shown]
            texts = [show(value, metric.percent) for value, metric in zip(found, shown, strict=True)]
            cells = (row.modality, row.encoder_label, row.fusion_label, str(condition), *texts)
            lines.append(Line(cells, (False,) * len(cells)))
    headings = (
        "Modality",
        "Encoder",
        "Fusion",
        "Condition",
        *(f"{m.label} %" if m.percent else m.label for m in shown),
    )
    return Wide(headings, tuple(lines), frozenset(starts))
