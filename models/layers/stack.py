"""Transformer layers, in which a sequence attends to itself or to another one.

Within a sequence they are the encoder of Vaswani et al. (2017). From one to another they are a crossmodal transformer
(Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences", equation 4): in every layer
the target's steps read the other sequence as it came. No step attends to padding; where a clip has none of the other
sequence, its padding, which is zero, stands for it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from affectstore.models.layers.attention import none_ahead, steps_of
from affectstore.models.layers.block import Block
from affectstore.models.layers.masked import zeroed
from affectstore.models.layers.over_batch import corrupted


class Stack(nn.Module):
    """Layers of attention; with normalisation before each branch, one more after the last layer.

    Args:
        layers: how many; none give nothing.
        norm: see `Block`.
        block: the other arguments of `Block`.
    """

    def __init__(self, layers: int, *, norm: str, **block: Any):
        super().__init__()
        self.blocks = nn.ModuleList(Block(norm=norm, **block) for _ in range(layers))
        self.norm = nn.LayerNorm(block["width"]) if norm == "before" and layers else nn.Identity()

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        other: tuple[Tensor, Tensor] | None = None,
        *,
        causal: bool = False,
        noise: float = 0.0,
    ) -> list[Tensor]:
        """What each layer gives, (clip, step, width), zero where padded; the last one normalised.

        Args:
            x: (clip, step, width).
            mask: bool (clip, step).
            other: the sequence that is attended to, (clip, step', width), zero where padded, and its mask; none: `x`
                itself.
            causal: whether a step of `x` reads none after it; not with another sequence.
            noise: what each layer gives is corrupted with, before the next one reads it.

        Raises:
            ValueError: it shall be causal, and attend to another sequence.
        """
        if causal and other is not None:
            raise ValueError("`causal` orders the steps of one sequence; leave it out where another one is attended to")
        source, read = (None, mask) if other is None else other
        allowed = none_ahead(mask) if causal else steps_of(read)
        given = []
        for k, block in enumerate(self.blocks, start=1):
            x = block(x, allowed, source)
            x = corrupted(zeroed(self.norm(x) if k == len(self.blocks) else x, mask), mask, noise)
            given.append(x)
        return given
