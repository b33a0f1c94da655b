"""First layers trained on colour pictures, made to read any number of channels."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

from torch import Tensor, nn

Layer = TypeVar("Layer", nn.Conv2d, nn.Conv3d)

_COLOURS = 3


def adapted(kernel: Tensor, channels: int) -> Tensor:
    """A kernel for three colours as one for `channels` channels.

    The colours repeat where the channels are a multiple of three (colour pictures joined along the
    channel axis); otherwise every channel takes the mean of the colours. Scaled by 3 / channels: what
    the network answers to grey is then the same, whatever the number of channels that all show it.

    Args:
        kernel: (out, 3, ...).
        channels: how many the new one reads.

    Returns:
        (out, channels, ...); the same tensor for three channels.
    """
    if channels == _COLOURS:
        return kernel
    if channels % _COLOURS == 0:
        repeated = kernel.repeat(1, channels // _COLOURS, *(1,) * (kernel.dim() - 2))
    else:
        repeated = kernel.mean(dim=1, keepdim=True).expand(-1, channels, *kernel.shape[2:])
    return repeated * (_COLOURS / channels)


def adapt_first(layer: Layer, channels: int, published: bool) -> Layer:
    """A first convolution for any channels: with the published weights adapted, or newly drawn.

    Args:
        layer: for three channels.
        channels: how many the new one reads.
        published: whether the layer's weights are published ones.

    Returns:
        the layer itself for three channels, else one of the same sizes.
    """
    if channels == layer.in_channels:
        return layer
    new = deepcopy(layer)
    new.in_channels = channels
    new.weight = nn.Parameter(adapted(layer.weight.detach(), channels).clone())
    if not published:
        new.reset_parameters()
    return new
