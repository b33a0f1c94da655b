"""Macro F1: the mean of the F1 of the classes that have a test instance (not the F1 of the macro means)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import mean_of_present
from affectstore.evaluation.metrics import f1
from affectstore.evaluation.tally import Tally

LABEL = "Macro F1"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ()


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(...), in [0, 1]; NaN without an instance."""
    return mean_of_present(f1.compute(tally), tally.support)
