"""Confusion matrix and summed loss of a set of predictions, the sufficient statistics of every metric.

Counts of disjoint sets add up, so pooling folds, grouping by speaker and resampling speakers are sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConfusionCounts:
    """Confusion matrices and summed losses over any leading axes (...).

    Attributes:
        confusion: Number of instances by true class (rows) and predicted class (columns), (..., class, class).
        loss_sum: Summed negative log-likelihood of the true classes in nats, (...).
    """

    confusion: Floats
    loss_sum: Floats

    @property
    def n(self) -> Floats:
        """Number of instances, (...)."""
        return self.confusion.sum(axis=(-2, -1))

    @property
    def support(self) -> Floats:
        """Number of instances of each true class, (..., class)."""
        return self.confusion.sum(axis=-1)

    @property
    def predicted(self) -> Floats:
        """Number of instances of each predicted class, (..., class)."""
        return self.confusion.sum(axis=-2)

    @property
    def hits(self) -> Floats:
        """Number of correct predictions of each class, (..., class)."""
        return np.diagonal(self.confusion, axis1=-2, axis2=-1)

    def sum(self, axis: int) -> ConfusionCounts:
        """Pool one leading axis.

        Args:
            axis: Non-negative index of a leading axis.
        """
        return ConfusionCounts(self.confusion.sum(axis=axis), self.loss_sum.sum(axis=axis))

    @classmethod
    def stack(cls, counts: Sequence[ConfusionCounts]) -> ConfusionCounts:
        """Join counts of the same shape along a new first axis."""
        return cls(np.stack([one.confusion for one in counts]), np.stack([one.loss_sum for one in counts]))


def log_losses(true: npt.NDArray[np.int64], p: npt.NDArray[np.floating[Any]]) -> Floats:
    """Negative log-likelihood of each instance's true class, in nats.

    Probabilities below the resolution of their own type count as that resolution (as in
    `sklearn.metrics.log_loss`), so that one underflow does not make a mean infinite.

    Args:
        true: Index of the true class, (instance,).
        p: Probabilities, (instance, class).
    """
    picked = p[np.arange(len(true)), true]
    return -np.log(np.maximum(picked, np.finfo(p.dtype).eps).astype(np.float64))


def count_predictions(
    true: npt.NDArray[np.int64],
    p: npt.NDArray[np.floating[Any]],
    group: npt.NDArray[np.int64] | None = None,
    groups: int = 1,
) -> ConfusionCounts:
    """Count predictions; the predicted class is the most probable one, the first of equals.

    Args:
        true: Index of the true class, (instance,).
        p: Probabilities, (instance, class).
        group: Index of an instance's group, 0 ... groups - 1, (instance,); None for all instances together.
        groups: Number of groups.

    Returns:
        Counts without leading axes, or with the one leading axis (group,) if `group` is given.
    """
    classes = p.shape[1]
    predicted = p.argmax(axis=1)
    group_index = np.zeros(len(true), dtype=np.int64) if group is None else group
    cell = (group_index * classes + true) * classes + predicted
    confusion = np.bincount(cell, minlength=groups * classes * classes).astype(np.float64)
    loss_sum = np.bincount(group_index, weights=log_losses(true, p), minlength=groups).astype(np.float64)
    counted = ConfusionCounts(confusion.reshape(groups, classes, classes), loss_sum)
    return counted.sum(axis=0) if group is None else counted
