"""Main network of AuxFormer (Goncalves & Busso 2022, "AuxFormer: Robust Approach to Audiovisual Emotion
Recognition").
"""

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import Tensor, nn

from affectstore.models.blocks.embedding import InputEmbedding, Projection
from affectstore.models.blocks.masked import last_valid
from affectstore.models.blocks.mlp import ResidualHead
from affectstore.models.blocks.options import CrossmodalNetworkOptions
from affectstore.models.blocks.transformer import LayerSizes, TransformerEncoder
from affectstore.models.modules import Encoded


class CrossmodalNetwork(nn.Module):
    """For each ordered pair of modalities a crossmodal transformer and a self-attention transformer; a joint
    classifier.

    It reads the first layer of encoders that output layers, and the sequence of others; inputs of the network's own
    dimension are not projected. As published there is no attention dropout between modalities, and the self-attention
    transformers receive no positions.

    Args:
        dims: Modality -> dimension of each step of its encoder's output.
        num_classes: Number of logits.
        options: Sizes and dropouts.
    """

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: CrossmodalNetworkOptions) -> None:
        super().__init__()
        dim, pairs = options.dim, [f"{source}_to_{target}" for source, target in permutations(dims, 2)]
        self.project = nn.ModuleDict(
            {m: Projection(size, dim, options.kernel) for m, size in dims.items() if size != dim}
        )
        self.embed = InputEmbedding(options.input_dropout, positions=True)
        self.embed_memory = InputEmbedding(options.input_dropout, positions=False)
        sizes = options.layer_sizes(dim)
        across: LayerSizes = {**sizes, "attention_dropout": 0.0}
        self.across = nn.ModuleDict({name: TransformerEncoder(options.layers, across) for name in pairs})
        self.memory = nn.ModuleDict({name: TransformerEncoder(options.layers, sizes) for name in pairs})
        joint_dim = len(pairs) * dim
        self.classifier = ResidualHead(joint_dim, (joint_dim,), num_classes, options.head_dropout)

    def forward(self, encoded: Mapping[str, Encoded]) -> Tensor:
        """Encoded modalities to logits (clip, class)."""
        steps, masks = {}, {}
        for m, one in encoded.items():
            sequence, masks[m] = one.steps()
            first = one.layers[0] if one.layers else sequence
            steps[m] = self.project[m](first, masks[m]) if m in self.project else first
        ends = []
        for source, target in permutations(steps, 2):
            name, mask = f"{source}_to_{target}", masks[target]
            query, context = self.embed(steps[target], mask), self.embed(steps[source], masks[source])
            attended = self.across[name](query, mask, (context, masks[source]))[-1]
            ends.append(last_valid(self.memory[name](self.embed_memory(attended, mask), mask)[-1], mask))
        return self.classifier(torch.cat(ends, dim=1))
