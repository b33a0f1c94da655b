"""Tidy table, one line per row and metric, for programs: results/tables/{table}.csv."""

from __future__ import annotations

import pandas as pd

from affectstore.evaluation.metrics import METRICS
from affectstore.evaluation.table import Table

#: The columns, in order; `cell` and `sharing` identify the runs where the other columns do not.
COLUMNS = (
    "corpus", "label_target", "protocol", "modality", "encoder", "fusion", "n_seeds", "n_folds", "n_test",
    "metric", "mean", "sd", "ci_low", "ci_high", "flags", "sharing", "cell",
)  # fmt: skip


def tidy_table(table: Table) -> pd.DataFrame:
    """Tabulate every score of every row: columns `COLUMNS`; metrics of a class are named `recall:ANG`.

    Fusion and sharing are empty for one modality, `sd` is empty with a single seed.
    """
    experiment = table.experiment
    lines = [
        (
            experiment.corpus, experiment.label_target, experiment.protocol, row.modality,
            row.cell.encoder_label, row.cell.fusion or "", row.n_seeds, len(row.folds), row.n_test,
            metric, value.mean, value.sd, value.ci_low, value.ci_high, "; ".join(row.notes),
            row.cell.sharing or "", row.cell.id,
        )
        for row in table.rows
        for metric, value in ((metric, row.values[metric]) for metric in _score_names(table))
    ]  # fmt: skip
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _score_names(table: Table) -> list[str]:
    """Names of the metrics that are no counts: single numbers first, then those of each class."""
    metrics = [metric for metric in METRICS.values() if metric.better is not None]
    single = [metric.name for metric in metrics if not metric.axes]
    return single + [f"{m.name}:{label}" for m in metrics if m.axes == ("class",) for label in table.classes]
