"""Arrays of one clip, and of several clips padded to one length. Padding never travels without its mask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid


class LazyArrays(Mapping[str, np.ndarray]):
    """Arrays that are read on access: a reader of the rows' times decodes no image.

    Args:
        names: Names of the arrays.
        rows: Number of rows of each.
        read: Reads one of them by name.
    """

    def __init__(self, names: Sequence[str], rows: int, read: Callable[[str], np.ndarray]):
        self.rows = rows
        self._names, self._read = tuple(names), read

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class ClipArrays:
    """The arrays of one clip.

    Attributes:
        arrays: By array name; the first axis of each is the row, and all have the same number of rows.
        grid: Start and rate of the rows, or None if each row has its own time in `arrays["times"]` (float64 seconds).
    """

    arrays: Mapping[str, np.ndarray]
    grid: Grid | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        if isinstance(self.arrays, LazyArrays):
            return self.arrays.rows
        return len(next(iter(self.arrays.values())))


def pad_batch(clips: Sequence[np.ndarray], spec: ArraySpec) -> tuple[np.ndarray, np.ndarray]:
    """Pad clips with zeros (empty text) behind their ends.

    Args:
        clips: One array (row, *spec.shape) per clip, of one dtype.
        spec: Spec of their array; its dtype counts if there are no clips.

    Returns:
        values (clip, row, ...), and mask (clip, row) bool, True on real rows.
    """
    most = max((len(clip) for clip in clips), default=0)
    values = np.zeros((len(clips), most, *spec.shape), dtype=clips[0].dtype if clips else spec.numpy_dtype)
    mask = np.zeros((len(clips), most), dtype=bool)
    for index, clip in enumerate(clips):
        values[index, : len(clip)] = clip
        mask[index, : len(clip)] = True
    return values, mask
