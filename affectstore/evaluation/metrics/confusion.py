"""Confusion matrix: how many instances of a true class (rows) were given a class (columns)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation.tally import Tally

LABEL = "Confusion"
PERCENT = False
BETTER = None
AXES: tuple[str, ...] = ("true", "predicted")


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(..., true, predicted), counts."""
    return tally.confusion
