"""Stored pictures and spectrogram chunks as network pictures: which rows, which size, which range.

A feature feeds a network when its rows are pictures (row, height, width[, channel]) of uint8, or
levels (row, band, column) of a floating type in dB from -80 to 0, which count as pictures of one channel
with the bands along the height.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.config.experiment import Pictures
from affectstore.models.base import TrainingError
from affectstore.models.data.transfer import moved

#: Levels below are silence; the range of `mel` with its default top_db.
FLOOR_DB = -80.0
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow's and OpenCV's grey
_CPU = torch.device("cpu")


def spread(rows: int, frames: int) -> np.ndarray:
    """Which of `rows` rows become at most `frames` frames: all, or the middles of `frames` equal parts.

    Index k is floor((k + 1/2) rows / frames), so one frame is the middle row, rows // 2. Two features
    with the same number of rows (frames of a clip and their spectrogram chunks) get the same indices.

    Returns:
        int64 (min(rows, frames),), increasing.
    """
    if rows <= frames:
        return np.arange(rows, dtype=np.int64)
    return (2 * np.arange(frames, dtype=np.int64) + 1) * rows // (2 * frames)


def to_pictures(rows: np.ndarray, pictures: Pictures, source: str, device: torch.device = _CPU) -> Tensor:
    """Scale rows to the pictures that are kept, on the device, where they arrive as they are stored.

    The scaling is bilinear over the source's area (antialiased), on uint8 for pictures. Three channels
    become one (luma) where the experiment is grey; one channel stays one, and is repeated in the batch.

    Args:
        rows: uint8 (frame, height, width[, channel]) or floating (frame, band, column) in dB.
        pictures: size and colour.
        source: what messages call the rows: feature and clip.
        device: where they are scaled. A GPU rounds otherwise than the CPU, by at most one level.

    Returns:
        (frame, channel, size_px, size_px) on the device, uint8, or float16 from 0 (FLOOR_DB) to 1 (0 dB).

    Raises:
        TrainingError: the rows are neither, or not finite.
    """
    size = (pictures.size_px, pictures.size_px)
    if np.issubdtype(rows.dtype, np.floating) and rows.ndim == 3:
        if not np.isfinite(rows).all():
            raise TrainingError(f"{source} has values that are not finite; compute it again")
        levels = moved(torch.from_numpy(np.array(rows)), device).float().unsqueeze(1)
        return _resized(((levels - FLOOR_DB) / -FLOOR_DB).clamp(0, 1), size).half()
    if rows.dtype == np.uint8 and (rows.ndim == 3 or (rows.ndim == 4 and rows.shape[-1] in (1, 3))):
        values = moved(torch.from_numpy(np.array(rows if rows.ndim == 4 else rows[..., None])), device)
        values = _resized(values.permute(0, 3, 1, 2), size)
        if pictures.colour == "grey" and values.shape[1] == 3:
            luma = torch.tensor(_LUMA, device=device).view(1, 3, 1, 1)
            values = (values * luma).sum(dim=1, keepdim=True).round().to(torch.uint8)
        return values
    raise TrainingError(
        f"{source} has rows of {rows.dtype} {rows.shape[1:]}; an encoder of pictures takes uint8 (height, "
        "width[, 1 or 3]) or floating (band, column) in dB: choose another feature under `inputs`"
    )


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if values.shape[-2:] == size:
        return values
    if values.dtype == torch.uint8 and values.device.type != "cpu":  # the only one that interpolates bytes
        return _resized(values.float(), size).round().to(torch.uint8)
    return F.interpolate(values, size=size, mode="bilinear", antialias=True, align_corners=False)
