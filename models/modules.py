"""Base classes of encoders, fusions and losses, and the values that pass between them."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")

#: Class index of a clip without a label.
UNLABELLED = -1


class Loss(nn.Module, abc.ABC):
    """Difference between logits and labels."""

    @abc.abstractmethod
    def forward(self, logits: Tensor, labels: Tensor, reduction: Literal["mean", "sum"]) -> Tensor:
        """Mean or sum of the clips' losses, a scalar.

        Args:
            logits: (clip, class), in single precision at least.
            labels: int64 (clip,); clips with the label `UNLABELLED` have no part in a sum, and are not in a mean.
            reduction: "mean" divides the sum by `weight(labels)`.
        """

    def weight(self, labels: Tensor) -> Tensor:
        """Sum of the weights of the labelled clips, a scalar; by default their number."""
        return (labels != UNLABELLED).sum().float()


class Criterion:
    """Loss of one batch: maps logits, or log-probabilities, (clip, class) to their mean loss.

    Losses that a fusion computes on logits of its own go through it too, so that class weights, label smoothing, mixup
    and clips without labels apply to them. The loss of mixed clips is the mixture of the losses (Zhang et al. 2018,
    equation of section 2).

    Args:
        loss: The loss.
        labels: int64 (clip,); `UNLABELLED` where a clip has none.
        mixed_labels: int64 (clip,), labels that are mixed in; None where clips are not mixed.
        mix_ratio: Share of the clips' own labels, where they are mixed.
        some_unlabelled: Clips without labels may be among them.
        totals: Divisors of the sums over clips, for the clips' labels and for those mixed in; None for the weight of
            the clips with labels.
    """

    def __init__(
        self,
        loss: Loss,
        labels: Tensor,
        mixed_labels: Tensor | None = None,
        mix_ratio: float = 1.0,
        some_unlabelled: bool = False,
        totals: tuple[Tensor, ...] | None = None,
    ) -> None:
        self.loss, self.labels, self.mixed_labels, self.mix_ratio = loss, labels, mixed_labels, mix_ratio
        self.some_unlabelled, self.totals = some_unlabelled, totals

    def __call__(self, logits: Tensor) -> Tensor:
        """Mean loss in single precision at least; 0 without any label.

        Args:
            logits: (clip, class), or (modality x clip, class) where each modality is classified by itself.
        """
        if logits.dtype != torch.float64:
            logits = logits.float()
        own = self._mean(logits, self.labels, 0)
        if self.mixed_labels is None:
            return own
        return self.mix_ratio * own + (1 - self.mix_ratio) * self._mean(logits, self.mixed_labels, 1)

    def select(self, rows: Tensor) -> Criterion:
        """Criterion of some of the clips: its means over parts of a batch, weighted by their clips, give the mean of
        all.
        """
        rows = rows.to(self.labels.device)
        share = len(rows) / len(self.labels)
        mixed = self.mixed_labels
        totals = tuple(share * self.loss.weight(one) for one in (self.labels, mixed) if one is not None)
        selected = None if mixed is None else mixed[rows]
        return Criterion(self.loss, self.labels[rows], selected, self.mix_ratio, self.some_unlabelled, totals)

    def _mean(self, logits: Tensor, labels: Tensor, which: int) -> Tensor:
        copies = len(logits) // len(labels)
        if copies > 1:
            labels = labels.repeat(copies)
        if self.totals is None and not self.some_unlabelled:
            return self.loss(logits, labels, "mean")
        total = self.loss.weight(labels) if self.totals is None else copies * self.totals[which]
        # Where no clip has a label the sum is 0, and so is the mean.
        summed: Tensor = self.loss(logits, labels, "sum")
        return summed / torch.where(total > 0, total, 1.0)


class Encoded(NamedTuple):
    """Output of an encoder for a batch.

    Attributes:
        vector: (clip, dim).
        sequence: (clip, step, dim), zero where padded; None for encoders that output a vector alone.
        mask: bool (clip, step) of the sequence.
        layers: Hidden sequences from the first layer to the last, each (clip, step, dim); empty for encoders without.
        spans: int64 (clip, word, 2), first and last + 1 of the steps under each word, (0, 0) where there is no word;
            set by the network for fusions that align modalities with words, in all modalities but that of the words.
    """

    vector: Tensor
    sequence: Tensor | None = None
    mask: Tensor | None = None
    layers: tuple[Tensor, ...] = ()
    spans: Tensor | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Encoded:
        """Apply a function to the vector, the sequence and each layer."""
        return self._replace(
            vector=function(self.vector),
            sequence=None if self.sequence is None else function(self.sequence),
            layers=tuple(function(layer) for layer in self.layers),
        )

    def steps(self) -> tuple[Tensor, Tensor]:
        """Sequence (clip, step, dim) and its mask (clip, step).

        Raises:
            TypeError: The encoder outputs a vector alone.
        """
        if self.sequence is None or self.mask is None:
            raise TypeError("this encoder outputs no sequence; use a fusion of vectors")
        return self.sequence, self.mask


class Output(NamedTuple):
    """Output of a network for a batch.

    Attributes:
        logits: (clip, class), before any softmax.
        losses: Auxiliary losses by name, to be added to the loss of the logits; empty without a criterion.
        unimodal_logits: Modality -> logits (clip, class) of that modality alone, where they were asked for.
    """

    logits: Tensor
    losses: Mapping[str, Tensor] = MappingProxyType({})
    unimodal_logits: Mapping[str, Tensor] = MappingProxyType({})


class FusionContext(NamedTuple):
    """Further inputs of a fusion, besides the encoded modalities.

    Attributes:
        criterion: For auxiliary losses; None outside training.
        noisy: Modality -> output of its encoder with noise in every layer, for fusions of layers; None outside
            training.
        teachers: Modality -> logits (clip, class) of its teacher, for fusions with `needs_teachers`.
        available: Modality -> bool (clip,), for fusions with `handles_missing`; empty where no clip lacks any.
    """

    criterion: Callable[[Tensor], Tensor] | None = None
    noisy: Mapping[str, Encoded] | None = None
    teachers: Mapping[str, Tensor] = MappingProxyType({})
    available: Mapping[str, Tensor] = MappingProxyType({})


class Encoder(nn.Module, abc.ABC):
    """Map the input of one modality to a vector, and where it can, to a sequence and layers.

    Attributes:
        output_dim: Dimension of the vector, and of each step of the sequence and the layers.
        unused_parameters: Beginnings of the names of parameters that no loss reaches; kept because a study counted
            them.
    """

    output_dim: int
    unused_parameters: tuple[str, ...] = ()

    @abc.abstractmethod
    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Encode a batch.

        Args:
            values: See `affectstore.models.spec.INPUT_AXES`; zero where padded.
            mask: bool (clip, frame) or (clip, step).
        """


class NoisyEncoder(Encoder):
    """An encoder that can add Gaussian noise to each of its layers."""

    @abc.abstractmethod
    def forward(self, values: Tensor, mask: Tensor, noise: float = 0.0) -> Encoded:
        """Encode a batch.

        Args:
            values: Sequences (clip, step, dim), zero where padded.
            mask: bool (clip, step).
            noise: Standard deviation of the noise added to each layer before the next one reads it, in units of the
                layer's own standard deviation over the batch.
        """


class Fusion(nn.Module, abc.ABC):
    """Map encoded modalities to logits.

    Attributes:
        noise: Standard deviation of the noise in every encoder layer, for fusions that compare clean and noisy layers:
            in training the inputs are then encoded twice. None for all others.
    """

    noise: float | None = None

    @abc.abstractmethod
    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Fuse a batch.

        Args:
            encoded: Modality -> output of its encoder, in the cell's order.
            context: What else the fusion may use.
        """

    def mask_inputs(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Set parts of the inputs to zero before they are encoded; called in training only."""
        return values

    def unimodal_logits(self, encoded: Mapping[str, Encoded], context: FusionContext) -> dict[str, Tensor]:
        """Modality -> logits (clip, class) of that modality alone: by default with all others set to zero."""
        logits = {}
        for modality in encoded:
            noisy = None if context.noisy is None else keep_only(context.noisy, modality)
            alone = context._replace(criterion=None, noisy=noisy)
            logits[modality] = self(keep_only(encoded, modality), alone).logits
        return logits

    def calibrate(self, vectors: Mapping[str, Tensor], labels: Tensor) -> None:
        """Fit parameters on the validation subset, for fusions whose `SPEC.calibrates`; by default nothing.

        Args:
            vectors: Modality -> (clip, dim), of all clips of the subset.
            labels: int64 (clip,).
        """


class InputFusion(nn.Module, abc.ABC):
    """Join the inputs of all modalities into one, before one encoder."""

    @abc.abstractmethod
    def forward(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Joined values and mask.

        Args:
            values: Modality -> images or clips of images, in the cell's order.
            masks: Modality -> bool (clip, frame).
        """


def keep_only(encoded: Mapping[str, Encoded], modality: str) -> dict[str, Encoded]:
    """Encoded modalities with zeros for all but one."""
    return {m: one if m == modality else one.map(torch.zeros_like) for m, one in encoded.items()}


def vectors(encoded: Mapping[str, Encoded]) -> dict[str, Tensor]:
    """Modality -> vector (clip, dim)."""
    return {modality: one.vector for modality, one in encoded.items()}


def pop_modality(by_modality: Mapping[str, T], place: Literal["first", "last"]) -> tuple[T, list[T]]:
    """Split off the value of the first or last modality from those of the others, in their order."""
    *others, last = by_modality.values()
    if place == "last":
        return last, others
    return others[0], [*others[1:], last]


def any_frame(masks: Mapping[str, Tensor]) -> Tensor:
    """Mask (clip, frame) of inputs joined frame by frame: True where any modality has the frame."""
    first, *others = masks.values()
    for mask in others:
        first = first | mask
    return first
