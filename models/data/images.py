"""Stored images and spectrogram chunks as network images, kept for all clips of a subset.

A feature can be read as images when its rows are images (row, height, width[, channel]) of uint8, or levels (row, band,
frame) of a floating type in dB from -80 to 0, which count as images of one channel with the bands along the height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.config.inputs import Images
from affectstore.models.spec import TrainingError

#: Levels below are silence; the range of `mel` with its default top_db.
FLOOR_DB = -80.0
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow and OpenCV


@dataclass(frozen=True)
class ImageInputs:
    """Images of one modality, for all clips of a subset.

    Attributes:
        values: (clip, channel, frame, height, width), uint8, or float16 from 0 to 1; zero where padded.
        mask: bool (clip, frame), False where padded.
    """

    values: Tensor
    mask: Tensor

    @property
    def padded_size(self) -> int:
        """Number of values, padding counted."""
        return self.values.numel()

    def gather(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Values and mask of the clips at these places, as stored."""
        at = places.to(self.values.device)
        return self.values[at], self.mask[at]


def to_unit_range(values: Tensor) -> Tensor:
    """Convert uint8 from 0 to 255, or float16 from 0 to 1, to float32 from 0 to 1."""
    return values.float().div_(255) if values.dtype == torch.uint8 else values.float()


def sample_frames(rows: int, frames: int) -> np.ndarray:
    """Indices of at most `frames` of `rows` rows: all, or the middles of `frames` equal parts.

    Index k is floor((k + 1/2) rows / frames), so that a single frame is the middle row, rows // 2. Two features with
    the same number of rows (frames of a clip and their spectrogram chunks) get the same indices.

    Returns:
        int64 (min(rows, frames),), increasing.
    """
    if rows <= frames:
        return np.arange(rows, dtype=np.int64)
    return (2 * np.arange(frames, dtype=np.int64) + 1) * rows // (2 * frames)


def to_images(rows: Tensor, settings: Images, source: str) -> Tensor:
    """Resize rows to the images that are kept, on their device.

    Resizing is bilinear with antialiasing, on uint8 for images. Three channels become one (luma) with `colour:
    grayscale`; one channel stays one, and is repeated in the batch. A GPU rounds otherwise than the CPU, by at most one
    level.

    Args:
        rows: uint8 (frame, height, width[, channel]) or floating (frame, band, frame of the spectrogram) in dB.
        settings: Size and colour.
        source: Name of the rows in messages: feature and clip.

    Returns:
        (frame, channel, image_px, image_px), uint8, or float16 from 0 (FLOOR_DB) to 1 (0 dB).

    Raises:
        TrainingError: The rows are neither.
    """
    size = (settings.image_px, settings.image_px)
    if rows.is_floating_point() and rows.dim() == 3:
        levels = rows.float().unsqueeze(1)
        return _resize(((levels - FLOOR_DB) / -FLOOR_DB).clamp(0, 1), size).half()
    if rows.dtype == torch.uint8 and (rows.dim() == 3 or (rows.dim() == 4 and rows.shape[-1] in (1, 3))):
        values = _resize((rows if rows.dim() == 4 else rows[..., None]).permute(0, 3, 1, 2), size)
        if settings.colour == "grayscale" and values.shape[1] == 3:
            luma = torch.tensor(_LUMA, device=rows.device).view(1, 3, 1, 1)
            values = (values * luma).sum(dim=1, keepdim=True).round().to(torch.uint8)
        return values
    raise not_images(source, rows.dtype, rows.shape[1:])


def not_images(source: str, dtype: object, shape: Sequence[int]) -> TrainingError:
    """Error about rows that are neither images nor spectrogram chunks."""
    return TrainingError(
        f"{source} has rows of {str(dtype).removeprefix('torch.')} {tuple(shape)}; an encoder of images reads uint8 "
        "(height, width[, 1 or 3]) or floating (band, frame) in dB: choose another feature under `inputs`"
    )


def _resize(values: Tensor, size: tuple[int, int]) -> Tensor:
    if values.shape[-2:] == size:
        return values
    if values.dtype == torch.uint8 and values.device.type != "cpu":  # only the CPU interpolates bytes
        return _resize(values.float(), size).round().to(torch.uint8)
    return F.interpolate(values, size=size, mode="bilinear", antialias=True, align_corners=False)
