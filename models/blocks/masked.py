"""Statistics and pooling of padded sequences: padding neither counts nor shows.

Sequences are (clip, step, dim), masks bool (clip, step), False where padded; padding is at a clip's end. A clip without
any step (a missing modality) yields zeros, never a division by zero.
"""

from typing import Literal

import torch
from torch import Tensor, nn

_MIN_VARIANCE = 1e-8  # the square root has no gradient at 0, the variance of a single step

PoolingMethod = Literal["last", "cls", "mean", "attention"]


def apply_mask(sequence: Tensor, mask: Tensor) -> Tensor:
    """Set padded steps to zero."""
    return sequence.masked_fill(~mask[..., None], 0.0)


def zero_frames(values: Tensor, removed: Tensor) -> Tensor:
    """Set frames or steps of an encoder's input to zero.

    Args:
        values: See `affectstore.models.spec.INPUT_AXES`.
        removed: bool (clip, frame) or (clip, step), or (clip, 1) for whole clips.
    """
    if values.dim() == 5:  # channels come before the frames
        removed = removed[:, None]
    removed = removed.reshape(*removed.shape, *[1] * (values.dim() - removed.dim()))
    return torch.where(removed, values.new_zeros(()), values)


def attendable(mask: Tensor) -> Tensor:
    """Set the mask of clips without any step to True: a softmax over nothing is not a number."""
    return mask | ~mask.any(dim=1, keepdim=True)


def masked_mean(sequence: Tensor, mask: Tensor) -> Tensor:
    """Mean over a clip's steps, (clip, dim)."""
    return apply_mask(sequence, mask).sum(dim=1) / _num_steps(mask)


def masked_std(sequence: Tensor, mask: Tensor) -> Tensor:
    """Standard deviation over a clip's steps, (clip, dim); at least 1e-4."""
    centred = apply_mask(sequence - masked_mean(sequence, mask)[:, None], mask)
    return (centred.square().sum(dim=1) / _num_steps(mask)).clamp(min=_MIN_VARIANCE).sqrt()


def masked_max(sequence: Tensor, mask: Tensor) -> Tensor:
    """Maximum over a clip's steps, (clip, dim)."""
    largest = sequence.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
    return largest.masked_fill(~mask.any(dim=1, keepdim=True), 0.0)


def last_valid(sequence: Tensor, mask: Tensor) -> Tensor:
    """Last step that is not padding, (clip, dim)."""
    place = mask.sum(dim=1).clamp(min=1) - 1
    return apply_mask(sequence, mask)[torch.arange(len(sequence), device=sequence.device), place]


def flip_valid(sequence: Tensor, mask: Tensor) -> Tensor:
    """Reverse the order of each clip's valid steps; padding stays at the end."""
    step = torch.arange(sequence.shape[1], device=sequence.device)
    place = torch.where(mask, mask.sum(dim=1, keepdim=True) - 1 - step, step)
    return sequence.gather(1, place[..., None].expand_as(sequence))


def _num_steps(mask: Tensor) -> Tensor:
    """Number of steps of each clip, at least one, (clip, 1)."""
    return mask.sum(dim=1, keepdim=True).clamp(min=1)


class AttentionPool(nn.Module):
    """Sum of the steps weighted by attention (Bahdanau et al. 2014): softmax over e = v^T tanh(W h + b).

    v has no bias, which the softmax would cancel.

    Args:
        dim: Dimension of each step.
        hidden_dim: Dimension of v.
    """

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, hidden_dim)
        self.score = nn.Linear(hidden_dim, 1, bias=False)

    def weights(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Attention weight of each step, (clip, step): they sum to 1, padding has 0."""
        scores = self.score(torch.tanh(self.project(sequence))).squeeze(-1)
        return scores.masked_fill(~attendable(mask), -torch.inf).softmax(dim=1)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Sequences (clip, step, dim) to vectors (clip, dim)."""
        weights = self.weights(sequence, mask).to(sequence.dtype)
        return (weights[:, None] @ apply_mask(sequence, mask)).squeeze(1)


class Pooling(nn.Module):
    """Pool a sequence to a vector.

    Args:
        method: "last" step, first step ("cls"), "mean" over the steps, or their sum weighted by "attention".
        dim: Dimension of each step.
        attention_dim: Hidden units of the attention.
    """

    def __init__(self, method: PoolingMethod, dim: int, attention_dim: int) -> None:
        super().__init__()
        self.method = method
        self.attention = AttentionPool(dim, attention_dim) if method == "attention" else None

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Sequences (clip, step, dim) to vectors (clip, dim)."""
        if self.attention is not None:
            return self.attention(sequence, mask)
        if self.method == "cls":
            return apply_mask(sequence, mask)[:, 0]
        return last_valid(sequence, mask) if self.method == "last" else masked_mean(sequence, mask)
