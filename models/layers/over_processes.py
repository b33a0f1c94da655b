"""What a network takes over its whole batch, where several processes share it: sums that carry gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed import all_reduce, is_available, is_initialized


class _Sum(torch.autograd.Function):
    """The sum over all processes: what each of them gives has a part in what every one of them goes on with."""

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


def are_several() -> bool:
    """Whether batches may be shared by several processes."""
    return is_available() and is_initialized()


def added(values: Tensor) -> Tensor:
    """Numbers, each summed over all processes; as they are where there is one. All processes must ask for it."""
    return _Sum.apply(values) if are_several() else values
