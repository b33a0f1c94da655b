"""Unweighted average recall: the mean of the recalls of the classes.

A class without a test instance has no recall: the mean runs over the classes that are present (Schuller et al.,
INTERSPEECH 2009 Emotion Challenge, for the measure).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import mean_of_present, ratio
from affectstore.evaluation.tally import Tally

LABEL = "UAR"
PERCENT = True
BETTER = "high"
AXES: tuple[str, ...] = ()


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(...), in [0, 1]; NaN without an instance."""
    return mean_of_present(ratio(tally.hits, tally.support, np.nan), tally.support)
