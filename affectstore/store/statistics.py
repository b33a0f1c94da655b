"""Mean and standard deviation of a feature's columns over some clips, for z-normalisation.

They belong to the training clips, so they are computed for a subset of a fold when it is trained on, and are never part
of stored values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from affectstore.errors import StoreError


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each column over all rows of the clips.

    Attributes:
        mean, std: float64, of the shape of a row; the standard deviation is that of the population.
        rows: Number of rows they were computed from.
    """

    mean: np.ndarray
    std: np.ndarray
    rows: int

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """Compute (values - mean) / std in float32; a column that never varies is only centred."""
        return ((values - self.mean) / np.where(self.std > 0, self.std, 1.0)).astype(np.float32)


def column_statistics(feature: Any, clip_ids: Iterable[str]) -> Statistics:
    """Compute the statistics of a feature's `values`, clip by clip, in memory that one clip bounds.

    Each clip is merged with all before it (Chan, Golub & LeVeque 1979), so that a large mean costs no digits.

    Args:
        feature: An opened feature of numbers.
        clip_ids: Clips of a training subset.

    Raises:
        AbsentError: One of the clips has no such feature.
        StoreError: There are no clips, or the feature holds no numbers.
    """
    if feature.spec.numpy_dtype.kind not in "fiu":
        raise StoreError(f"{feature.name!r} holds {feature.spec.dtype}, which has no mean")
    rows, mean, squares = 0, np.zeros(feature.spec.shape), np.zeros(feature.spec.shape)
    for clip_id in clip_ids:
        values = np.asarray(feature[clip_id], dtype=np.float64)
        centre = values.mean(axis=0)
        step = centre - mean
        total = rows + len(values)
        mean = mean + step * (len(values) / total)
        squares = squares + np.square(values - centre).sum(axis=0) + step**2 * (rows * len(values) / total)
        rows = total
    if not rows:
        raise StoreError(f"cannot compute statistics of {feature.name!r}: the selection is empty")
    return Statistics(mean, np.sqrt(squares / rows), rows)
