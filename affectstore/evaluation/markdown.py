"""results/tables/{table}.md."""

from __future__ import annotations

import re

from affectstore.evaluation.notes import notes
from affectstore.evaluation.pairings import pairings
from affectstore.evaluation.table import Table
from affectstore.evaluation.wide import Line, Wide, wide

#: Heading of what follows the matrices of encoders and fusions, where there are any.
EVERY_ROW = "## Every row"


def markdown(table: Table, extra: Wide | None = None) -> str:
    """The table in GitHub's Markdown, columns aligned in the source too, with its notes under it.

    Where several encoders meet several fusions, their matrix comes first.

    Args:
        table: the results.
        extra: scores under other conditions than the full input, where there are any.
    """
    parts = [f"# {escape(table.experiment.title)}"]
    matrices = pairings(table)
    for matrix in matrices:
        parts += [_grid(matrix.wide), "\n".join(f"- {escape(note)}" for note in matrix.notes)]
    if matrices:
        parts.append(EVERY_ROW)
    parts.append(_grid(wide(table)))
    if extra is not None:
        parts += ["The same networks with a part of the input taken away at test time:", _grid(extra)]
    parts.append("\n".join(f"- {escape(note)}" for note in notes(table)))
    return "\n\n".join(parts) + "\n"


def _grid(shown: Wide) -> str:
    texts = [list(map(escape, shown.headings))]
    texts += [[_cell(line, k) for k in range(len(shown.headings))] for line in shown.lines]
    widths = [max(len(row[k]) for row in texts) for k in range(len(shown.headings))]
    rows = ["| " + " | ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)) + " |" for row in texts]
    return "\n".join([rows[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *rows[1:]])


def _cell(line: Line, k: int) -> str:
    text = escape(line.cells[k])
    if not text:
        return text
    if line.reference:
        return f"*{text}*"
    if line.bold[k]:
        mean, *rest = text.split(" ", 1)
        return " ".join([f"**{mean}**", *rest])
    return text


def escape(text: str) -> str:
    """Text that Markdown shows as it is, changed no more than that needs: the source is read in terminals too."""
    text = re.sub(r"([\\`*|])", r"\\\1", text)
    text = re.sub(r"<(?=[A-Za-z/!?])", r"\\<", text)
    text = re.sub(r"\](?=[(\[:])", r"\\]", text)
    return re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
