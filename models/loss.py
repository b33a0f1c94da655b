"""How far logits are from labels: cross-entropy with class weights, smoothed and mixed labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

#: Class of a clip without a label.
UNLABELLED = -1


@dataclass(frozen=True)
class LabelLoss:
    """The criterion of one batch (see `affectstore.models.base.Criterion`).

    As torch has it, the mean over clips is weighted by the weights of their classes, and smoothing gives every class
    an equal part of the label. Of mixed clips the loss is the mixture of the losses (Zhang et al. 2018).

    Attributes:
        labels: int64 (clip,), `UNLABELLED` where there is none.
        weights: float32 (class,); none: all the same.
        smoothing: part of each label that is spread over all classes.
        partners: int64 (clip,), the labels that are mixed in; none: clips are as they came.
        share: part of the clips' own labels, where they are mixed.
        some_unlabelled: whether clips without labels may be among them.
    """

    labels: Tensor
    weights: Tensor | None = None
    smoothing: float = 0.0
    partners: Tensor | None = None
    share: float = 1.0
    some_unlabelled: bool = False

    def __call__(self, logits: Tensor) -> Tensor:
        """Logits (clip, class) to their mean loss in nats, in single precision at least; 0 without any label."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        loss = self._to(logits, self.labels)
        if self.partners is None:
            return loss
        return self.share * loss + (1 - self.share) * self._to(logits, self.partners)

    def _to(self, logits: Tensor, labels: Tensor) -> Tensor:
        weights = None if self.weights is None else self.weights.to(logits.dtype)
        if not self.some_unlabelled:
            return F.cross_entropy(logits, labels, weights, label_smoothing=self.smoothing)
        total = F.cross_entropy(
            logits, labels, weights, label_smoothing=self.smoothing, ignore_index=UNLABELLED, reduction="sum"
        )
        # Where no clip has a label the sum is 0, and so is the mean.
        counted = self.weight
        return total / torch.where(counted > 0, counted, 1.0)

    @property
    def weight(self) -> Tensor:
        """What the mean was divided by: labelled clips, each as much as its class weighs."""
        labelled = self.labels != UNLABELLED
        if self.weights is None:
            return labelled.sum().float()
        return (self.weights[self.labels.clamp(min=0)] * labelled).sum()


def balanced(labels: np.ndarray, classes: int) -> np.ndarray:
    """Weights float32 (class,) that let every class of a training side count the same: n / (classes n_class).

    Their mean over the side's labelled clips is 1 where every class occurs. A class that does not occur weighs 0.

    Args:
        labels: int (clip,); those below 0 are no labels.
        classes: how many there are.
    """
    counts = np.bincount(labels[labels >= 0], minlength=classes)
    return np.where(counts > 0, counts.sum() / (classes * np.maximum(counts, 1)), 0.0).astype(np.float32)
