"""Files of tables and figures of one experiment."""

from __future__ import annotations

from collections.abc import Sequence

from affectstore.evaluation.render.bar_figure import bar_figure
from affectstore.evaluation.render.confusion_figure import confusion_figure
from affectstore.evaluation.render.curve_figure import curve_figure
from affectstore.evaluation.render.markdown import markdown
from affectstore.evaluation.render.style import figure_style, save_figure
from affectstore.evaluation.render.tex import tex
from affectstore.evaluation.render.tidy_table import tidy_table
from affectstore.evaluation.runs import Run
from affectstore.evaluation.table import Table
from affectstore.files import write_atomic
from affectstore.paths import FIGURE_FORMATS, FIGURES, RESULTS, TABLE_FORMATS, Results


def write_tables(table: Table, runs: Sequence[Run], results: Results = RESULTS) -> str:
    """Write the tables of an experiment as CSV, Markdown and TeX, and its figures: bars, confusion and curves.

    Args:
        table: Table of the experiment.
        runs: Its runs.
        results: Results folder.

    Returns:
        Content of the Markdown file.
    """
    name, text = table.name, markdown(table)
    content = {"csv": tidy_table(table).to_csv(index=False), "md": text, "tex": tex(table)}
    for suffix in TABLE_FORMATS:
        write_atomic(results.table(name, suffix), content[suffix].encode())
    plots = {
        "bars": lambda: bar_figure(table),
        "confusion": lambda: confusion_figure(table),
        "curves": lambda: curve_figure(table, runs),
    }
    with figure_style():
        for figure in FIGURES:
            save_figure(plots[figure](), [results.figure(name, figure, suffix) for suffix in FIGURE_FORMATS])
    return text
