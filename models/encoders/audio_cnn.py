"""Audio CNN: two convolutions over MFCCs, the audio branch of the joint architectures on RAVDESS (document 004).

The document states two layers, a single max pooling, a flattened output and "the first 40 MFCCs for each audio
recording"; neither the sizes nor the axis of the convolutions. Ours: kernels of 5 with padding 2, 64 and 128 channels,
ReLU after each, a max pooling of 4 between them, and

- `over: time` (default): coefficients are the channels, the convolutions run over the steps, and the vector is the mean
  over the steps (128 values), so that recordings may have any length;
- `over: coefficients`: a recording is its mean MFCCs, the convolutions run over the coefficients, and the output is
  flattened (1,280 values for 40 coefficients), another reading of the same words.
"""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.masked import apply_mask, masked_mean
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, SequenceShape

SPEC = EncoderSpec(
    version=1,
    summary="two 1D convolutions on a sequence",
    input_kind="sequence",
    output_kind="vector",
    paper="Document 004, audio CNN of the joint architectures; sizes are ours",
)

_CHANNELS = (64, 128)
_KERNEL = 5
_POOL = 4


class Options(EncoderOptions):
    """Options of the audio CNN."""

    over: Literal["time", "coefficients"] = Field(
        default="time", description="Axis of the convolutions: the steps, or the coefficients of their mean."
    )


class AudioCNN(Encoder):
    """Encode a sequence with two convolutions over time, or over the coefficients of its mean (document 004)."""

    def __init__(self, shape: SequenceShape, options: Options) -> None:
        super().__init__()
        first, last = _CHANNELS
        self.over_time = options.over == "time"
        self.output_dim = last if self.over_time else last * -(-shape.dim // _POOL)
        self.conv1 = nn.Conv1d(shape.dim if self.over_time else 1, first, _KERNEL, padding=_KERNEL // 2)
        self.conv2 = nn.Conv1d(first, last, _KERNEL, padding=_KERNEL // 2)

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Sequences (clip, step, dim) to vectors (clip, output_dim)."""
        if not self.over_time:
            hidden = F.relu(self.conv1(masked_mean(values, mask)[:, None]))
            return Encoded(F.relu(self.conv2(F.max_pool1d(hidden, _POOL, ceil_mode=True))).flatten(1))
        # Padded steps are set to zero, like the padding of a convolution; zero never exceeds an output of ReLU.
        hidden = apply_mask(F.relu(self.conv1(apply_mask(values, mask).mT)).mT, mask)
        hidden = F.relu(self.conv2(F.max_pool1d(hidden.mT, _POOL, ceil_mode=True)))
        return Encoded(masked_mean(hidden.mT, mask[:, ::_POOL]))


build = AudioCNN
