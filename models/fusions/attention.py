"""Attention over the steps of all modalities (Nagrani et al. 2021, "Attention Bottlenecks for Multimodal Fusion").

Sequences are projected to one dimension; sinusoidal positions and a trainable vector of its modality are added to every
step. Without bottlenecks (the default) the steps of all modalities form one sequence, and in a transformer each
attends to all ("vanilla" fusion there). With bottlenecks (there 4) each modality has layers of its own, in which its
steps attend to each other and to a few trainable tokens; after each layer these tokens are the mean of the
modalities' updates of them: all information from one modality to another passes through them (section 3.2).

A clip's steps are then pooled by attention with one query, as in document 003: e = v^T tanh(W h + b), the vector
being the sum of the steps weighted by softmax(e); a linear layer classifies it. Missing steps, and modalities that a
clip lacks, take no part.

Ours: pooling by attention, where the paper has class tokens; sizes, chosen for small corpora.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from affectstore.models.blocks.attention import padding_mask
from affectstore.models.blocks.embedding import Projection, add_sinusoidal_positions
from affectstore.models.blocks.masked import AttentionPool, apply_mask
from affectstore.models.blocks.options import TransformerOptions
from affectstore.models.blocks.transformer import TransformerLayer
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="joint attention over all modalities' steps, or through bottlenecks",
    needs="sequence",
    paper="Nagrani et al. 2021, Attention Bottlenecks for Multimodal Fusion",
)

_TOKEN_STD = 0.02  # initial standard deviation of trainable tokens, as in ViT
_JOINT = "joint"


class Options(TransformerOptions, FusionOptions):
    """Options of `attention`."""

    renamed: ClassVar[Mapping[str, str]] = {**TransformerOptions.renamed, "pool": "attention_dim"}

    bottlenecks: int = Field(
        default=0, ge=0, description="Tokens through which modalities attend to each other; 0: directly."
    )
    attention_dim: int = Field(default=64, ge=1, description="Hidden units of the pooling's attention.")
    input_dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout before the transformer.")


class JointAttention(Fusion):
    """Attend to the steps of all modalities, pool them and classify the vector."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        dim, self.num_layers = options.dim, options.layers
        self.project = nn.ModuleDict({m: Projection(size, dim, options.kernel) for m, size in dims.items()})
        self.modality = nn.ParameterDict({m: nn.Parameter(_TOKEN_STD * torch.randn(dim)) for m in dims})
        tokens = _TOKEN_STD * torch.randn(options.bottlenecks, dim)
        self.bottlenecks = nn.Parameter(tokens) if options.bottlenecks else None
        sequences = tuple(dims) if options.bottlenecks else (_JOINT,)
        names = [f"{name}_{k}" for name in sequences for k in range(options.layers)]
        self.layers = nn.ModuleDict({name: TransformerLayer(**options.layer_sizes(dim)) for name in names})
        self.dropout, self.norm = nn.Dropout(options.input_dropout), nn.LayerNorm(dim)
        self.pool = AttentionPool(dim, options.attention_dim)
        self.classifier = nn.Linear(dim, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Sequences (clip, step, dim) with their masks to logits (clip, class)."""
        steps, masks = {}, {}
        for modality, one in encoded.items():
            sequence, mask = one.steps()
            projected = add_sinusoidal_positions(self.project[modality](sequence, mask))
            steps[modality] = self.dropout(projected + self.modality[modality])
            masks[modality] = mask
        mask = torch.cat(list(masks.values()), dim=1)
        if self.bottlenecks is None:
            x = torch.cat(list(steps.values()), dim=1)
            for k in range(self.num_layers):
                x = self.layers[f"{_JOINT}_{k}"](x, padding_mask(mask))
        else:
            x = self._bottleneck_layers(self.bottlenecks, steps, masks)
        return Output(self.classifier(self.pool(apply_mask(self.norm(x), mask), mask)))

    def _bottleneck_layers(self, tokens: Tensor, steps: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Tensor:
        """Steps of all modalities (clip, step, dim) after layers that exchange information through the tokens alone."""
        count, clips = len(tokens), len(next(iter(masks.values())))
        tokens = tokens.expand(clips, -1, -1)
        available = torch.stack([mask.any(dim=1) for mask in masks.values()])
        share = (available / available.sum(dim=0).clamp(min=1))[..., None, None].to(tokens.dtype)
        attn_masks = {
            m: padding_mask(torch.cat([mask.new_ones(clips, count), mask], dim=1)) for m, mask in masks.items()
        }
        for k in range(self.num_layers):
            updated = {
                m: self.layers[f"{m}_{k}"](torch.cat([tokens, x], dim=1), attn_masks[m]) for m, x in steps.items()
            }
            # The mean over the modalities that a clip has.
            tokens = (share * torch.stack([x[:, :count] for x in updated.values()])).sum(dim=0)
            steps = {modality: x[:, count:] for modality, x in updated.items()}
        return torch.cat(list(steps.values()), dim=1)


build = JointAttention
