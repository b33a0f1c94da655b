"""Micro recall: TP / (TP + FN) over all classes together.

Every instance has one true class and is given one: false positives and false negatives of all classes together
are the same instances, so the micro recall is the accuracy.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import ratio
from affectstore.evaluation.tally import Tally

LABEL = "Micro recall"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ()


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(...), in [0, 1]; NaN without an instance."""
    return ratio(tally.hits.sum(axis=-1), tally.support.sum(axis=-1), np.nan)
