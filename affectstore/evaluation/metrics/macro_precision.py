"""Macro precision: the mean of the precisions of the classes that have a test instance.

A class that was never predicted counts with precision 0.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import mean_of_present
from affectstore.evaluation.metrics import precision
from affectstore.evaluation.tally import Tally

LABEL = "Macro precision"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ()


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(...), in [0, 1]; NaN without an instance."""
    return mean_of_present(precision.compute(tally), tally.support)
