"""Transformer encoder (Vaswani et al. 2017) over a sequence: a projection, sinusoidal positions, self-attention layers.

Layer 0 is the projected input, before positions and dropout; layer k is what the k-th of the self-attention
layers gives, and the last one is the sequence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Encoded, EncoderSpec, GivenSteps
from affectstore.models.layers.heads import heads_divide

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="self-attention layers and a pooling", takes="sequence", gives="layers")


class Options(Settings):
    """Options of the transformer."""

    pooling: Literal["mean", "last", "cls", "attention"] = Field(
        default="mean",
        description="What becomes of the last layer: its mean over the steps, its last step, its first step (for words "
        "whose first row is [CLS]), or the sum weighted by e = v^T tanh(W h + b).",
    )
    width: int = Field(default=128, ge=1, description="Width of each step, and of the vector.")
    layers: int = Field(default=4, ge=0, description="Self-attention layers; 0 leaves the projection alone.")
    heads: int = Field(default=4, ge=1, description="Attention heads; they divide `width`.")
    hidden: int = Field(default=512, ge=1, description="Hidden units of each layer's perceptron.")
    attention: int = Field(default=64, ge=1, description="Hidden units of the pooling's attention.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Share of values dropped in training.")
    attention_dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Share of attention dropped in training; any takes twice the time."
    )
    norm: Literal["before", "after"] = Field(
        default="before", description="Layer normalisation before each branch, or after each sum."
    )

    _heads_divide = heads_divide("width")


def features(_given: GivenSteps, options: Options) -> int:
    """Width of every layer and of the vector."""
    return options.width


def depth(options: Options) -> int:
    """How many layers it gives: those of self-attention, and what they read."""
    return options.layers + 1


def weights(given: GivenSteps, options: Options) -> nn.ModuleDict:
    """The projection, the layers, and the pooling's attention where there is one."""
    from torch import nn

    from affectstore.models.encoders._pooling import attention_of
    from affectstore.models.layers.stack import Stack

    shared = {"width", "heads", "hidden", "dropout", "attention_dropout", "norm"}
    return nn.ModuleDict(
        {
            "project": nn.Linear(given.columns, options.width),
            "dropout": nn.Dropout(options.dropout),
            "stack": Stack(options.layers, **options.model_dump(include=shared)),
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
    from affectstore.models.layers.positions import placed

    projected = corrupted(zeroed(weights["project"](values), mask), mask, noise)
    layers = (projected, *weights["stack"](weights["dropout"](placed(projected)), mask, noise=noise))
    return Encoded(pooled(options.pooling, weights, layers[-1], mask), layers[-1], mask, layers)


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
