"""Sufficient statistics of a set of predictions: a confusion matrix and a summed loss.

Tallies of disjoint sets add up, so pooling folds, grouping by speaker and resampling speakers are sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tally:
    """Counts over any leading axes (...).

    Attributes:
        confusion: (..., class, class), how many instances of a true class (rows) got a predicted class (columns).
        loss_sum: (...), summed negative log-likelihood of the true classes, in nats.
    """

    confusion: Floats
    loss_sum: Floats

    @property
    def n(self) -> Floats:
        """(...), how many instances were counted."""
        return self.confusion.sum(axis=(-2, -1))

    @property
    def support(self) -> Floats:
        """(..., class), how many instances truly belong to a class."""
        return self.confusion.sum(axis=-1)

    @property
    def predicted(self) -> Floats:
        """(..., class), how many instances were given a class."""
        return self.confusion.sum(axis=-2)

    @property
    def hits(self) -> Floats:
        """(..., class), how many instances of a class were given that class."""
        return np.diagonal(self.confusion, axis1=-2, axis2=-1)

    def sum(self, axis: int) -> Tally:
        """The tally of one leading axis pooled.

        Args:
            axis: non-negative index of a leading axis.
        """
        return Tally(self.confusion.sum(axis=axis), self.loss_sum.sum(axis=axis))


def log_losses(true: npt.NDArray[np.int64], p: npt.NDArray[np.floating[Any]]) -> Floats:
    """Negative log-likelihood of each instance's true class, in nats.

    Probabilities below the resolution of their own type count as that resolution (as in
    `sklearn.metrics.log_loss`), so that one underflow does not make a mean infinite.

    Args:
        true: index of the true class (instance,).
        p: probabilities (instance, class).
    """
    picked = p[np.arange(len(true)), true]
    return -np.log(np.maximum(picked, np.finfo(p.dtype).eps).astype(np.float64))


def tally(
    true: npt.NDArray[np.int64],
    p: npt.NDArray[np.floating[Any]],
    group: npt.NDArray[np.int64] | None = None,
    groups: int = 1,
) -> Tally:
    """Count predictions; the predicted class is the most probable one, the first of equals.

    Args:
        true: index of the true class (instance,).
        p: probabilities (instance, class).
        group: index of an instance's group (instance,), 0 ... groups - 1; none: all instances together.
        groups: number of groups.

    Returns:
        A tally without leading axes, or with the one leading axis (group,) when `group` is given.
    """
    classes = p.shape[1]
    predicted = p.argmax(axis=1)
    where = np.zeros(len(true), dtype=np.int64) if group is None else group
    cell = (where * classes + true) * classes + predicted
    confusion = np.bincount(cell, minlength=groups * classes * classes).astype(np.float64)
    loss_sum = np.bincount(where, weights=log_losses(true, p), minlength=groups).astype(np.float64)
    counted = Tally(confusion.reshape(groups, classes, classes), loss_sum)
    return counted.sum(axis=0) if group is None else counted
