"""BLSTM: two bidirectional LSTM layers and a pooling, the unimodal networks on IEMOCAP (document 003).

Two layers of 128 units in each direction have 594,944 parameters on 65 columns and 1,314,816 on 768. The sequence is
their states (256), the vector is pooled from them:

- `last`: the state at the last step (the document's "final-frame"); its backward half has read that step alone;
- `ends`: the forward half at the last step beside the backward half at the first: each has read all steps;
- `cls`: the state at the first step, for words preceded by [CLS] (`sequences: {prepend: {text: cls}}`); elsewhere it is
  that of the first frame or word;
- `mean`: the mean over the steps;
- `attention`: e = v^T tanh(W h + b), 256 -> 64 -> 1, softmax over the steps, weighted sum (16,512 more parameters,
  which no loss reaches under a fusion that reads the sequence and not the vector).

The document's network pads with zeros and treats them as steps: `masked: false` does so too, in the LSTM and in the
pooling. The output of a clip then depends on the longest clip of its batch.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from affectstore.models.blocks.lstm import LSTM
from affectstore.models.blocks.masked import Pooling, apply_mask, last_valid
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, SequenceShape

SPEC = EncoderSpec(
    version=1,
    summary="bidirectional LSTM and a pooling",
    input_kind="sequence",
    output_kind="sequence",
    paper="Document 003, unimodal BLSTM",
)


class Options(EncoderOptions):
    """Options of the BLSTM."""

    renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dim", "attention": "attention_dim"}

    pooling: Literal["last", "ends", "cls", "mean", "attention"] = Field(
        default="mean", description="Pooling of the states: see `models/encoders/blstm.py`."
    )
    hidden_dim: int = Field(default=128, ge=1, description="Units of each direction.")
    layers: int = Field(default=2, ge=1, description="Layers.")
    attention_dim: int = Field(default=64, ge=1, description="Hidden units of attention pooling.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout between layers.")
    masked: bool = Field(
        default=True,
        description="false: padding is read and pooled like valid steps (a departure: outputs depend on the batch).",
    )


class BLSTM(Encoder):
    """Encode a sequence with a bidirectional LSTM and pool its states (document 003)."""

    def __init__(self, shape: SequenceShape, options: Options) -> None:
        super().__init__()
        self.output_dim = 2 * options.hidden_dim
        self.masked = options.masked
        self.lstm = LSTM(shape.dim, options.hidden_dim, options.layers, bidirectional=True, dropout=options.dropout)
        self.pooling = (
            None if options.pooling == "ends" else Pooling(options.pooling, self.output_dim, options.attention_dim)
        )

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Sequences (clip, step, dim) to states (clip, step, output_dim) and vectors (clip, output_dim)."""
        read = mask if self.masked else torch.ones_like(mask)
        states = self.lstm(values, read)
        return Encoded(self._pool(states, read), apply_mask(states, mask), mask)

    def _pool(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pool states (clip, step, output_dim) to vectors (clip, output_dim)."""
        if self.pooling is not None:
            return self.pooling(states, mask)
        half = self.output_dim // 2
        return torch.cat([last_valid(states, mask)[:, :half], states[:, 0, half:]], dim=1)


build = BLSTM
