"""Cutting a sequence that is longer than a model can see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """What the model sees at once, and what is kept of it.

    Attributes:
        seen: the positions of the sequence that it sees.
        kept: those of them whose vectors are kept.
    """

    seen: slice
    kept: slice


def windows(length: int, size: int, overlap: int) -> tuple[Window, ...]:
    """Windows of at most `size` positions that keep each of `length` positions once, in order.

    Neighbours share `overlap` positions or more (the last window ends with the sequence and is as full as the
    others); of the shared ones each keeps the half that lies deeper in it, so that every position is seen with
    context on both sides.

    Args:
        length: of the sequence; 0 gives one empty window.
        size: positions that fit.
        overlap: fewer than `size`.

    Raises:
        ValueError: the overlap leaves nothing.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} positions leaves nothing of a window of {size}")
    starts = [0]
    while starts[-1] + size < length:
        starts.append(min(starts[-1] + size - overlap, length - size))
    ends = [min(start + size, length) for start in starts]
    borders = [0, *((start + end) // 2 for start, end in zip(starts[1:], ends[:-1], strict=True)), length]
    return tuple(
        Window(slice(start, end), slice(first, last))
        for start, end, first, last in zip(starts, ends, borders[:-1], borders[1:], strict=True)
    )
