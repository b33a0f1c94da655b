"""Random sequences of different lengths, padded with zeros."""

from __future__ import annotations

import torch
from torch import Tensor

DIM = 6


def batch(lengths: tuple[int, ...], dim: int = DIM, seed: int = 0, steps: int = 0) -> tuple[Tensor, Tensor]:
    """Random sequences of these lengths, and their mask."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(*lengths, steps)) < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, dim, generator=generator) * mask[..., None], mask
