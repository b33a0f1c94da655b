"""Rows of text in aligned columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def as_columns(lines: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Pad cells to columns.

    Args:
        lines: cells; a line that ends early lets its last cell run on, without widening the column.
        right: columns that are aligned to the right.
    """
    columns = max(map(len, lines))
    widths = [
        max(len(line[column]) for line in lines if column < len(line) - 1 or len(line) == columns > column)
        for column in range(columns)
    ]
    return "\n".join("  ".join(_padded(line, widths, right)).rstrip() for line in lines)


def _padded(line: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    runs_on = len(line) - 1 if len(line) < len(widths) else None
    return [
        cell.rjust(widths[column]) if column in right and column != runs_on else cell.ljust(widths[column])
        for column, cell in enumerate(line)
    ]
