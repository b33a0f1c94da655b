"""The main network of AuxFormer: modalities attend to each other, and what each reads attends to itself."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor, nn

from affectstore.models.base import Encoded
from affectstore.models.encoders._masked import last
from affectstore.models.fusions._stack import Projection, ResidualHead, Stack
from affectstore.models.fusions._stack_options import MainOptions
from affectstore.models.fusions._steps import masks_of


class MainNetwork(nn.Module):
    """For each ordered pair of modalities an encoder that attends across and one behind it; the joint classifier.

    It reads the first layer of encoders that give layers, and the sequence of others; what is as wide as the network
    already is not projected.
    """

    def __init__(self, sizes: Mapping[str, int], classes: int, options: MainOptions):
        super().__init__()
        width, pairs = options.width, list(permutations(sizes, 2))
        self.project = nn.ModuleDict(
            {m: Projection(size, width, options.kernel) for m, size in sizes.items() if size != width}
        )
        self.across = nn.ModuleDict({f"{s}_to_{t}": Stack(width, options.layers, options, 0.0) for s, t in pairs})
        self.memory = nn.ModuleDict({name: Stack(width, options.layers, options, places=False) for name in self.across})
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
            read = self.across[name](steps[target], mask, steps[source], masks[source])
            ends.append(last(self.memory[name](read, mask), mask))
        return self.classify(torch.cat(ends, dim=1))
