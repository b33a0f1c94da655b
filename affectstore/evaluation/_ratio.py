"""Division with a stated value where nothing is divided."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def ratio(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64], empty: float) -> npt.NDArray[np.float64]:
    """`part / whole`, and `empty` where `whole` is zero."""
    filled = np.full(np.broadcast_shapes(part.shape, whole.shape), empty, dtype=np.float64)
    return np.divide(part, whole, out=filled, where=whole != 0)


def mean_of_present(values: npt.NDArray[np.float64], support: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean over the classes that have an instance; NaN where none has.

    Args:
        values: (..., class).
        support: instances per class (..., class).
    """
    present = support > 0
    return ratio(np.where(present, values, 0.0).sum(axis=-1), present.sum(axis=-1).astype(np.float64), np.nan)
