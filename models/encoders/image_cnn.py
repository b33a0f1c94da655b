"""Image CNN: two convolutions on one picture, the image branch of the joint architectures on RAVDESS (seed 004).

The report feeds it two frames joined horizontally and says that it has two layers, max pooling, and an
output that is flattened and much longer than the audio branch's; it states no sizes. Chosen here:
kernels of 5 with padding 2, 16 and 32 channels, ReLU and a max pooling of 4 after each. A picture of
224x224 gives 6,272 features, a pair of frames of 224x448 12,544. An axis shorter than 4 is pooled to
length 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given
from affectstore.models.encoders._max_pool import max_pool, pooled_size

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="two convolutions on one picture", takes="image", gives="vector")

_WIDTHS = (16, 32)
_POOL = 4


class Options(Settings):
    """It has none."""


def features(given: Given, _options: Options) -> int:
    """Length of the vector: 32 channels times the axes after two poolings."""
    return _WIDTHS[-1] * pooled_size(given.shape[1:], _POOL, len(_WIDTHS))


def weights(given: Given, _options: Options) -> nn.Module:
    """The two convolutions."""
    from torch import nn

    first, second = _WIDTHS
    return nn.ModuleList(
        (nn.Conv2d(given.channels, first, 5, padding=2), nn.Conv2d(first, second, 5, padding=2)),
    )


def encode(weights: nn.ModuleList, values: Tensor, _mask: Tensor, _options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, feature)."""
    from torch.nn import functional as F

    for convolution in weights:
        values = max_pool(F.relu(convolution(values)), _POOL)
    return values.flatten(1)


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
