"""What sequences are over all steps of all clips of a batch: the statistics of the ladder network.

Rasmus et al. (2015), "Semi-Supervised Learning with Ladder Networks", normalise every layer over the batch and add
noise to what was normalised. Both belong to training, into losses and noise: what a clip gives must not depend on
its batch. Padding enters no statistics. Where several processes share a batch, it is the whole one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from affectstore.models.layers.masked import zeroed
from affectstore.models.layers.over_processes import added, are_several

#: Least deviation that values are divided by; a column that varies less stays as it is.
_FLAT = 1e-3


def mean_and_variance(sequence: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each column over all steps of all clips, both (feature,).

    Args:
        sequence: (clip, step, feature).
        mask: bool (clip, step).
    """
    count = added(mask.sum()).clamp(min=1)
    mean = added(zeroed(sequence, mask).sum(dim=(0, 1))) / count
    return mean, added(zeroed(sequence - mean, mask).square().sum(dim=(0, 1))) / count


def share_of_steps(mask: Tensor) -> Tensor:
    """What a sum over steps is divided by to be part of a mean over all steps of a batch; 1 where it has none.

    That is how many steps these clips have; where several processes share the batch, how many so many clips have on
    average in all of it. For each process' loss counts as much as it has clips, whatever their steps.

    Args:
        mask: bool (clip, step).
    """
    steps = added(mask.sum())
    share = steps * len(mask) / added(steps.new_tensor(len(mask))) if are_several() else steps
    return torch.where(steps > 0, share, 1)


def moments(sequence: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (feature,) to normalise by; the deviation of a flat column is 1.

    In single precision at least: sums over a batch have no digits left in half.
    """
    sequence = sequence.to(torch.promote_types(sequence.dtype, torch.float32))
    mean, variance = mean_and_variance(sequence, mask)
    # The root of a flat column's variance is never taken: at 0 it has no gradient.
    return mean, torch.where(variance > _FLAT**2, variance, torch.ones_like(variance)).sqrt()


def normalised(sequence: Tensor, mask: Tensor) -> Tensor:
    """Batch normalisation over all steps of a batch, without weights: (clip, step, feature), zero where padded."""
    mean, deviation = moments(sequence, mask)
    return zeroed((sequence - mean) / deviation, mask)


def corrupted(sequence: Tensor, mask: Tensor, noise: float) -> Tensor:
    """The sequence plus Gaussian noise, `noise` times as wide as each column spreads over the batch.

    In units of that deviation it is the same noise for layers that are not normalised. Padding stays zero. Noise of
    0 draws nothing.
    """
    if noise == 0:
        return sequence
    _, variance = mean_and_variance(sequence.detach(), mask)
    return sequence + zeroed(torch.randn_like(sequence) * (noise * variance.sqrt()), mask)
