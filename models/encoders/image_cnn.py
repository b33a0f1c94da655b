"""Image CNN: two convolutions on one image, the image branch of the joint architectures on RAVDESS (document 004).

The document feeds it two frames joined horizontally and states two layers, max pooling, and a flattened output much
longer than that of the audio branch; no sizes. Ours: kernels of 5 with padding 2, 16 and 32 channels, ReLU and a max
pooling of 4 after each. An image of 224x224 has a vector of 6,272 values, a pair of frames of 224x448 one of 12,544. An
axis shorter than 4 is pooled to length 1.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.convolution import max_pool, pooled_size
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, ImageShape

SPEC = EncoderSpec(
    version=1,
    summary="two 2D convolutions on one image",
    input_kind="image",
    output_kind="vector",
    paper="Document 004, image CNN of the joint architectures; sizes are ours",
)

_CHANNELS = (16, 32)
_POOL = 4


class Options(EncoderOptions):
    """Options of the image CNN: none."""


class ImageCNN(Encoder):
    """Encode an image with two convolutions and max poolings (document 004)."""

    def __init__(self, shape: ImageShape, options: Options) -> None:
        super().__init__()
        first, last = _CHANNELS
        self.output_dim = last * pooled_size(shape.size[1:], _POOL, len(_CHANNELS))
        self.conv1 = nn.Conv2d(shape.channels, first, 5, padding=2)
        self.conv2 = nn.Conv2d(first, last, 5, padding=2)

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Images (clip, channel, height, width) to vectors (clip, output_dim)."""
        hidden = max_pool(F.relu(self.conv1(values)), _POOL)
        return Encoded(max_pool(F.relu(self.conv2(hidden)), _POOL).flatten(1))


build = ImageCNN
