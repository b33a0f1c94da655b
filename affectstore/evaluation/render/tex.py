"""TeX table to \\input into a paper: results/tables/{table}.tex."""

from __future__ import annotations

from affectstore.evaluation.encoder_fusion_matrix import encoder_fusion_matrices
from affectstore.evaluation.footnotes import footnotes
from affectstore.evaluation.render.wide_table import Line, WideTable, condition_table, matrix_table, wide_table
from affectstore.evaluation.table import Table

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "≤": r"$\le$", "·": r"\textperiodcentered{}", "×": r"$\times$",
    "†": r"\dag{}",
}  # fmt: skip


def tex(table: Table) -> str:
    """Write encoder-fusion matrices, rows, other test conditions and footnotes with booktabs and graphicx."""
    parts = [
        "% \\usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.experiment.title)}}}",
        rf"\label{{tab:{''.join(c if c.isalnum() or c in '.-' else '-' for c in table.name)}}}",
    ]
    for matrix in encoder_fusion_matrices(table):
        parts += _grid(matrix_table(matrix))
        parts += [rf"\par\smallskip{{\footnotesize {escape(' '.join(matrix.footnotes))}\par}}\medskip"]
    parts += _grid(wide_table(table))
    if conditions := condition_table(table):
        parts += [
            r"\par\medskip{\footnotesize The same networks with a part of the input taken away at test time:\par}"
        ]
        parts += _grid(conditions)
    parts += [r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize"]
    parts += [rf"{escape(note)}\par" for note in footnotes(table)]
    return "\n".join([*parts, r"\end{minipage}", r"\end{table}"]) + "\n"


def _grid(table: WideTable) -> list[str]:
    lines = [
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{'l' * len(table.headings)}@{{}}}}",
        r"\toprule",
        " & ".join(map(escape, table.headings)) + r" \\",
    ]
    for k, line in enumerate(table.lines):
        if k in table.starts or k == 0:
            lines.append(r"\midrule")
        lines.append(" & ".join(_cell(line, c) for c in range(len(table.headings))) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}}"]


def _cell(line: Line, k: int) -> str:
    text = escape(line.cells[k])
    if line.reference and text:
        return rf"\textit{{{text}}}"
    # A cell that opens with a bracket would be read as the row break's option.
    text = "{}" + text if text.startswith("[") else text
    if k in line.bold:
        mean, *rest = text.split(" ", 1)
        return " ".join([rf"\textbf{{{mean}}}", *rest])
    return text


def escape(text: str) -> str:
    """Escape characters that TeX would interpret."""
    return "".join(_ESCAPES.get(character, character) for character in text)
