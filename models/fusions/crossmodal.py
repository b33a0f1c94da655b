"""Crossmodal transformers (Tsai et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences").

Each modality's sequence is projected by a temporal convolution to one dimension (equation 1). For each ordered pair of
modalities a transformer lets the target's steps attend to the source's, whatever their rates (equation 4). A target's
outputs for all sources are joined and pass a transformer with self-attention; the last steps of all targets are
joined, pass a residual MLP, and are classified. For two or three modalities.

The input of each transformer is scaled by the root of its dimension and sinusoidal positions are added; layer
normalisation comes before attention and feed-forward network, and once more after the layers. Every layer reads the
source as it was given.

Defaults are those published for MulT: dimension 50, 10 heads, 4 layers, kernel 5, attention dropout .3; the
self-attention transformers have as many layers as the crossmodal ones, and at least 3. Ours: a step attends to the
whole clip, where the published program hides later steps; one kernel size for all.
"""

from collections.abc import Mapping
from itertools import permutations

import torch
from torch import nn

from affectstore.models.blocks.embedding import InputEmbedding, Projection
from affectstore.models.blocks.masked import last_valid
from affectstore.models.blocks.mlp import ResidualHead
from affectstore.models.blocks.options import CrossmodalOptions
from affectstore.models.blocks.transformer import TransformerEncoder
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output
from affectstore.models.spec import FusionSpec

SPEC = FusionSpec(
    version=2,
    summary="each modality's steps attend to the other modalities' (MulT)",
    needs="sequence",
    paper="Tsai et al. 2019, Multimodal Transformer for Unaligned Multimodal Language Sequences (equations 1 and 4)",
)

Options = CrossmodalOptions

_MIN_MEMORY_LAYERS = 3


class Crossmodal(Fusion):
    """Attend from each modality to each other one, and classify the last steps."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: CrossmodalOptions) -> None:
        super().__init__()
        dim, depth, pairs = options.dim, options.memory_layers, list(permutations(dims, 2))
        if depth is None:
            depth = max(options.layers, _MIN_MEMORY_LAYERS)
        sizes, memory_sizes = options.layer_sizes(dim), options.layer_sizes((len(dims) - 1) * dim)
        self.project = nn.ModuleDict({m: Projection(size, dim, options.kernel) for m, size in dims.items()})
        self.embed = InputEmbedding(options.input_dropout, positions=True)
        self.across = nn.ModuleDict({f"{s}_to_{t}": TransformerEncoder(options.layers, sizes) for s, t in pairs})
        self.memory = nn.ModuleDict({m: TransformerEncoder(depth, memory_sizes) for m in dims})
        self.classifier = ResidualHead(len(pairs) * dim, (len(pairs) * dim,), num_classes, dropout=0.0)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Sequences (clip, step, dim) with their masks to logits (clip, class)."""
        steps, masks = {}, {}
        for modality, one in encoded.items():
            sequence, mask = one.steps()
            steps[modality], masks[modality] = self.project[modality](sequence, mask), mask
        ends = []
        for target, mask in masks.items():
            attended = []
            for source in [modality for modality in steps if modality != target]:
                query, context = self.embed(steps[target], mask), self.embed(steps[source], masks[source])
                attended.append(self.across[f"{source}_to_{target}"](query, mask, (context, masks[source]))[-1])
            memory = self.memory[target](self.embed(torch.cat(attended, dim=2), mask), mask)
            ends.append(last_valid(memory[-1], mask))
        return Output(self.classifier(torch.cat(ends, dim=1)))


build = Crossmodal
