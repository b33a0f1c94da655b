"""Mean negative log-likelihood of the true classes, in nats, from the probabilities as they were written."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from affectstore.evaluation._ratio import ratio
from affectstore.evaluation.tally import Tally

LABEL = "Loss"
PERCENT = False
BETTER = "low"
AXES: tuple[str, ...] = ()


def compute(tally: Tally) -> npt.NDArray[np.float64]:
    """(...), not negative; NaN without an instance."""
    return ratio(tally.loss_sum, tally.n, np.nan)
