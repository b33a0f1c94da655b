"""Files of tables and figures of one experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.corpora.base import Card
from affectstore.evaluation.render.bar_figure import bar_figure
from affectstore.evaluation.render.confusion_figure import confusion_figure
from affectstore.evaluation.render.curve_figure import curve_figure
from affectstore.evaluation.render.markdown import markdown
from affectstore.evaluation.render.style import figure_style, save_figure
from affectstore.evaluation.render.tex import tex
from affectstore.evaluation.render.tidy_table import tidy_table
from affectstore.evaluation.runs import Run
from affectstore.evaluation.table import build_table
from affectstore.files import write_atomic


def tabulate(
    name: str,
    experiment: Experiment,
    card: Card,
    metrics: pd.DataFrame,
    runs: Sequence[Run],
    protocol_folds: int | None,
    unreadable: Mapping[str, int],
    tables: Path,
    figures: Path,
) -> str:
    """Write `{name}.csv`, `.md`, `.tex` under `tables`, and figures of bars, confusion and curves under `figures`.

    Args:
        name: Name of the experiment.
        experiment: Its configuration.
        card: Card of its corpus.
        metrics: Output of `score`.
        runs: Runs of the experiment.
        protocol_folds: Number of folds of the protocol; None if unknown.
        unreadable: Reason -> files of the corpus that the scan skipped.
        tables, figures: Folders to write to.

    Returns:
        Content of the Markdown file.
    """
    table = build_table(name, experiment, card, metrics, runs, protocol_folds, unreadable)
    text = markdown(table)
    write_atomic(tables / f"{name}.csv", tidy_table(table).to_csv(index=False).encode())
    write_atomic(tables / f"{name}.md", text.encode())
    write_atomic(tables / f"{name}.tex", tex(table).encode())
    with figure_style():
        save_figure(bar_figure(table), figures, f"{name}-bars")
        save_figure(confusion_figure(table), figures, f"{name}-confusion")
        save_figure(curve_figure(table, runs), figures, f"{name}-curves")
    return text
