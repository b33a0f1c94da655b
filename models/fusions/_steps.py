"""One modality's sequence on the steps of another's, and sequences normalised over a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from affectstore.models.base import Encoded
from affectstore.models.encoders._masked import zeroed

#: Least deviation that values are divided by; a column that varies less stays as it is.
_FLAT = 1e-3


def masks_of(encoded: Mapping[str, Encoded]) -> dict[str, Tensor]:
    """bool (clip, step) of each modality's sequence; fusions of sequences and layers get no others."""
    return {modality: cast("Tensor", one.mask) for modality, one in encoded.items()}


def align(sequence: Tensor, mask: Tensor, onto: Tensor) -> Tensor:
    """A sequence on the steps of another one of the same clips, by linear interpolation over time.

    Both span the whole clip, each with its own number of equally long steps: step k of n stands at (k + 1/2) / n.
    Before the first and after the last of these points a sequence stays as it is there.

    Args:
        sequence: (clip, step, feature).
        mask: bool (clip, step), its steps.
        onto: bool (clip, other step), the steps that it is wanted on.

    Returns:
        (clip, other step, feature), zero where `onto` is False and for clips without steps.
    """
    have, want = (m.sum(dim=1, keepdim=True).double() for m in (mask, onto))
    step = torch.arange(onto.shape[1], device=onto.device, dtype=torch.float64)
    end = (have - 1).clamp(min=0)
    place = ((step + 0.5) * have / want.clamp(min=1) - 0.5).clamp(min=0).minimum(end)
    before = place.floor()
    after = (before + 1).minimum(end)
    share = (place - before).to(sequence.dtype)[..., None]
    clip = torch.arange(len(sequence), device=onto.device)[:, None]
    aligned = sequence[clip, before.long()] * (1 - share) + sequence[clip, after.long()] * share
    return zeroed(aligned, onto & mask.any(dim=1, keepdim=True))


def moments(sequence: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (feature,) over all steps of all clips; the deviation of a flat column is 1.

    In single precision at least: sums over a batch have no digits left in half.
    """
    sequence = sequence.to(torch.promote_types(sequence.dtype, torch.float32))
    count = mask.sum().clamp(min=1)
    mean = zeroed(sequence, mask).sum(dim=(0, 1)) / count
    variance = zeroed(sequence - mean, mask).square().sum(dim=(0, 1)) / count
    # The root of a flat column's variance is never taken: at 0 it has no gradient.
    return mean, torch.where(variance > _FLAT**2, variance, torch.ones_like(variance)).sqrt()


def normalised(sequence: Tensor, mask: Tensor) -> Tensor:
    """Batch normalisation over all steps of a batch, without weights: (clip, step, feature), zero where padded."""
    mean, deviation = moments(sequence, mask)
    return zeroed((sequence - mean) / deviation, mask)
