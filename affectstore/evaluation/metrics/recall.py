"""Recall of each class: correct instances over instances of the class.

A class without a test instance has no recall (NaN).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import ratio
from affectstore.evaluation.tally import Tally

LABEL = "Recall"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ("class",)


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(..., class), in [0, 1] or NaN."""
    return ratio(tally.hits, tally.support, np.nan)
