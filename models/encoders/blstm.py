"""BLSTM: two bidirectional layers over a sequence, and a pooling (the unimodal networks on IEMOCAP, seed 003).

Two layers of 128 units each way have 594,944 parameters on 65 columns and 1,314,816 on 768; the sequence
is their states (256), the vector what is pooled of them:

- `last`: the state at the last step (the seed's "final-frame"): its backward half has read that step alone;
- `ends`: the forward half at the last step beside the backward half at the first: either has read all;
- `cls`: the state at the first step, for words behind [CLS] (`sequences: {first: {text: cls}}`); elsewhere it is the
  first frame's or the first word's;
- `mean`: over the steps;
- `attention`: e = v^T tanh(W h + b), 256 -> 64 -> 1, softmax over the steps, weighted sum (16,512 more, which
  stay as they are under a fusion that reads the sequence and not the vector).

As the seed ran, it padded with zeros and treated them as steps: `masked: false` does so too, in the LSTMs
and in the pooling. What a clip gives then depends on the longest clip of its batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Encoded, EncoderSpec, GivenSteps

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="bidirectional LSTMs and a pooling", takes="sequence", gives="sequence")


class Options(Settings):
    """Options of the BLSTM."""

    pooling: Literal["last", "ends", "cls", "mean", "attention"] = Field(
        default="mean", description="What becomes of the states: see `models/encoders/blstm.py`."
    )
    hidden: int = Field(default=128, ge=1, description="Units of each direction.")
    layers: int = Field(default=2, ge=1, description="Layers.")
    attention: int = Field(default=64, ge=1, description="Hidden units of the attention.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of states dropped between layers in training.")
    masked: bool = Field(
        default=True, description="false: padding is read and pooled like steps (a departure from a sound protocol)."
    )


def features(_given: GivenSteps, options: Options) -> int:
    """Width of the states and of the vector: both directions."""
    return 2 * options.hidden


def weights(given: GivenSteps, options: Options) -> nn.ModuleDict:
    """The LSTMs, and the attention where there is one."""
    from torch import nn

    from affectstore.models.encoders._pooling import attention_of
    from affectstore.models.layers.lstm import LSTM

    lstm = LSTM(given.columns, options.hidden, options.layers, both=True, dropout=options.dropout)
    return nn.ModuleDict({"lstm": lstm, **attention_of(options.pooling, 2 * options.hidden, options.attention)})


def encode(weights: nn.ModuleDict, values: Tensor, mask: Tensor, options: Options) -> Encoded:
    """Sequences (clip, step, column) to states (clip, step, feature) and vectors (clip, feature)."""
    import torch

    from affectstore.models.encoders._pooling import pooled
    from affectstore.models.layers.masked import last, zeroed

    counted = mask if options.masked else torch.ones_like(mask)
    states = weights["lstm"](values, counted)
    if options.pooling == "ends":
        vector = torch.cat([last(states, counted)[:, : options.hidden], states[:, 0, options.hidden :]], dim=1)
    else:
        vector = pooled(options.pooling, weights, states, counted)
    return Encoded(vector, zeroed(states, mask), mask)


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
