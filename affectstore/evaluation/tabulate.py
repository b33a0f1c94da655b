"""One experiment's tables and figures, written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from affectstore.config.experiment import Experiment
from affectstore.corpora.base import Card
from affectstore.evaluation.bars import bars
from affectstore.evaluation.conditions import conditions
from affectstore.evaluation.confusion_figure import confusion_figure
from affectstore.evaluation.curves import curves
from affectstore.evaluation.long_table import long_table
from affectstore.evaluation.markdown import markdown
from affectstore.evaluation.runs import Run
from affectstore.evaluation.style import house_style, save
from affectstore.evaluation.table import build_table
from affectstore.evaluation.tex import tex
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
    """Write `{name}.csv`, `.md`, `.tex` under `tables`, and bars, confusion and curves under `figures`.

    Args:
        name: of the experiment.
        experiment: what was asked for.
        card: of its corpus.
        metrics: as `score` gave them.
        runs: of the experiment.
        protocol_folds: how many folds the protocol has; none where that is not known.
        unreadable: reason -> files of the corpus that the scan left out.
        tables, figures: folders.

    Returns:
        The Markdown.
    """
    table = build_table(name, experiment, card, metrics, runs, protocol_folds, unreadable)
    extra = conditions(table, metrics)
    text = markdown(table, extra)
    write_atomic(tables / f"{name}.csv", long_table(table).to_csv(index=False).encode())
    write_atomic(tables / f"{name}.md", text.encode())
    write_atomic(tables / f"{name}.tex", tex(table, extra).encode())
    with house_style():
        save(bars(table), figures, f"{name}-bars")
        save(confusion_figure(table), figures, f"{name}-confusion")
        save(curves(table, runs), figures, f"{name}-curves")
    return text
