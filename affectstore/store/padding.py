"""Clips of different length in one array. Padding never travels without its mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from affectstore.store.spec import ArraySpec


def side_by_side(clips: Sequence[np.ndarray], spec: ArraySpec) -> tuple[np.ndarray, np.ndarray]:
    """Clips padded with zeros (empty text) behind their ends.

    Args:
        clips: each (row, *spec.shape), of one dtype.
        spec: of their array; its dtype counts where there are no clips.

    Returns:
        values (clip, row, ...), and mask (clip, row) bool, True on real rows.
    """
    most = max((len(clip) for clip in clips), default=0)
    values = np.zeros((len(clips), most, *spec.shape), dtype=clips[0].dtype if clips else spec.numpy_dtype)
    mask = np.zeros((len(clips), most), dtype=bool)
    for index, clip in enumerate(clips):
        values[index, : len(clip)] = clip
        mask[index, : len(clip)] = True
    return values, mask
