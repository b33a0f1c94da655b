"""AuxFormer's encoder of one modality (Goncalves & Busso 2022), the backbone nearest to the ladder of seed 002.

A projection without bias to 130 (none where the feature has 130 columns, as ComParE LLDs with deltas do), then
five self-attention layers of ten heads, normalised before each branch, whose hidden layer is four times as
wide. As the authors run them: the input is scaled by the root of the width and has no positions, and a
step reads none after it, so that the last step, which is the vector, is the one that has read all.
Their auxiliary branches send a modality through the same layers three times (`passes: 3`). `layers: 0` is what
stands before their fusion: the projection alone.

Layer 0 is the projected input, before scaling and dropout: what AuxFormer's cross-modal encoders read too;
layer k is what the k-th layer gives, counted over the passes, and the last one is the sequence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Encoded, EncoderSpec, GivenSteps
from affectstore.models.layers.heads import heads_divide

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="AuxFormer's self-attention layers", takes="sequence", gives="layers")

_TIMES_WIDER = 4


class Options(Settings):
    """Options of AuxFormer's encoder."""

    pooling: Literal["last", "mean", "attention"] = Field(
        default="last",
        description="What becomes of the last layer: its last step, its mean over the steps, or the sum weighted by "
        "e = v^T tanh(W h + b).",
    )
    width: int = Field(default=130, ge=1, description="Width of each step, and of the vector.")
    layers: int = Field(default=5, ge=0, description="Self-attention layers; 0 leaves the projection alone.")
    passes: int = Field(default=1, ge=1, description="How often a sequence goes through the same layers.")
    heads: int = Field(default=10, ge=1, description="Attention heads; they divide `width`.")
    attention: int = Field(default=64, ge=1, description="Hidden units of the pooling's attention.")
    causal: bool = Field(default=True, description="A step reads none after it.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of values dropped in the layers in training.")
    attention_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Share of attention dropped in training; any takes twice the time."
    )
    input_dropout: float = Field(default=0.25, ge=0, lt=1, description="Share of values dropped before each pass.")

    _heads_divide = heads_divide("width")


def features(_given: GivenSteps, options: Options) -> int:
    """Width of every layer and of the vector."""
    return options.width


def depth(options: Options) -> int:
    """How many layers it gives: those of self-attention, as often as they are passed, and what they read."""
    return options.layers * options.passes + 1


def weights(given: GivenSteps, options: Options) -> nn.ModuleDict:
    """The projection, the layers, and the pooling's attention where there is one."""
    from torch import nn

    from affectstore.models.encoders._pooling import attention_of
    from affectstore.models.layers.input_embedding import InputEmbedding
    from affectstore.models.layers.stack import Stack

    fits = given.columns == options.width
    shared = options.model_dump(include={"width", "heads", "dropout", "attention_dropout"})
    return nn.ModuleDict(
        {
            "project": nn.Identity() if fits else nn.Linear(given.columns, options.width, bias=False),
            "embed": InputEmbedding(options.input_dropout, positions=False),
            "stack": Stack(options.layers, hidden=_TIMES_WIDER * options.width, norm="before", **shared),
            **attention_of(options.pooling, options.width, options.attention),
        }
    )


def encode(weights: nn.ModuleDict, values: Tensor, mask: Tensor, options: Options, noise: float = 0.0) -> Encoded:
    """Sequences (clip, step, column) to layers (clip, step, feature) and vectors (clip, feature).

    Args:
        weights, values, mask, options: as everywhere.
        noise: Gaussian noise on every layer, layer 0 included, in units of each column's spread over the batch.
    """
    from affectstore.models.encoders._pooling import pooled
    from affectstore.models.layers.masked import zeroed
    from affectstore.models.layers.over_batch import corrupted

    layers = [corrupted(zeroed(weights["project"](values), mask), mask, noise)]
    for _ in range(options.passes if options.layers else 0):
        embedded = weights["embed"](layers[-1], mask)
        layers += weights["stack"](embedded, mask, causal=options.causal, noise=noise)
    return Encoded(pooled(options.pooling, weights, layers[-1], mask), layers[-1], mask, tuple(layers))


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
