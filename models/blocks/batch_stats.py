"""Statistics over all steps of all clips of a batch, for the ladder network; and sums over processes.

Rasmus et al. (2015), "Semi-Supervised Learning with Ladder Networks", normalise every layer over the batch and add
noise to it. Both belong to training, to losses and noise: the output of a clip must not depend on its batch. Padding
enters no statistics. Where several processes share a batch, statistics are those of the whole one.
"""

from typing import Any

import torch
from torch import Tensor
from torch.distributed import all_reduce, is_available, is_initialized

from affectstore.models.blocks.masked import apply_mask

#: Smallest standard deviation that values are divided by; a column that varies less stays as it is.
_MIN_STD = 1e-3


class _AllReduceSum(torch.autograd.Function):
    """Sum over all processes, of values and of gradients: each process' values are part of every process' result."""

    @staticmethod
    def forward(_context: Any, values: Tensor) -> Tensor:
        summed = values.clone(memory_format=torch.contiguous_format)
        all_reduce(summed)
        return summed

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone(memory_format=torch.contiguous_format)
        all_reduce(summed)
        return summed


def is_distributed() -> bool:
    """Test if several processes may share a batch."""
    return is_available() and is_initialized()


def autograd_all_reduce_sum(values: Tensor) -> Tensor:
    """Sum values over all processes, gradients included; unchanged for one process. All processes must call it."""
    return _AllReduceSum.apply(values) if is_distributed() else values


def batch_mean_var(sequence: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each column over all valid steps of all clips, both (dim,).

    Args:
        sequence: (clip, step, dim).
        mask: bool (clip, step).
    """
    count = autograd_all_reduce_sum(mask.sum()).clamp(min=1)
    mean = autograd_all_reduce_sum(apply_mask(sequence, mask).sum(dim=(0, 1))) / count
    return mean, autograd_all_reduce_sum(apply_mask(sequence - mean, mask).square().sum(dim=(0, 1))) / count


def num_batch_steps(mask: Tensor) -> Tensor:
    """Divisor that makes a sum over steps part of the mean over all steps of a batch; 1 where there are no steps.

    For one process it is the number of valid steps. Where several share the batch, each process' loss counts as much as
    it has clips, whatever their steps: then it is the average number of steps of as many clips of the whole batch.

    Args:
        mask: bool (clip, step).
    """
    steps = autograd_all_reduce_sum(mask.sum())
    count = steps * len(mask) / autograd_all_reduce_sum(steps.new_tensor(len(mask))) if is_distributed() else steps
    return torch.where(steps > 0, count, 1)


def batch_mean_std(sequence: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (dim,) to normalise by; the standard deviation of a flat column is 1.

    In single precision at least: sums over a batch have no digits left in half.
    """
    sequence = sequence.to(torch.promote_types(sequence.dtype, torch.float32))
    mean, variance = batch_mean_var(sequence, mask)
    # The root of a flat column's variance is never taken: at 0 it has no gradient.
    return mean, torch.where(variance > _MIN_STD**2, variance, torch.ones_like(variance)).sqrt()


def batch_normalise(sequence: Tensor, mask: Tensor) -> Tensor:
    """Normalise over all steps of a batch, without parameters: (clip, step, dim), zero where padded."""
    mean, std = batch_mean_std(sequence, mask)
    return apply_mask((sequence - mean) / std, mask)


def add_noise(sequence: Tensor, mask: Tensor, noise: float) -> Tensor:
    """Add Gaussian noise whose standard deviation is `noise` times that of each column over the batch.

    In these units it is the same noise for layers that are not normalised. Padding stays zero. A noise of 0 uses no
    random numbers.
    """
    if noise == 0:
        return sequence
    _, variance = batch_mean_var(sequence.detach(), mask)
    return sequence + apply_mask(torch.randn_like(sequence) * (noise * variance.sqrt()), mask)
