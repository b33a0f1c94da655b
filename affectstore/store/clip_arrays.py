"""What a feature holds of one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from affectstore.timeline import Grid


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
        return len(next(iter(self.arrays.values())))
