"""Macro recall: the mean of the recalls of the classes that have a test instance; the same number as UAR."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation.metrics import uar
from affectstore.evaluation.tally import Tally

LABEL = "Macro recall"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ()


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(...), in [0, 1]; NaN without an instance."""
    return uar.compute(tally)
