"""Inputs of transformers: projection to their dimension, scaling and sinusoidal positions."""

import math

import torch
from torch import Tensor, nn

from affectstore.models.blocks.masked import apply_mask


def sinusoidal_positions(steps: int, dim: int, like: Tensor) -> Tensor:
    """Positions (step, dim) of Vaswani et al. 2017, section 3.5: sin(k / 10000^(2i/dim)) in even columns, cos in odd
    ones.

    Args:
        steps: Number of steps.
        dim: Dimension of each; an odd one ends with a sine.
        like: Tensor whose device and floating type are used.
    """
    step = torch.arange(steps, device=like.device, dtype=torch.float64)
    rate = torch.exp(torch.arange(0, dim, 2, device=like.device, dtype=torch.float64) * (-math.log(10_000) / dim))
    angle = step[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :dim].to(like.dtype)


def add_sinusoidal_positions(sequence: Tensor) -> Tensor:
    """Add the position of each step to sequences (clip, step, dim)."""
    return sequence + sinusoidal_positions(sequence.shape[1], sequence.shape[2], sequence)


class InputEmbedding(nn.Module):
    """Scale a sequence by sqrt(dim), add positions and apply dropout (Tsai et al. 2019, section 3.1); no parameters.

    Args:
        dropout: Dropout in training.
        positions: Add sinusoidal positions.
    """

    def __init__(self, dropout: float, *, positions: bool) -> None:
        super().__init__()
        self.dropout, self.positions = nn.Dropout(dropout), positions

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """(clip, step, dim) and bool (clip, step) to the same shape, zero where padded.

        Padding must be zero again: clips without any step attend to it, and its length must not matter.
        """
        scaled = sequence.shape[2] ** 0.5 * sequence
        return apply_mask(self.dropout(add_sinusoidal_positions(scaled) if self.positions else scaled), mask)


class Projection(nn.Module):
    """Temporal convolution without bias (Tsai et al. 2019, equation 1); zeros precede and follow each clip.

    Args:
        input_dim: Dimension of each input step.
        dim: Dimension of each output step.
        kernel: Kernel size; odd.
    """

    def __init__(self, input_dim: int, dim: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(input_dim, dim, kernel, padding=kernel // 2, bias=False)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """(clip, step, input_dim) to (clip, step, dim), zero where padded."""
        return apply_mask(self.convolution(apply_mask(sequence, mask).mT).mT, mask)
