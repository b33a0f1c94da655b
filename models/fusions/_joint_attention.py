"""The network of the `attention` fusion (Nagrani et al. 2021): joint attention, directly or through bottlenecks."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from affectstore.models.fusions._projection import Projection
from affectstore.models.layers.attention import steps_of
from affectstore.models.layers.attention_pool import AttentionPool
from affectstore.models.layers.block import Block
from affectstore.models.layers.masked import zeroed
from affectstore.models.layers.positions import placed

if TYPE_CHECKING:
    from affectstore.models.fusions.attention import Options

_SPREAD = 0.02  # of learnt tokens at first, as in ViT


class JointAttention(nn.Module):
    """Modalities' sequences to logits.

    Args:
        sizes: modality -> width of what its encoder gives.
        classes: how many logits.
        options: of the fusion.
    """

    def __init__(self, sizes: dict[str, int], classes: int, options: Options):
        super().__init__()
        width = options.width
        self.project = nn.ModuleDict({m: Projection(size, width, options.kernel) for m, size in sizes.items()})
        self.modality = nn.ParameterDict({m: nn.Parameter(_SPREAD * torch.randn(width)) for m in sizes})
        drawn = _SPREAD * torch.randn(options.bottlenecks, width)
        self.bottlenecks = nn.Parameter(drawn) if options.bottlenecks else None
        stacks = tuple(sizes) if options.bottlenecks else ("joint",)
        self.blocks = nn.ModuleDict(
            {name: nn.ModuleList(Block(**options.block(width)) for _ in range(options.layers)) for name in stacks}
        )
        self.dropout, self.norm = nn.Dropout(options.input_dropout), nn.LayerNorm(width)
        self.pool, self.classify = AttentionPool(width, options.pool), nn.Linear(width, classes)

    def forward(self, sequences: dict[str, Tensor], masks: dict[str, Tensor]) -> Tensor:
        """Modality -> (clip, step, feature) and bool (clip, step), to (clip, class)."""
        steps = {m: self._told(m, self.project[m](x, masks[m])) for m, x in sequences.items()}
        mask = torch.cat(list(masks.values()), dim=1)
        if self.bottlenecks is None:
            x = torch.cat(list(steps.values()), dim=1)
            for block in cast("nn.ModuleList", self.blocks["joint"]):
                x = block(x, steps_of(mask))
        else:
            x = torch.cat(list(self._meet(self.bottlenecks, steps, masks).values()), dim=1)
        return self.classify(self.pool(zeroed(self.norm(x), mask), mask))

    def _told(self, modality: str, steps: Tensor) -> Tensor:
        """Steps with their positions and modality."""
        return self.dropout(placed(steps) + self.modality[modality])

    def _meet(self, tokens: Tensor, steps: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
        """Steps after layers in which modalities meet in the tokens alone."""
        count, clips = len(tokens), len(next(iter(masks.values())))
        tokens = tokens.expand(clips, -1, -1)
        seen = torch.stack([mask.any(dim=1) for mask in masks.values()])
        share = (seen / seen.sum(dim=0).clamp(min=1))[..., None, None].to(tokens.dtype)
        allowed = {m: steps_of(torch.cat([mask.new_ones(clips, count), mask], dim=1)) for m, mask in masks.items()}
        for layer in zip(*cast("list[nn.ModuleList]", list(self.blocks.values())), strict=True):
            read = {
                modality: block(torch.cat([tokens, x], dim=1), allowed[modality])
                for block, (modality, x) in zip(layer, steps.items(), strict=True)
            }
            # The mean over the modalities that a clip has.
            tokens = (share * torch.stack([x[:, :count] for x in read.values()])).sum(dim=0)
            steps = {modality: x[:, count:] for modality, x in read.items()}
        return steps
