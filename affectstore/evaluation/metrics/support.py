"""How many test instances truly belong to each class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation.tally import Tally

LABEL = "Clips"
PERCENT = False
BETTER = None
AXES: tuple[str, ...] = ("class",)


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(..., class), counts."""
    return tally.support
