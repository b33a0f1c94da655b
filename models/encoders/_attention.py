"""Transformer layers (Vaswani et al. 2017) over padded sequences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.encoders._masked import corrupted, readable, zeroed


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


def steps_of(mask: Tensor) -> Tensor:
    """bool (clip, 1, 1, step): what is no padding may be read; of a clip without any step, all of it."""
    return readable(mask)[:, None, None]


def none_ahead(mask: Tensor) -> Tensor:
    """bool (step, step): each step (row) may read itself and those before it; padding, which comes last, is not."""
    return torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).tril()


class Attention(nn.Module):
    """Multi-head attention: softmax(q k^T / sqrt(width / heads)) v, then a linear layer.

    Args:
        width: of each step.
        heads: divides `width`.
        dropout: on the shares; without it they are never held as a whole, which takes half the time and
            much less memory.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.asks = nn.Linear(width, width)
        self.reads = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, source: Tensor, allowed: Tensor) -> Tensor:
        """What each asking step (clip, step, width) gathers from the source (clip, step', width).

        Args:
            asking, source: see above.
            allowed: bool, broadcast to (clip, head, step, step'): True where a step may read another.
        """
        (query,) = self._heads(self.asks(asking), 1)
        key, value = self._heads(self.reads(source), 2)
        rate = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed, dropout_p=rate)
        return self.out(found.transpose(1, 2).flatten(2))

    def _heads(self, projected: Tensor, parts: int) -> Tensor:
        """(clip, step, parts x width) as (part, clip, head, step, width of a head)."""
        return projected.unflatten(-1, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4)


class Block(nn.Module):
    """Attention and a two-layer perceptron of ReLUs, each added to what it read.

    Args:
        width: of each step.
        heads: divides `width`.
        hidden: units of the perceptron.
        dropout: on the perceptron's hidden units, and on what either branch adds.
        attention_dropout: on the attention's shares.
        norm: layer normalisation "before" each branch, or "after" each sum.
    """

    def __init__(self, *, width: int, heads: int, hidden: int, dropout: float, attention_dropout: float, norm: str):
        super().__init__()
        self.norm = norm
        self.attention = Attention(width, heads, attention_dropout)
        self.perceptron = nn.ModuleList((nn.Linear(width, hidden), nn.Linear(hidden, width)))
        self.norms = nn.ModuleList((nn.LayerNorm(width), nn.LayerNorm(width)))
        self.dropout = nn.Dropout(dropout)
        for layer in (self.attention.asks, self.attention.reads, self.attention.out, *self.perceptron):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, allowed: Tensor, source: Tensor | None = None) -> Tensor:
        """Sequences (clip, step, width) to the same shape; padded steps of `x` get some value or other.

        Args:
            x: what asks, and is added to.
            allowed: bool, broadcast to (clip, head, step, step'): True where a step may read another (`steps_of`,
                `none_ahead`).
            source: what is read, (clip, step', width); `x` itself where there is none.
        """
        x = self._add(0, x, lambda asking: self._attend(asking, allowed, source))
        return self._add(1, x, lambda given: self.perceptron[1](self.dropout(F.relu(self.perceptron[0](given)))))

    def _add(self, k: int, x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
        norm = self.norms[k]
        if self.norm == "before":
            return x + self.dropout(branch(norm(x)))
        return norm(x + self.dropout(branch(x)))

    def _attend(self, asking: Tensor, allowed: Tensor, source: Tensor | None) -> Tensor:
        if source is None:
            source = asking
        elif self.norm == "before":
            source = self.norms[0](source)
        return self.attention(asking, source, allowed)


class Stack(nn.Module):
    """Layers of self-attention; with normalisation before each branch, one more after the last layer.

    Args:
        layers: how many; none give nothing.
        norm: see `Block`.
        block: the other arguments of `Block`.
    """

    def __init__(self, layers: int, *, norm: str, **block: Any):
        super().__init__()
        self.blocks = nn.ModuleList(Block(norm=norm, **block) for _ in range(layers))
        self.norm = nn.LayerNorm(block["width"]) if norm == "before" and layers else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor, *, causal: bool = False, noise: float = 0.0) -> list[Tensor]:
        """What each layer gives, (clip, step, width), zero where padded; the last one normalised.

        Args:
            x: (clip, step, width).
            mask: bool (clip, step).
            causal: whether a step reads none after it.
            noise: what each layer gives is corrupted with, before the next one reads it.
        """
        allowed = none_ahead(mask) if causal else steps_of(mask)
        given = []
        for k, block in enumerate(self.blocks, start=1):
            x = block(x, allowed)
            x = corrupted(zeroed(self.norm(x) if k == len(self.blocks) else x, mask), mask, noise)
            given.append(x)
        return given
