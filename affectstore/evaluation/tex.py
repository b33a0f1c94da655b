"""results/tables/{table}.tex: a booktabs table to \\input into a paper."""

from __future__ import annotations

from affectstore.evaluation.notes import notes
from affectstore.evaluation.pairings import pairings
from affectstore.evaluation.table import Table
from affectstore.evaluation.wide import Line, Wide, wide

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "≤": r"$\le$", "·": r"\textperiodcentered{}", "×": r"$\times$",
    "†": r"\dag{}",
}  # fmt: skip


def tex(table: Table, extra: Wide | None = None) -> str:
    """The table with its notes; needs \\usepackage{booktabs,graphicx}.

    Args:
        table: the results.
        extra: scores under other conditions than the full input, where there are any.
    """
    parts = [
        "% \\usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(table.experiment.title)}}}",
        rf"\label{{tab:{''.join(c if c.isalnum() or c in '.-' else '-' for c in table.name)}}}",
    ]
    for matrix in pairings(table):
        parts += _grid(matrix.wide)
        parts += [rf"\par\smallskip{{\footnotesize {escape(' '.join(matrix.notes))}\par}}\medskip"]
    parts += _grid(wide(table))
    if extra is not None:
        parts += [
            r"\par\medskip{\footnotesize The same networks with a part of the input taken away at test time:\par}"
        ]
        parts += _grid(extra)
    parts += [r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize"]
    parts += [rf"{escape(note)}\par" for note in notes(table)]
    return "\n".join([*parts, r"\end{minipage}", r"\end{table}"]) + "\n"


def _grid(shown: Wide) -> list[str]:
    lines = [
        r"\resizebox{\linewidth}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{'l' * len(shown.headings)}@{{}}}}",
        r"\toprule",
        " & ".join(map(escape, shown.headings)) + r" \\",
    ]
    for k, line in enumerate(shown.lines):
        if k in shown.starts or k == 0:
            lines.append(r"\midrule")
        lines.append(" & ".join(_cell(line, c) for c in range(len(shown.headings))) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}}"]


def _cell(line: Line, k: int) -> str:
    text = escape(line.cells[k])
    if line.reference and text:
        return rf"\textit{{{text}}}"
    # A cell that opens with a bracket would be read as the row break's option.
    text = "{}" + text if text.startswith("[") else text
    if line.bold[k]:
        mean, *rest = text.split(" ", 1)
        return " ".join([rf"\textbf{{{mean}}}", *rest])
    return text


def escape(text: str) -> str:
    """Text that TeX sets as it is."""
    return "".join(_ESCAPES.get(character, character) for character in text)
