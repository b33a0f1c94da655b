"""The classifier of MulT and AuxFormer: a residual perceptron, then a linear layer."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


class ResidualHead(nn.Module):
    """A perceptron whose output is added to its input, and a linear layer that classifies the sum.

    Args:
        size: of the vectors.
        hidden: widths of the perceptron's hidden layers.
        classes: how many logits.
        dropout: on the hidden units.
    """

    def __init__(self, size: int, hidden: tuple[int, ...], classes: int, dropout: float):
        super().__init__()
        sizes = (size, *hidden, size)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.dropout, self.classify = nn.Dropout(dropout), nn.Linear(size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (clip, feature) to logits (clip, class)."""
        *hidden, final = self.layers
        y = x
        for layer in hidden:
            y = self.dropout(torch.relu(layer(y)))
        return self.classify(x + final(y))
