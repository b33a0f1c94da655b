"""Markdown table with footnotes: results/tables/{table}.md."""

from __future__ import annotations

import re

from affectstore.evaluation.encoder_fusion_matrix import encoder_fusion_matrices
from affectstore.evaluation.footnotes import footnotes
from affectstore.evaluation.render.wide_table import Line, WideTable, condition_table, matrix_table, wide_table
from affectstore.evaluation.table import Table

#: Heading between the encoder-fusion matrices, where there are any, and the rows.
EVERY_ROW = "## Every row"


def markdown(table: Table) -> str:
    """Write encoder-fusion matrices, rows, other test conditions and footnotes in GitHub's Markdown.

    Columns are aligned in the source too, since it is also read in terminals.
    """
    parts = [f"# {escape(table.experiment.title)}"]
    matrices = encoder_fusion_matrices(table)
    for matrix in matrices:
        parts += [_grid(matrix_table(matrix)), _list(matrix.footnotes)]
    if matrices:
        parts.append(EVERY_ROW)
    parts.append(_grid(wide_table(table)))
    if conditions := condition_table(table):
        parts += ["The same networks with a part of the input taken away at test time:", _grid(conditions)]
    parts.append(_list(footnotes(table)))
    return "\n\n".join(parts) + "\n"


def _list(items: tuple[str, ...]) -> str:
    return "\n".join(f"- {escape(item)}" for item in items)


def _grid(table: WideTable) -> str:
    columns = range(len(table.headings))
    texts = [list(map(escape, table.headings))]
    texts += [[_cell(line, k) for k in columns] for line in table.lines]
    widths = [max(len(row[k]) for row in texts) for k in columns]
    rows = ["| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |" for row in texts]
    return "\n".join([rows[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *rows[1:]])


def _cell(line: Line, k: int) -> str:
    text = escape(line.cells[k])
    if not text:
        return text
    if line.reference:
        return f"*{text}*"
    if k in line.bold:
        mean, *rest = text.split(" ", 1)
        return " ".join([f"**{mean}**", *rest])
    return text


def escape(text: str) -> str:
    """Escape Markdown, and no character that does not need it."""
    text = re.sub(r"([\\`*|])", r"\\\1", text)
    text = re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)
    text = re.sub(r"\](?=[(\[:])", r"\\]", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
