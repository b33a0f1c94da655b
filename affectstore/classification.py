"""Accuracy and recalls of predicted classes: the metrics that epochs, grid combinations and baselines are chosen by.

Tables compute theirs from counts, over bootstrap resamples (`affectstore.evaluation`).
"""

from __future__ import annotations

import numpy as np


def accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    """Share of clips whose predicted class is the label.

    Args:
        y: int (clip,), labels.
        predicted: int (clip,), predicted classes.
    """
    return float((predicted == y).mean())


def class_recalls(y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Recall of each class that occurs, float64 (class,); their mean is the unweighted average recall (UAR).

    Args:
        y: int (clip,), labels.
        predicted: int (clip,), predicted classes.
    """
    return np.array([(predicted[y == label] == label).mean() for label in np.unique(y)])
