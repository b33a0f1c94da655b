"""Cross-entropy of the softmax, with class weights and label smoothing (Szegedy et al. 2016, section 7)."""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from affectstore.config.base import Settings
from affectstore.models.modules import UNLABELLED, Loss
from affectstore.models.spec import LossSpec

SPEC = LossSpec(
    version=1,
    summary="cross-entropy of the softmax",
    paper="Szegedy et al. 2016, Rethinking the Inception Architecture for Computer Vision, section 7 (label smoothing)",
    label_smoothing=True,
)


class Options(Settings):
    """The cross-entropy has no options of its own."""


class CrossEntropy(Loss):
    """`torch.nn.functional.cross_entropy`: the mean is weighted by the classes' weights.

    Args:
        class_weights: float32 (class,); None for equal ones.
        label_smoothing: Part of each label that is spread over all classes.
    """

    def __init__(self, class_weights: Tensor | None, label_smoothing: float, _options: Options) -> None:
        super().__init__()
        self.class_weights, self.label_smoothing = class_weights, label_smoothing

    def forward(self, logits: Tensor, labels: Tensor, reduction: Literal["mean", "sum"]) -> Tensor:
        """Mean or sum of the clips' losses in nats."""
        weights = None if self.class_weights is None else self.class_weights.to(logits.dtype)
        return F.cross_entropy(
            logits, labels, weights, ignore_index=UNLABELLED, reduction=reduction, label_smoothing=self.label_smoothing
        )

    def weight(self, labels: Tensor) -> Tensor:
        """Sum of the class weights of the labelled clips."""
        if self.class_weights is None:
            return super().weight(labels)
        return (self.class_weights[labels.clamp(min=0)] * (labels != UNLABELLED)).sum()


build = CrossEntropy
