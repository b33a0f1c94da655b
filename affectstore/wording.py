"""Numbers as a person reads them."""

from __future__ import annotations

import math


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
