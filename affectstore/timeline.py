"""Time of rows: grids, spans and overlaps, in exact fractions of a second.

Row k of a grid with rate r and start s spans [s + k/r, s + (k+1)/r). Rates and starts are `fractions.Fraction`, taken
from timestamps and integer sample counts, never from nominal rates.

Rows of different features are compared by their spans in integer nanoseconds, int64 (row, 2): a border that two
features share is then the same number for both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

_BLOCK_CELLS = 1024
_NS = 1_000_000_000


@dataclass(frozen=True)
class Grid:
    """Rows at a constant rate.

    Attributes:
        start: Begin of row 0, in seconds.
        rate: Rows per second.
    """

    start: Fraction
    rate: Fraction

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"a grid's rate must be positive, got {self.rate}")

    def edge(self, row: int) -> Fraction:
        """Begin of a row (= end of the row before it), in seconds."""
        return self.start + Fraction(row) / self.rate

    def row_at(self, time_s: float | Fraction) -> int:
        """Find the row whose span holds `time_s`; negative before the first row."""
        return math.floor((Fraction(time_s) - self.start) * self.rate)

    def rows_between(self, start_s: float | Fraction, end_s: float | Fraction, rows: int) -> slice:
        """Find the rows, of `rows` in all, whose spans overlap [start_s, end_s)."""
        first = self.row_at(start_s)
        last = math.ceil((Fraction(end_s) - self.start) * self.rate)
        first = min(max(first, 0), rows)
        return slice(first, min(max(last, first), rows))

    def centres_s(self, rows: int) -> np.ndarray:
        """Middle of each row in seconds, float64 (row,)."""
        return float(self.start) + (np.arange(rows) + 0.5) / float(self.rate)


def rows_covering(duration: Fraction, rate: Fraction) -> int:
    """Count the rows at `rate` that cover `duration` seconds: the ceiling, at least one for any positive duration."""
    return max(0, math.ceil(duration * rate))


def overlap_weights(source: Grid, source_rows: int, span: tuple[Fraction, Fraction], width: int) -> np.ndarray:
    """Compute the weights that resample the part of a grid in `span` to `width` equal cells.

    Cell j is the mean of the source over its own part of the span: each source row is weighted by the length of its
    overlap with the cell. Outside the source the nearest row is used, so that the weights of every cell sum to one.

    Returns:
        float64 (width, source_rows).

    Raises:
        ValueError: Source, span or width is empty.
    """
    _check_span(source_rows, span, width)
    position = _cell_edges(source, span, width)
    row = np.arange(source_rows, dtype=np.float64)
    left, right = position[:-1, None], position[1:, None]
    weights = np.minimum(right, row + 1) - np.maximum(left, row)
    np.clip(weights, 0, None, out=weights)
    weights[:, 0] += np.clip(np.minimum(right[:, 0], 0) - left[:, 0], 0, None)
    weights[:, -1] += np.clip(right[:, 0] - np.maximum(left[:, 0], source_rows), 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def resample(values: np.ndarray, source: Grid, span: tuple[Fraction, Fraction], width: int) -> np.ndarray:
    """Compute `overlap_weights(...) @ values` in blocks of cells that read only the rows they overlap.

    Args:
        values: Rows of `source`, (row, feature).
        source: Grid of the rows.
        span: Time to resample, in seconds.
        width: Number of equal cells.

    Returns:
        float64 (width, feature).

    Raises:
        ValueError: Source, span or width is empty.
    """
    rows = len(values)
    _check_span(rows, span, width)
    start, length = span[0], (span[1] - span[0]) / width
    out = np.empty((width, values.shape[1]))
    for first in range(0, width, _BLOCK_CELLS):
        last = min(first + _BLOCK_CELLS, width)
        block = (start + first * length, start + last * length)
        near = source.rows_between(*block, rows)
        # Outside the source, its nearest row is used.
        lower = min(near.start, rows - 1)
        upper = max(near.stop, lower + 1)
        weights = overlap_weights(Grid(source.edge(lower), source.rate), upper - lower, block, last - first)
        out[first:last] = weights @ values[lower:upper]
    return out


def _check_span(source_rows: int, span: tuple[Fraction, Fraction], width: int) -> None:
    if source_rows < 1 or width < 1 or span[1] <= span[0]:
        raise ValueError(
            f"cannot resample {source_rows} rows over [{float(span[0])}, {float(span[1])}) s to {width} cells: "
            "each must be at least one, and the span must have a length"
        )


def _cell_edges(source: Grid, span: tuple[Fraction, Fraction], width: int) -> np.ndarray:
    """Compute the edges of the cells in rows of the source: each the nearest float to its exact fraction."""
    first = (span[0] - source.start) * source.rate
    step = (span[1] - span[0]) * source.rate / width
    bottom = math.lcm(first.denominator, step.denominator)
    top_first = first.numerator * (bottom // first.denominator)
    top_step = step.numerator * (bottom // step.denominator)
    return np.array([(top_first + cell * top_step) / bottom for cell in range(width + 1)])


def rows_overlapping(times_s: np.ndarray, start_s: float | Fraction, end_s: float | Fraction) -> slice:
    """Find the rows whose spans overlap [start_s, end_s), where row k spans [times_s[k], times_s[k + 1]).

    The last row lasts as long as the one before it, and a lone row has no end.

    Args:
        times_s: Begins of the rows, float64 (row,), ascending.
        start_s, end_s: Span in seconds.
    """
    rows = len(times_s)
    first = max(int(np.searchsorted(times_s, float(start_s), side="right")) - 1, 0)
    last = int(np.searchsorted(times_s, float(end_s), side="left"))
    if rows > 1 and float(start_s) >= 2 * times_s[-1] - times_s[-2]:
        first = rows
    return slice(first, max(first, last))


def grid_spans_ns(grid: Grid, rows: int) -> np.ndarray:
    """Compute begin and end of each row of a grid in nanoseconds: int64 (row, 2)."""
    # Beyond 10^4 s a float64 still holds hundredths of a nanosecond.
    edges = np.rint(float(grid.start * _NS) + np.arange(rows + 1) * float(_NS / grid.rate)).astype(np.int64)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def time_spans_ns(times_s: np.ndarray, ends_s: np.ndarray | None = None) -> np.ndarray:
    """Compute begin and end of rows with times of their own in nanoseconds: int64 (row, 2).

    Args:
        times_s: Begins of the rows, float64 (row,), ascending.
        ends_s: Their ends, float64 (row,); by default the begin of the next row. The last row then lasts as long as the
            one before it, and a lone row has no duration.

    Raises:
        ValueError: A time is not known.
    """
    begins = np.asarray(times_s, dtype=np.float64)
    if ends_s is None:
        steps = np.diff(begins)
        ends_s = np.append(begins[1:], begins[-1:] + (steps[-1:] if len(steps) else 0.0))
    spans = np.stack([begins, ends_s], axis=1)
    if np.isnan(spans).any():
        raise ValueError(f"the times of {int(np.isnan(spans).any(axis=1).sum())} of {len(spans)} rows are not known")
    return np.rint(spans * _NS).astype(np.int64)


def nearest_rows(source_ns: np.ndarray, target_ns: np.ndarray) -> np.ndarray:
    """Find for each target row the source row that holds its middle, or else the nearest one.

    Args:
        source_ns: Spans of the source rows, int64 (row, 2), at least one row, begins ascending.
        target_ns: Spans of the target rows, int64 (target, 2).

    Returns:
        int64 (target,): the earlier one of two that are equally near.
    """
    middle = target_ns.sum(axis=1) // 2
    before = np.clip(np.searchsorted(source_ns[:, 0], middle, side="right") - 1, 0, None)
    after = np.minimum(before + 1, len(source_ns) - 1)
    # Behind the row that began last, the next one may be nearer; before the first row, no other is.
    behind, ahead = middle - source_ns[before, 1], source_ns[after, 0] - middle
    return np.where((ahead > 0) & (ahead < behind), after, before)


def rows_inside(source_ns: np.ndarray, target_ns: np.ndarray) -> np.ndarray:
    """Find for each target row the source rows whose middles it holds: int64 (target, 2), first and last + 1.

    A target row that holds none takes the one of `nearest_rows`.
    """
    middle = source_ns.sum(axis=1) // 2
    first = np.searchsorted(middle, target_ns[:, 0], side="left")
    last = np.searchsorted(middle, target_ns[:, 1], side="left")
    nearest = nearest_rows(source_ns, target_ns)
    none = last <= first
    return np.stack([np.where(none, nearest, first), np.where(none, nearest + 1, last)], axis=1)


def rows_touched(source_ns: np.ndarray, target_ns: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Find for each target row the source rows that it overlaps, and their weights.

    Returns:
        int64 (target, 2), first and last + 1; and float64 weights of these rows that sum to one, proportional to the
        overlap. A target row that overlaps nothing takes the one of `nearest_rows`.
    """
    first = np.searchsorted(source_ns[:, 1], target_ns[:, 0], side="right")
    last = np.searchsorted(source_ns[:, 0], target_ns[:, 1], side="left")
    nearest = nearest_rows(source_ns, target_ns)
    none = last <= first
    rows = np.stack([np.where(none, nearest, first), np.where(none, nearest + 1, last)], axis=1)
    weights = []
    for (begin, end), (lower, upper) in zip(target_ns.tolist(), rows.tolist(), strict=True):
        part = source_ns[lower:upper]
        overlap = np.clip(np.minimum(part[:, 1], end) - np.maximum(part[:, 0], begin), 0, None).astype(np.float64)
        total = overlap.sum()
        weights.append(overlap / total if total else np.full(len(part), 1 / len(part)))
    return rows, weights
