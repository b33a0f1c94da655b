"""Precision of each class: correct instances over instances that were given the class.

A class that was never predicted has precision 0; a class without a test instance has none (NaN).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import ratio
from affectstore.evaluation.tally import Tally

LABEL = "Precision"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ("class",)


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(..., class), in [0, 1] or NaN."""
    return np.where(tally.support > 0, ratio(tally.hits, tally.predicted, 0.0), np.nan)
