"""Arithmetic over the steps of padded sequences: padding neither counts nor shows.

Sequences are (clip, step, feature), masks bool (clip, step), False where padded; padding is at a clip's end.
A clip without any step (a modality that is missing) gives zeros, never a division by zero.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_VARIANCE = 1e-8  # the square root has no gradient at 0, where a clip of one step or a flat column is


def zeroed(sequence: Tensor, mask: Tensor) -> Tensor:
    """The sequence with zeros where it is padded, whatever stood there."""
    return sequence.masked_fill(~mask[..., None], 0.0)


def readable(mask: Tensor) -> Tensor:
    """The mask, all True for clips without any step: a softmax over nothing is not a number."""
    return mask | ~mask.any(dim=1, keepdim=True)


def mean(sequence: Tensor, mask: Tensor) -> Tensor:
    """Mean over a clip's steps, (clip, feature)."""
    return zeroed(sequence, mask).sum(dim=1) / _count(mask)


def deviation(sequence: Tensor, mask: Tensor) -> Tensor:
    """Standard deviation over a clip's steps, (clip, feature); never below 1e-4."""
    centred = zeroed(sequence - mean(sequence, mask)[:, None], mask)
    return (centred.square().sum(dim=1) / _count(mask)).clamp(min=_LEAST_VARIANCE).sqrt()


def largest(sequence: Tensor, mask: Tensor) -> Tensor:
    """Largest value of each column over a clip's steps, (clip, feature)."""
    found = sequence.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
    return found.masked_fill(~mask.any(dim=1, keepdim=True), 0.0)


def last(sequence: Tensor, mask: Tensor) -> Tensor:
    """The last step that is no padding, (clip, feature)."""
    place = mask.sum(dim=1).clamp(min=1) - 1
    return zeroed(sequence, mask)[torch.arange(len(sequence), device=sequence.device), place]


def backwards(sequence: Tensor, mask: Tensor) -> Tensor:
    """Each clip's steps in reverse order; padding stays where it is. Twice gives the sequence again."""
    step = torch.arange(sequence.shape[1], device=sequence.device)
    place = torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - step, step)
    return sequence.gather(1, place[..., None].expand_as(sequence))


def _count(mask: Tensor) -> Tensor:
    """Steps of each clip, at least one, (clip, 1)."""
    return mask.sum(dim=1, keepdim=True).clamp(min=1)
