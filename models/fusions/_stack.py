"""Transformer layers in which a sequence attends to itself or to another one (Tsai et al. 2019, section 3.2).

Layer normalisation comes before attention and perceptron; a last one follows the layers. Input is scaled by the root
of its width and given sinusoidal positions. A sequence that attends to another one reads, in every layer, that other
sequence as it came. No step attends to padding; where a clip has none of the other modality, one step of zeros
stands for it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from affectstore.models.encoders._attention import Block, sinusoids, steps_of
from affectstore.models.encoders._masked import zeroed
from affectstore.models.fusions._stack_options import StackOptions

_TIMES_WIDER = 4


def blocks(width: int, layers: int, options: StackOptions, attention_dropout: float | None = None) -> nn.ModuleList:
    """Layers with normalisation before each branch; see `Stack`."""
    rate = options.attention_dropout if attention_dropout is None else attention_dropout
    return nn.ModuleList(
        Block(
            width=width,
            heads=options.heads,
            hidden=_TIMES_WIDER * width,
            dropout=options.dropout,
            attention_dropout=rate,
            norm="before",
        )
        for _ in range(layers)
    )


class Stack(nn.Module):
    """Layers and their last normalisation.

    Args:
        width: of each step.
        layers: how many.
        options: heads and dropouts.
        attention_dropout: where it is not the options'.
        places: whether steps are told their positions.
    """

    def __init__(
        self,
        width: int,
        layers: int,
        options: StackOptions,
        attention_dropout: float | None = None,
        places: bool = True,
    ):
        super().__init__()
        self.blocks = blocks(width, layers, options, attention_dropout)
        self.norm, self.dropout, self.places = nn.LayerNorm(width), nn.Dropout(options.input_dropout), places

    def forward(
        self, x: Tensor, mask: Tensor, source: Tensor | None = None, source_mask: Tensor | None = None
    ) -> Tensor:
        """(clip, step, width) with its mask, and the sequence that it attends to; zero where padded."""
        x, read = self._embedded(x, mask), mask
        if source is not None and source_mask is not None:
            # Padding is zero again: who has nothing to read reads it, and how much of it there is must not matter.
            source, read = self._embedded(source, source_mask), source_mask
        for block in self.blocks:
            x = block(x, steps_of(read), source)
        return zeroed(self.norm(x), mask)

    def _embedded(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x.shape[2] ** 0.5 * x
        return zeroed(self.dropout(x + sinusoids(x.shape[1], x.shape[2], x) if self.places else x), mask)


class Projection(nn.Module):
    """Temporal convolution without bias to the fusion's width; it sees zeros before a clip and after it."""

    def __init__(self, size: int, width: int, kernel: int):
        super().__init__()
        self.convolution = nn.Conv1d(size, width, kernel, padding=kernel // 2, bias=False)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """(clip, step, feature) to (clip, step, width), zero where padded."""
        return zeroed(self.convolution(zeroed(sequence, mask).mT).mT, mask)


class ResidualHead(nn.Module):
    """A perceptron whose output is added to its input, and a linear layer that classifies the sum."""

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
