"""Numbers and tables as text for a person."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from fractions import Fraction


def size_text(count: float) -> str:
    """Format a number of bytes: `1.4 MB`, in powers of 1000; a dash for NaN."""
    if math.isnan(count):
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} TB"


def counted(count: int | str, noun: str) -> str:
    """Format a number of things: `1 clip`, `2 clips`."""
    return f"{count} {noun}" + ("" if str(count) == "1" else "s")


def rate_text(rates: Sequence[str]) -> str:
    """Format rows per second: `29.97/s`, `12-30/s`, or `times` if every row has its own time."""
    if not rates:
        return "times"
    return "-".join(f"{float(Fraction(rate)):.6g}" for rate in rates) + "/s"


def as_columns(lines: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Pad cells to columns.

    Args:
        lines: Cells of each line; the last cell of a line that ends early may be longer than its column.
        right: Columns that are aligned to the right.
    """
    columns = max(map(len, lines))
    widths = [
        max(len(line[column]) for line in lines if column < len(line) - 1 or len(line) == columns > column)
        for column in range(columns)
    ]
    return "\n".join("  ".join(_padded(line, widths, right)).rstrip() for line in lines)


def _padded(line: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    too_long = len(line) - 1 if len(line) < len(widths) else None
    return [
        cell.rjust(widths[column]) if column in right and column != too_long else cell.ljust(widths[column])
        for column, cell in enumerate(line)
    ]
