"""Augmentation of a training batch on its device: images are mirrored, cropped and brightened, spectrograms masked.

Masking is SpecAugment (Park et al. 2019, "SpecAugment: A Simple Data Augmentation Method for Automatic Speech
Recognition") without time warping; masked values are zero, the mean of the training subset. As there, the width of a
mask is sampled uniformly from 0 to the maximum, then its start where it fits, here within each clip's own steps.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.config.training import Augmentation
from affectstore.models.data.rng import RngStreams


@dataclass(frozen=True)
class Augmenter:
    """Augmentation of one batch.

    Attributes:
        settings: Augmentations and their strengths.
        rng: Random streams of the batch.
    """

    settings: Augmentation
    rng: RngStreams

    def images(self, x: Tensor, modality: str) -> Tensor:
        """Augment images (clip, channel, frame, height, width) from 0 to 1; all frames of a clip alike."""
        settings, clips = self.settings, len(x)
        if settings.flip:
            mirrored = self._uniform(x, clips, modality, "flip") < settings.flip
            x = torch.where(_per_clip(mirrored), x.flip(-1), x)
        if settings.crop < 1:
            x = self._crop(x, modality)
        if settings.brightness:
            factor = 1 + settings.brightness * (2 * self._uniform(x, clips, modality, "brightness") - 1)
            x = (x * _per_clip(factor.to(x.dtype))).clamp(0, 1)
        return x

    def levels(self, x: Tensor, mask: Tensor, modality: str) -> Tensor:
        """Mask normalised spectrograms (clip, channel, frame, band, column) along time (frames; columns of a single
        image) and frequency."""
        if not (self.settings.time_masks or self.settings.freq_masks):
            return x
        clips, _, frames, bands, columns = x.shape
        if frames > 1:
            times = self._masked(mask.sum(dim=1), frames, "time", modality)[:, None, :, None, None]
        else:
            times = self._masked(x.new_full((clips,), columns), columns, "time", modality)[:, None, None, None, :]
        rows = self._masked(x.new_full((clips,), bands), bands, "band", modality)[:, None, None, :, None]
        return x.masked_fill(times | rows, 0)

    def steps(self, x: Tensor, mask: Tensor, modality: str) -> Tensor:
        """Mask normalised sequences (clip, step, dim) along steps and columns."""
        if not (self.settings.time_masks or self.settings.freq_masks):
            return x
        clips, steps, columns = x.shape
        times = self._masked(mask.sum(dim=1), steps, "time", modality)[:, :, None]
        rows = self._masked(x.new_full((clips,), columns), columns, "band", modality)[:, None, :]
        return x.masked_fill(times | rows, 0)

    def _crop(self, x: Tensor, modality: str) -> Tensor:
        """Crop a part of each clip's images and resize it back bilinearly."""
        clips, channels, frames, height, width = x.shape
        side, down, right = (self._uniform(x, clips, modality, name) for name in ("side", "down", "right"))
        side = self.settings.crop + (1 - self.settings.crop) * side
        theta = x.new_zeros(clips, 2, 3)
        theta[:, 0, 0] = theta[:, 1, 1] = side.to(x.dtype)
        theta[:, 0, 2], theta[:, 1, 2] = (((1 - side) * (2 * place - 1)).to(x.dtype) for place in (right, down))
        grid = F.affine_grid(theta, [clips, 1, height, width], align_corners=False)
        flat = x.reshape(clips, channels * frames, height, width)
        return F.grid_sample(flat, grid, padding_mode="border", align_corners=False).view_as(x)

    def _masked(self, length: Tensor, size: int, axis: str, modality: str) -> Tensor:
        """Sample masks within the first `length` of each clip: bool (clip, size), True where masked."""
        settings = self.settings
        count, share = settings.freq_masks, settings.max_freq_mask
        if axis == "time":
            count, share = settings.time_masks, settings.max_time_mask
        uniform = self._uniform(length, (2, len(length), count), modality, axis)
        length = length.double()[:, None]
        width = (uniform[0] * ((share * length).floor() + 1)).floor()
        start = (uniform[1] * (length - width + 1)).floor()
        place = torch.arange(size, device=length.device)
        inside = (place >= start[..., None]) & (place < (start + width)[..., None])
        return inside.any(dim=1)

    def _uniform(self, like: Tensor, size: int | tuple[int, ...], *purpose: str) -> Tensor:
        """Uniform float64 from 0 to 1, sampled on the CPU so that every device gets the same numbers."""
        return torch.from_numpy(np.asarray(self.rng.of("augment", *purpose).random(size))).to(like.device)


def _per_clip(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1, 1, 1)
