"""Windows over sequences that are longer than a model's input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """A slice of the sequence that fits the model's input.

    Attributes:
        seen: Positions of the sequence in the input.
        kept: Positions among them whose vectors are kept.
    """

    seen: slice
    kept: slice


def windows(length: int, size: int, overlap: int) -> tuple[Window, ...]:
    """Cut `length` positions into windows of at most `size` that keep each position once, in order.

    Neighbours share `overlap` positions or more (the last window ends with the sequence and is as full as the
    others); of the shared ones each keeps the half that is farther from its edge, so that every position has
    context on both sides.

    Args:
        length: Length of the sequence; 0 results in one empty window.
        size: Positions that fit.
        overlap: Number of shared positions, less than `size`.

    Raises:
        ValueError: The overlap leaves nothing of a window.
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
