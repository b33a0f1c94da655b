"""Changes of a training batch on its device: mirrored, cut out, brighter; bands and times masked.

Masking is SpecAugment (Park et al. 2019), without time warping; masked is zero, the mean of the training side. Spans
are drawn as there: a width from 0 to the largest, then a place where it fits, here within each clip's own steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.config.training import Augmentation
from affectstore.models.data.draws import Draws


@dataclass(frozen=True)
class Augmenter:
    """The changes of one batch.

    Attributes:
        settings: what is changed, and how far.
        draws: the batch's random numbers.
    """

    settings: Augmentation
    draws: Draws

    def pictures(self, x: Tensor, modality: str) -> Tensor:
        """Vision (clip, channel, frame, height, width) from 0 to 1: all frames of a clip are changed alike."""
        settings, clips = self.settings, len(x)
        if settings.flip:
            mirrored = self._uniform(x, clips, modality, "flip") < settings.flip
            x = torch.where(_per_clip(mirrored), x.flip(-1), x)
        if settings.crop < 1:
            x = self._cut(x, modality)
        if settings.brightness:
            factor = 1 + settings.brightness * (2 * self._uniform(x, clips, modality, "brightness") - 1)
            x = (x * _per_clip(factor.to(x.dtype))).clamp(0, 1)
        return x

    def levels(self, x: Tensor, mask: Tensor, modality: str) -> Tensor:
        """Spectrograms (clip, channel, frame, band, column), normalised: time is frames, of a picture its columns."""
        if not self._masks:
            return x
        clips, _, frames, bands, columns = x.shape
        if frames > 1:
            times = self._spans(mask.sum(dim=1), frames, "time", modality)[:, None, :, None, None]
        else:
            times = self._spans(x.new_full((clips,), columns), columns, "time", modality)[:, None, None, None, :]
        rows = self._spans(x.new_full((clips,), bands), bands, "band", modality)[:, None, None, :, None]
        return x.masked_fill(times | rows, 0)

    def steps(self, x: Tensor, mask: Tensor, modality: str) -> Tensor:
        """Sequences (clip, step, column), normalised."""
        if not self._masks:
            return x
        clips, steps, columns = x.shape
        times = self._spans(mask.sum(dim=1), steps, "time", modality)[:, :, None]
        rows = self._spans(x.new_full((clips,), columns), columns, "band", modality)[:, None, :]
        return x.masked_fill(times | rows, 0)

    @property
    def _masks(self) -> bool:
        return bool(self.settings.time_masks or self.settings.band_masks)

    def _cut(self, x: Tensor, modality: str) -> Tensor:
        """A square share of each clip's pictures, scaled back bilinearly."""
        clips, channels, frames, height, width = x.shape
        side, down, right = (self._uniform(x, clips, modality, name) for name in ("side", "down", "right"))
        side = self.settings.crop + (1 - self.settings.crop) * side
        theta = x.new_zeros(clips, 2, 3)
        theta[:, 0, 0] = theta[:, 1, 1] = side.to(x.dtype)
        theta[:, 0, 2], theta[:, 1, 2] = (((1 - side) * (2 * place - 1)).to(x.dtype) for place in (right, down))
        grid = F.affine_grid(theta, [clips, 1, height, width], align_corners=False)
        flat = x.reshape(clips, channels * frames, height, width)
        return F.grid_sample(flat, grid, padding_mode="border", align_corners=False).view_as(x)

    def _spans(self, length: Tensor, size: int, axis: str, modality: str) -> Tensor:
        """Bool (clip, size), True where masked: spans within the first `length` of each clip."""
        settings = self.settings
        count, share = (
            (settings.time_masks, settings.time_share) if axis == "time" else (settings.band_masks, settings.band_share)
        )
        drawn = self._uniform(length, (2, len(length), count), modality, axis)
        length = length.double()[:, None]
        width = (drawn[0] * ((share * length).floor() + 1)).floor()
        start = (drawn[1] * (length - width + 1)).floor()
        place = torch.arange(size, device=length.device)
        inside = (place >= start[..., None]) & (place < (start + width)[..., None])
        return inside.any(dim=1)

    def _uniform(self, like: Tensor, size: int | tuple[int, ...], *purpose: str) -> Tensor:
        """float64 from 0 to 1, drawn on the CPU so that every device sees the same."""
        return torch.from_numpy(np.asarray(self.draws.of("augment", *purpose).random(size))).to(like.device)


def _per_clip(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1, 1)
