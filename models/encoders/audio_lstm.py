"""Audio LSTM over MFCCs: the audio branch of architecture 2 on RAVDESS (document 004).

The document replaces the audio CNN by an LSTM because audio has a temporal structure, and states no sizes. Ours: two
unidirectional layers of 128 units, with the state after the last step as the vector; on 40 coefficients they have
219,136 parameters.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from affectstore.models.blocks.lstm import LSTM
from affectstore.models.blocks.masked import last_valid
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, SequenceShape

SPEC = EncoderSpec(
    version=1,
    summary="unidirectional LSTM",
    input_kind="sequence",
    output_kind="sequence",
    paper="Document 004, audio LSTM of architecture 2; sizes are ours",
)


class Options(EncoderOptions):
    """Options of the audio LSTM."""

    renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dim"}

    hidden_dim: int = Field(default=128, ge=1, description="Units of each layer, and dimension of the vector.")
    layers: int = Field(default=2, ge=1, description="Layers.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout between layers.")


class AudioLSTM(Encoder):
    """Encode a sequence with an LSTM (Hochreiter & Schmidhuber 1997); the vector is the state after the last step."""

    def __init__(self, shape: SequenceShape, options: Options) -> None:
        super().__init__()
        self.output_dim = options.hidden_dim
        self.lstm = LSTM(shape.dim, options.hidden_dim, options.layers, bidirectional=False, dropout=options.dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Sequences (clip, step, dim) to states (clip, step, output_dim) and the last one (clip, output_dim)."""
        states = self.lstm(values, mask)
        return Encoded(last_valid(states, mask), states, mask)


build = AudioLSTM
