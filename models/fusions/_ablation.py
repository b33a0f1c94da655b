"""Inputs taken away in training: of whole clips, or of single frames and steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def blank(values: Tensor, taken: Tensor) -> Tensor:
    """Values with what is taken set to zero.

    Args:
        values: an encoder's input, see `affectstore.models.base.AXES`.
        taken: bool (clip, frame) or (clip, step), or (clip, 1) for whole clips.
    """
    import torch

    if values.dim() == 5:  # channels come before the frames
        taken = taken[:, None]
    taken = taken.reshape(*taken.shape, *[1] * (values.dim() - taken.dim()))
    return torch.where(taken, values.new_zeros(()), values)
