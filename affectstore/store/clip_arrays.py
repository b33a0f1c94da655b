"""What a feature holds of one clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from affectstore.timeline import Grid


class StoredArrays(Mapping[str, np.ndarray]):
    """Arrays that are read when they are asked for: whoever needs only the rows' times decodes no picture.

    Args:
        names: of the arrays.
        rows: number of rows of each.
        read: reads one of them by name.
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
        arrays: by array name; the first axis of each is the row, and all have the same number of rows.
        grid: start and rate of the rows, or None where each row has its own time in `arrays["times"]`
            (float64 seconds).
    """

    arrays: Mapping[str, np.ndarray]
    grid: Grid | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        if isinstance(self.arrays, StoredArrays):
            return self.arrays.rows
        return len(next(iter(self.arrays.values())))
