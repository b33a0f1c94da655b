"""F1 of each class, the harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

A class without a test instance has none (NaN); one with test instances has one, since TP + FN > 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import ratio
from affectstore.evaluation.tally import Tally

LABEL = "F1"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ("class",)


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(..., class), in [0, 1] or NaN."""
    f1 = ratio(2 * tally.hits, tally.support + tally.predicted, np.nan)
    return np.where(tally.support > 0, f1, np.nan)
