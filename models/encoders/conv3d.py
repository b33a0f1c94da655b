"""Conv3D: five 3D convolutions and one linear layer, the first simple network on CREMA-D (document 000).

The document states the number of layers and the input (grayscale, 200x100 pixels, about 30 frames per second), not the
sizes. Ours: kernels of 3 with padding 1, channels that double from layer to layer (8, 16, 32, 64, 128), and ReLU and a
max pooling of 2 along every axis after each convolution. The flattened output is the vector; the linear layer is the
classifier. An axis of length 1 is pooled no further.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.convolution import max_pool, pooled_size
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import ClipShape, EncoderOptions, EncoderSpec

SPEC = EncoderSpec(
    version=1,
    summary="five 3D convolutions, each with its own weights",
    input_kind="clip",
    output_kind="vector",
    paper="Document 000, five 3D convolutions; sizes are ours",
)

_LAYERS = 5


class Options(EncoderOptions):
    """Options of the five convolutions."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "channels"}

    channels: int = Field(
        default=8, ge=1, description="Output channels of the first convolution; each next one doubles them."
    )


class Conv3D(Encoder):
    """Encode a clip with five 3D convolutions and max poolings (document 000)."""

    def __init__(self, shape: ClipShape, options: Options) -> None:
        super().__init__()
        channels = [options.channels * 2**k for k in range(_LAYERS)]
        self.output_dim = channels[-1] * pooled_size(shape.size[1:], 2, _LAYERS)
        self.convolutions = nn.ModuleList(
            nn.Conv3d(before, after, 3, padding=1) for before, after in pairwise((shape.channels, *channels))
        )

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Clips (clip, channel, frame, height, width) to vectors (clip, output_dim)."""
        for convolution in self.convolutions:
            values = max_pool(F.relu(convolution(values)), 2)
        return Encoded(values.flatten(1))


build = Conv3D
