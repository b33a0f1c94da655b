"""Micro F1: 2 TP / (2 TP + FP + FN) over all classes together; the accuracy, where every instance has one class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import ratio
from affectstore.evaluation.tally import Tally

LABEL = "Micro F1"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ()


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(...), in [0, 1]; NaN without an instance."""
    return ratio(2 * tally.hits.sum(axis=-1), (tally.support + tally.predicted).sum(axis=-1), np.nan)
