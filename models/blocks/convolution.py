"""Convolutions pretrained on colour images, adapted to any number of channels; and max pooling of small inputs."""

from collections.abc import Sequence
from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

Layer = TypeVar("Layer", nn.Conv2d, nn.Conv3d)

_RGB = 3


def adapt_kernel(kernel: Tensor, channels: int) -> Tensor:
    """Adapt a kernel trained on three colour channels to another number of channels.

    The colours repeat where the channels are a multiple of three (colour images joined along the channel axis);
    otherwise every channel gets the mean of the colours. Scaled by 3 / channels, so that the response to a grayscale
    image does not depend on the number of channels that show it.

    Args:
        kernel: (out, 3, ...).
        channels: Input channels of the new kernel.

    Returns:
        (out, channels, ...); the same tensor for three channels.
    """
    if channels == _RGB:
        return kernel
    if channels % _RGB == 0:
        repeated = kernel.repeat(1, channels // _RGB, *(1,) * (kernel.dim() - 2))
    else:
        repeated = kernel.mean(dim=1, keepdim=True).expand(-1, channels, *kernel.shape[2:])
    return repeated * (_RGB / channels)


def adapt_first(layer: Layer, channels: int, pretrained: bool) -> Layer:
    """Adapt a first convolution to another number of channels.

    Args:
        layer: For three channels.
        channels: Input channels of the new layer.
        pretrained: Adapt the layer's weights; otherwise the new layer is newly initialised.

    Returns:
        The layer itself where it has as many channels already, else one of the same sizes.
    """
    if channels == layer.in_channels:
        return layer
    new = deepcopy(layer)
    new.in_channels = channels
    new.weight = nn.Parameter(adapt_kernel(layer.weight.detach(), channels).clone())
    if not pretrained:
        new.reset_parameters()
    return new


def max_pool(values: Tensor, kernel: int) -> Tensor:
    """Max pooling in which an axis shorter than the kernel is pooled to length 1, so that small inputs work.

    Args:
        values: (clip, channel, height, width) or (clip, channel, frame, height, width).
        kernel: Kernel size and stride.
    """
    pool = F.max_pool2d if values.dim() == 4 else F.max_pool3d
    return pool(values, [min(kernel, length) for length in values.shape[2:]])


def pooled_size(lengths: Sequence[int], kernel: int, times: int) -> int:
    """Number of places left of axes of these lengths after repeated `max_pool`."""
    size = 1
    for length in lengths:
        for _ in range(times):
            length = max(1, length // kernel)
        size *= length
    return size
