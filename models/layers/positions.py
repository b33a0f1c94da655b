"""Positions of steps as sinusoids (Vaswani et al. 2017, "Attention Is All You Need", section 3.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sinusoids(steps: int, width: int, like: Tensor) -> Tensor:
    """Positions (step, width): sin(k / 10000^(2i/width)) in the even columns, cos in the odd ones.

    Args:
        steps: how many.
        width: of each; odd ones end with a sine.
        like: tensor whose device and floating type are taken.
    """
    step = torch.arange(steps, device=like.device, dtype=torch.float64)
    rate = torch.exp(torch.arange(0, width, 2, device=like.device, dtype=torch.float64) * (-math.log(10_000) / width))
    angle = step[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width].to(like.dtype)


def placed(sequence: Tensor) -> Tensor:
    """Sequences (clip, step, feature) with the position of each step added."""
    return sequence + sinusoids(sequence.shape[1], sequence.shape[2], sequence)
