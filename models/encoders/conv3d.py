"""Conv3d: five 3D convolutions and one linear layer, the first simple network of seed 000 on CREMA-D.

The report states the number of layers and the input (grey, 200x100 pixels, about 30 frames a second),
not the sizes. Chosen here: kernels of 3 with padding 1, `width` channels that double from layer to
layer (8, 16, 32, 64, 128), and ReLU and a max pooling of 2 along every axis after each convolution.
What is left is the vector; the linear layer is the classifier. An axis that has shrunk to length 1 is
pooled no further.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given
from affectstore.models.encoders._max_pool import max_pool, pooled_size

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="five 3D convolutions, each with its own weights", takes="clip", gives="vector")

_LAYERS = 5


class Options(Settings):
    """Options of the five convolutions."""

    width: int = Field(default=8, ge=1, description="Channels of the first convolution; they double at each next one.")


def features(given: Given, options: Options) -> int:
    """Length of the vector: the last channels times the axes after five poolings."""
    return options.width * 2 ** (_LAYERS - 1) * pooled_size(given.shape[1:], 2, _LAYERS)


def weights(given: Given, options: Options) -> nn.Module:
    """The five convolutions."""
    from torch import nn

    widths = [given.channels, *(options.width * 2**k for k in range(_LAYERS))]
    return nn.ModuleList(nn.Conv3d(widths[k], widths[k + 1], 3, padding=1) for k in range(_LAYERS))


def encode(weights: nn.ModuleList, values: Tensor, _mask: Tensor, _options: Options) -> Tensor:
    """Clips (clip, channel, frame, height, width) to vectors (clip, feature)."""
    from torch.nn import functional as F

    for convolution in weights:
        values = max_pool(F.relu(convolution(values)), 2)
    return values.flatten(1)


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
