"""The main network of AuxFormer (Goncalves & Busso 2022): attention between modalities, and to what each has read."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor, nn

from affectstore.models.base import Encoded
from affectstore.models.fusions._masks_of import masks_of
from affectstore.models.fusions._projection import Projection
from affectstore.models.fusions._residual_head import ResidualHead
from affectstore.models.fusions._stack_options import MainOptions
from affectstore.models.layers.input_embedding import InputEmbedding
from affectstore.models.layers.masked import last
from affectstore.models.layers.stack import Stack


class MainNetwork(nn.Module):
    """For each ordered pair of modalities an encoder that attends across and one behind it; the joint classifier.

    It reads the first layer of encoders that give layers, and the sequence of others; what is as wide as the network
    already is not projected. As published there is no attention dropout between modalities, and the encoders behind
    are not told positions.

    Args:
        sizes: modality -> width of what its encoder gives.
        classes: how many logits.
        options: sizes and dropouts.
    """

    def __init__(self, sizes: Mapping[str, int], classes: int, options: MainOptions):
        super().__init__()
        width, pairs = options.width, [f"{source}_to_{target}" for source, target in permutations(sizes, 2)]
        self.project = nn.ModuleDict(
            {m: Projection(size, width, options.kernel) for m, size in sizes.items() if size != width}
        )
        self.embed = InputEmbedding(options.input_dropout, positions=True)
        self.embed_read = InputEmbedding(options.input_dropout, positions=False)
        block = options.block(width)
        self.across = nn.ModuleDict(
            {name: Stack(options.layers, **block | {"attention_dropout": 0.0}) for name in pairs}
        )
        self.memory = nn.ModuleDict({name: Stack(options.layers, **block) for name in pairs})
        joined = len(pairs) * width
        self.classify = ResidualHead(joined, (joined,), classes, options.head_dropout)

    def forward(self, encoded: Mapping[str, Encoded]) -> Tensor:
        """What the encoders give, to logits (clip, class)."""
        masks = masks_of(encoded)
        steps = {m: one.layers[0] if one.layers else one.sequence for m, one in encoded.items()}
        steps = {m: self.project[m](x, masks[m]) if m in self.project else x for m, x in steps.items()}
        ends = []
        for source, target in permutations(steps, 2):
            name, mask = f"{source}_to_{target}", masks[target]
            asking, asked = self.embed(steps[target], mask), self.embed(steps[source], masks[source])
            read = self.across[name](asking, mask, (asked, masks[source]))[-1]
            ends.append(last(self.memory[name](self.embed_read(read, mask), mask)[-1], mask))
        return self.classify(torch.cat(ends, dim=1))
