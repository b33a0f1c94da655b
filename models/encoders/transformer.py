"""Transformer encoder (Vaswani et al. 2017, "Attention Is All You Need") on a sequence.

A linear projection, sinusoidal positions and self-attention layers. Layer 0 is the projected input before positions and
dropout; layer k is the output of the k-th self-attention layer, and the last one is the sequence.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from affectstore.models.blocks.batch_stats import add_noise
from affectstore.models.blocks.embedding import add_sinusoidal_positions
from affectstore.models.blocks.masked import Pooling, apply_mask
from affectstore.models.blocks.options import heads_divide
from affectstore.models.blocks.transformer import LayerSizes, TransformerEncoder
from affectstore.models.modules import Encoded, NoisyEncoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, SequenceShape

SPEC = EncoderSpec(
    version=1,
    summary="self-attention layers and a pooling",
    input_kind="sequence",
    output_kind="layers",
    paper="Vaswani et al. 2017, Attention Is All You Need (equations 1 and 2)",
)


class Options(EncoderOptions):
    """Options of the transformer."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "dim", "hidden": "ffn_dim", "attention": "attention_dim"}

    pooling: Literal["mean", "last", "cls", "attention"] = Field(
        default="mean",
        description="Pooling of the last layer: its mean over the steps, its last step, its first step (for words "
        "whose first row is [CLS]), or the sum weighted by e = v^T tanh(W h + b).",
    )
    dim: int = Field(default=128, ge=1, description="Dimension of each step, and of the vector.")
    layers: int = Field(default=4, ge=0, description="Self-attention layers; 0 keeps the projection alone.")
    heads: int = Field(default=4, ge=1, description="Attention heads; they divide `dim`.")
    ffn_dim: int = Field(default=512, ge=1, description="Hidden units of each layer's feed-forward network.")
    attention_dim: int = Field(default=64, ge=1, description="Hidden units of attention pooling.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout before and in the layers.")
    attention_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Dropout on the attention weights; any takes twice the time."
    )
    norm: Literal["before", "after"] = Field(
        default="before", description="Layer normalisation before each branch, or after each sum."
    )

    _heads_divide = heads_divide("dim")

    @property
    def depth(self) -> int:
        """Number of output layers: the self-attention layers and their input."""
        return self.layers + 1


class Transformer(NoisyEncoder):
    """Encode a sequence with self-attention layers (Vaswani et al. 2017, equations 1 and 2) and pool the last one."""

    def __init__(self, shape: SequenceShape, options: Options) -> None:
        super().__init__()
        self.output_dim = options.dim
        self.project = nn.Linear(shape.dim, options.dim)
        self.dropout = nn.Dropout(options.dropout)
        sizes = LayerSizes(
            dim=options.dim,
            heads=options.heads,
            ffn_dim=options.ffn_dim,
            dropout=options.dropout,
            attention_dropout=options.attention_dropout,
            norm=options.norm,
        )
        self.transformer = TransformerEncoder(options.layers, sizes)
        self.pooling = Pooling(options.pooling, options.dim, options.attention_dim)

    def forward(self, values: Tensor, mask: Tensor, noise: float = 0.0) -> Encoded:
        """Sequences (clip, step, dim) to layers (clip, step, output_dim) and vectors (clip, output_dim)."""
        projected = add_noise(apply_mask(self.project(values), mask), mask, noise)
        embedded = self.dropout(add_sinusoidal_positions(projected))
        layers = (projected, *self.transformer(embedded, mask, noise=noise))
        return Encoded(self.pooling(layers[-1], mask), layers[-1], mask, layers)


build = Transformer
