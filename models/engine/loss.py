"""How far logits are from labels: cross-entropy with class weights, smoothed and mixed labels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.units import labels_of_units

#: Class of a clip without a label.
UNLABELLED = -1


class LabelLoss:
    """The criterion of one batch (see `affectstore.models.base.Criterion`).

    As torch has it, the mean over clips is weighted by the weights of their classes, and smoothing gives every class
    an equal part of the label. Of mixed clips the loss is the mixture of the losses (Zhang et al. 2018).

    Args:
        labels: int64 (clip,), `UNLABELLED` where there is none.
        weights: float32 (class,); none: all the same.
        smoothing: part of each label that is spread over all classes.
        partners: int64 (clip,), the labels that are mixed in; none: clips are as they came.
        share: part of the clips' own labels, where they are mixed.
        some_unlabelled: whether clips without labels may be among them.
        totals: what the sums over clips are divided by, for their labels and for those mixed in; none: by what the
            clips with labels weigh.
    """

    def __init__(
        self,
        labels: Tensor,
        weights: Tensor | None = None,
        smoothing: float = 0.0,
        partners: Tensor | None = None,
        share: float = 1.0,
        some_unlabelled: bool = False,
        totals: tuple[Tensor, ...] | None = None,
    ):
        self.labels, self.weights, self.smoothing = labels, weights, smoothing
        self.partners, self.share, self.some_unlabelled, self.totals = partners, share, some_unlabelled, totals

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits to their mean loss in nats, in single precision at least; 0 without any label.

        Args:
            logits: (clip, class), or (modality x clip, class) where each modality is classified for itself.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        means = [self._mean(logits, labels, k) for k, labels in enumerate(self._label_sets)]
        return means[0] if len(means) == 1 else self.share * means[0] + (1 - self.share) * means[1]

    def at(self, rows: Tensor) -> LabelLoss:
        """The criterion of some of the clips: its means over parts, weighted by their clips, are the mean of all."""
        rows = rows.to(self.labels.device)
        part = len(rows) / len(self.labels)
        return LabelLoss(
            self.labels[rows],
            self.weights,
            self.smoothing,
            None if self.partners is None else self.partners[rows],
            self.share,
            self.some_unlabelled,
            tuple(self._weight(labels) * part for labels in self._label_sets),
        )

    @property
    def _label_sets(self) -> tuple[Tensor, ...]:
        return (self.labels,) if self.partners is None else (self.labels, self.partners)

    def _mean(self, logits: Tensor, labels: Tensor, which: int) -> Tensor:
        copies = len(logits) // len(self.labels)
        labels = labels_of_units(labels, logits)
        weights = None if self.weights is None else self.weights.to(logits.dtype)
        if self.totals is None and not self.some_unlabelled:
            return F.cross_entropy(logits, labels, weights, label_smoothing=self.smoothing)
        summed = F.cross_entropy(
            logits, labels, weights, label_smoothing=self.smoothing, ignore_index=UNLABELLED, reduction="sum"
        )
        total = self._weight(labels) if self.totals is None else copies * self.totals[which]
        return summed / torch.where(total > 0, total, 1.0)  # where no clip has a label the sum is 0, and so is the mean

    def _weight(self, labels: Tensor) -> Tensor:
        """What clips with labels weigh together, each as much as its class."""
        labelled = labels != UNLABELLED
        if self.weights is None:
            return labelled.sum().float()
        return (self.weights[labels.clamp(min=0)] * labelled).sum()


def balanced(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights float32 (class,) that let every class of a training side count the same: n / (classes n_class).

    Their mean over the side's labelled clips is 1 where every class occurs. A class that does not occur weighs 0.

    Args:
        labels: int (clip,); those below 0 are no labels.
        classes: how many there are.
    """
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    return np.where(counts > 0, counts.sum() / (classes * np.maximum(counts, 1)), 0.0).astype(np.float32)
