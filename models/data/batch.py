"""Batches: pictures scaled to [0, 1] and sequences, normalised by the training side, zero where padded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from torch import Tensor

from affectstore.models.base import Given
from affectstore.models.data.augment import Augmenter
from affectstore.models.data.dataset import ClipSet, Inputs
from affectstore.models.data.scale import FLAT, Scale
from affectstore.models.data.step_inputs import StepInputs
from affectstore.models.data.transfer import moved
from affectstore.models.recipe import Recipe

_CHUNK = 32  # clips a time when a whole side is summed, so that it is never held as float64


@dataclass(frozen=True)
class Batch:
    """What a network takes.

    Attributes:
        values: modality -> float32 (clip, *shape of its `Given`), zero where padded.
        masks: modality -> bool (clip, frame) or (clip, step).
        labels: int64 (clip,).
        spans: modality -> int64 (clip, word, 2), the steps under each word, (0, 0) where there is none; empty unless
            the fusion goes word by word.
    """

    values: dict[str, Tensor]
    masks: dict[str, Tensor]
    labels: Tensor
    spans: Mapping[str, Tensor] = field(default_factory=dict)

    def at(self, rows: Tensor) -> Batch:
        """Some of the clips, padded as they were."""
        rows = rows.to(self.labels.device)
        values, masks, spans = ({m: x[rows] for m, x in part.items()} for part in (self.values, self.masks, self.spans))
        return Batch(values, masks, self.labels[rows], spans)

    def without(self, modality: str) -> Batch:
        """The batch with the values of one modality set to zero (the mean picture of the training side)."""
        blank = {m: torch.zeros_like(v) if m == modality else v for m, v in self.values.items()}
        return replace(self, values=blank)

    def lacking(self, modality: str) -> Batch:
        """The batch of clips that do not have one of the modalities."""
        values, masks, spans = (
            {m: x for m, x in part.items() if m != modality} for part in (self.values, self.masks, self.spans)
        )
        return Batch(values, masks, self.labels, spans)


def scales_of(train: ClipSet, recipe: Recipe) -> dict[str, Scale]:
    """Mean and deviation of each modality and channel or column over the training side; padding does not count.

    With `normalise: none` the mean is 0 and the deviation 1.
    """
    return {
        modality: inputs.scale(recipe.sequences.normalise)
        if isinstance(inputs, StepInputs)
        else _scale(inputs, recipe.pictures.normalise)
        for modality, inputs in train.inputs.items()
    }


def _scale(inputs: Inputs, normalise: str) -> Scale:
    clips, channels, _, *picture = inputs.values.shape
    if normalise == "none":
        return Scale(mean=(0.0,) * channels, std=(1.0,) * channels)
    total, squares = torch.zeros(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64)
    for start in range(0, clips, _CHUNK):
        # Padding is zero, so it adds nothing to either sum.
        values = _unit(inputs.values[start : start + _CHUNK]).double()
        total += values.sum(dim=(0, 2, 3, 4)).cpu()
        squares += values.square_().sum(dim=(0, 2, 3, 4)).cpu()
    count = int(inputs.mask.sum()) * int(np.prod(picture))
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()
    std[std < FLAT] = 1.0
    return Scale(mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def make_batch(
    clips: ClipSet,
    index: Sequence[int] | np.ndarray,
    recipe: Recipe,
    scales: Mapping[str, Scale],
    device: torch.device,
    augmenter: Augmenter | None = None,
) -> Batch:
    """The clips at these places as float32 on a device.

    A picture of one channel is repeated where the network takes three. Normalising comes before padding:
    padded frames and steps are zero, not a normalised black. Sequences are as long as the longest of these clips.

    Args:
        clips, index: which.
        recipe: says what the network takes.
        scales: how inputs are normalised.
        device: where the batch is made: until they are there, values are as they are kept.
        augmenter: changes training inputs; none for all others.
    """
    place = torch.as_tensor(np.asarray(index, dtype=np.int64))
    values, masks = {}, {}
    for modality in recipe.modalities:
        inputs, scale = clips.inputs[modality], scales[modality]
        if isinstance(inputs, StepInputs):
            x, mask = inputs.gather(place, scale, device)
            values[modality] = x if augmenter is None else augmenter.steps(x, mask, modality)
            masks[modality] = mask
            continue
        given = cast(Given, recipe.given[modality])
        at = place.to(inputs.values.device)
        mask = inputs.mask[at].to(device)
        x = _unit(moved(inputs.values[at], device))
        if augmenter is not None and modality == "vision":
            x = augmenter.pictures(x, modality)
        mean, std = (torch.tensor(v, device=device).view(1, -1, 1, 1, 1) for v in (scale.mean, scale.std))
        x = (x - mean) / std
        if not mask.all():
            x = x * mask[:, None, :, None, None]
        if augmenter is not None and modality == "audio":
            x = augmenter.levels(x, mask, modality)
        if x.shape[1] != given.channels:
            x = x.expand(-1, given.channels, -1, -1, -1)
        values[modality] = x if given.frames is not None else x.squeeze(2)
        masks[modality] = mask
    spans = {} if clips.spans is None else clips.spans.gather(place, device)
    return Batch(values, masks, clips.labels[place.to(clips.labels.device)].to(device), spans)


def _unit(values: Tensor) -> Tensor:
    """uint8 from 0 to 255, or float16 from 0 to 1, as float32 from 0 to 1."""
    return values.float().div_(255) if values.dtype == torch.uint8 else values.float()
