"""Every metric of the predictions of some clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from affectstore.evaluation.confusion_counts import count_predictions
from affectstore.evaluation.metrics import measure


def evaluate(y: Sequence[str], p: npt.NDArray[np.floating[Any]], labels: Sequence[str]) -> dict[str, float]:
    """Compute every metric of predicted probabilities.

    Args:
        y: True label of each instance.
        p: Probabilities (instance, class), classes in the order of `labels`.
        labels: Class labels.

    Returns:
        Name -> number, as in `measure`.

    Example:
        >>> scores = evaluate(["a", "b", "b"], np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), ["a", "b"])
        >>> scores["accuracy"], scores["uar"]
        (0.6666666666666666, 0.75)
    """
    index = {label: k for k, label in enumerate(labels)}
    true = np.array([index[label] for label in y], dtype=np.int64)
    return {name: float(value) for name, value in measure(count_predictions(true, p), labels).items()}
