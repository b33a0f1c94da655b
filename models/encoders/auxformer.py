"""Unimodal encoder of AuxFormer (Goncalves & Busso 2022), the backbone nearest to the ladder of document 002.

A projection without bias to 130 values (none for features of 130 columns, as ComParE LLDs with deltas are), then five
self-attention layers with ten heads, normalised before each branch, whose feed-forward networks are four times as wide.
As in the authors' code the input is scaled by the square root of its dimension and has no positions, and attention is
causal, so that the last step, which is the vector, is the one that has attended to all. Their auxiliary branches send a
modality through the same layers three times (`passes: 3`). `layers: 0` is their input to the fusion: the projection
alone.

Layer 0 is the projected input before scaling and dropout, which the crossmodal transformers of AuxFormer also read;
layer k is the output of the k-th layer, counted over the passes. The last one is the sequence.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from affectstore.models.blocks.batch_stats import add_noise
from affectstore.models.blocks.embedding import InputEmbedding
from affectstore.models.blocks.masked import Pooling, apply_mask
from affectstore.models.blocks.options import heads_divide
from affectstore.models.blocks.transformer import LayerSizes, TransformerEncoder
from affectstore.models.modules import Encoded, NoisyEncoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, SequenceShape

SPEC = EncoderSpec(
    version=1,
    summary="self-attention layers of AuxFormer",
    input_kind="sequence",
    output_kind="layers",
    paper="Goncalves & Busso 2022, AuxFormer: Robust Approach to Audiovisual Emotion Recognition",
)

_FFN_TIMES = 4


class Options(EncoderOptions):
    """Options of the AuxFormer encoder."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "dim", "attention": "attention_dim"}

    pooling: Literal["last", "mean", "attention"] = Field(
        default="last",
        description="Pooling of the last layer: its last step, its mean over the steps, or the sum weighted by "
        "e = v^T tanh(W h + b).",
    )
    dim: int = Field(default=130, ge=1, description="Dimension of each step, and of the vector.")
    layers: int = Field(default=5, ge=0, description="Self-attention layers; 0 keeps the projection alone.")
    passes: int = Field(default=1, ge=1, description="Number of passes through the same layers.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `dim`.")
    attention_dim: int = Field(default=64, ge=1, description="Hidden units of attention pooling.")
    causal: bool = Field(default=True, description="No step attends to later ones.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout in the layers.")
    attention_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Dropout on the attention weights; any takes twice the time."
    )
    input_dropout: float = Field(default=0.25, ge=0, lt=1, description="Dropout before each pass.")

    _heads_divide = heads_divide("dim")

    @property
    def depth(self) -> int:
        """Number of output layers: the self-attention layers of all passes, and their input."""
        return self.layers * self.passes + 1


class AuxFormer(NoisyEncoder):
    """Encode a sequence with causal self-attention layers, passed once or several times (Goncalves & Busso 2022)."""

    def __init__(self, shape: SequenceShape, options: Options) -> None:
        super().__init__()
        dim = self.output_dim = options.dim
        self.project = nn.Identity() if shape.dim == dim else nn.Linear(shape.dim, dim, bias=False)
        self.embed = InputEmbedding(options.input_dropout, positions=False)
        sizes = LayerSizes(
            dim=dim,
            heads=options.heads,
            ffn_dim=_FFN_TIMES * dim,
            dropout=options.dropout,
            attention_dropout=options.attention_dropout,
            norm="before",
        )
        self.transformer = TransformerEncoder(options.layers, sizes)
        self.pooling = Pooling(options.pooling, dim, options.attention_dim)
        self.passes = options.passes if options.layers else 0
        self.causal = options.causal

    def forward(self, values: Tensor, mask: Tensor, noise: float = 0.0) -> Encoded:
        """Sequences (clip, step, dim) to layers (clip, step, output_dim) and vectors (clip, output_dim)."""
        layers = [add_noise(apply_mask(self.project(values), mask), mask, noise)]
        for _ in range(self.passes):
            layers += self.transformer(self.embed(layers[-1], mask), mask, causal=self.causal, noise=noise)
        return Encoded(self.pooling(layers[-1], mask), layers[-1], mask, tuple(layers))


build = AuxFormer
