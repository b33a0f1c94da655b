"""Index arrays of a shard, by which any reader finds a clip's rows.

- `offsets` int64 (clip + 1,): clip k is rows offsets[k]:offsets[k+1] of every array.
- `clip_id` and `clip_id_offsets`: the ids as UTF-8 bytes, joined.
- `status` uint8 (clip,): 0 ok, 1 failed, 2 not applicable.
- `start` and `rate` int64 (clip, 2): numerator and denominator of the first row's time in seconds and of the rows per
  second; a rate of 0/1 means that the rows have no grid, and their times are in the array `times`.
- `{name}_offsets` int64 (row + 1,): first byte of each image of a JPEG array, or of each string of text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from affectstore.errors import ClipError
from affectstore.store.index.ledger import STATUSES, ClipEntry
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid

INDEX_DIMS = {
    "offsets": ("clip_edge",),
    "clip_id": ("clip_id_byte",),
    "clip_id_offsets": ("clip_edge",),
    "status": ("clip",),
    "start": ("clip", "fraction"),
    "rate": ("clip", "fraction"),
}


def row_offsets_name(name: str) -> str:
    """Name of the array with the first byte of each image or string of the array `name`."""
    return f"{name}_offsets"


def index_arrays(
    clips: Sequence[ClipEntry],
    grids: Sequence[Grid | None],
    specs: Sequence[ArraySpec],
    lengths: Mapping[str, Sequence[np.ndarray]],
) -> dict[str, np.ndarray]:
    """Build the index arrays of a shard.

    Args:
        clips: Clips in stored order.
        grids: Their grids.
        specs: Specs of the arrays.
        lengths: For each array of images or text the bytes of its rows, clip by clip.
    """
    ids = [clip.clip_id.encode() for clip in clips]
    arrays = {
        "offsets": edges([clip.rows for clip in clips]),
        "clip_id": np.frombuffer(b"".join(ids), dtype=np.uint8),
        "clip_id_offsets": edges([len(name) for name in ids]),
        "status": np.array([STATUSES.index(clip.status) for clip in clips], dtype=np.uint8),
        "start": _fractions([grid.start if grid else Fraction(0) for grid in grids]),
        "rate": _fractions([grid.rate if grid else Fraction(0) for grid in grids]),
    }
    for spec in specs:
        if spec.is_variable_length:
            joined = np.concatenate([np.zeros(0, "<i8"), *lengths[spec.name]])
            arrays[row_offsets_name(spec.name)] = edges(joined)
    return arrays


def edges(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Compute the begin of each joined part, and the end of the last: int64 (part + 1,)."""
    out = np.zeros(len(lengths) + 1, dtype="<i8")
    np.cumsum(np.asarray(lengths, dtype="<i8"), out=out[1:])
    return out


def grid_of(start: np.ndarray, rate: np.ndarray) -> Grid | None:
    """Build a clip's grid from its rows of `start` and `rate`."""
    if not rate[0]:
        return None
    return Grid(Fraction(int(start[0]), int(start[1])), Fraction(int(rate[0]), int(rate[1])))


def check_grid(clip_id: str, grid: Grid) -> None:
    """Refuse a grid that does not fit into the stored integers.

    Raises:
        ClipError: A numerator or denominator takes more than 63 bits.
    """
    for value in (grid.start, grid.rate):
        if max(abs(value.numerator), value.denominator) >= 2**63:
            raise ClipError(f"clip {clip_id!r}: {value} of its grid does not fit into 64-bit integers: round it")


def _fractions(values: Sequence[Fraction]) -> np.ndarray:
    return np.array([(value.numerator, value.denominator) for value in values], dtype="<i8").reshape(-1, 2)
