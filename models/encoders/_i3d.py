"""I3D: Inception-v1 inflated into three dimensions (Carreira & Zisserman 2017), without its classifier.

Widths are those of Inception-v1 (Szegedy et al. 2015, table 1); strides and pooling those of the paper's
figure 3. Convolutions and poolings are padded as TensorFlow's "SAME", in which the network was
published. Modules are called as in the published weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

#: Inception modules: 1x1; 1x1 and 3x3x3; 1x1 and 3x3x3; pooling and 1x1.
_MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}

#: Max poolings before these modules: kernel and stride along (frame, height, width).
_POOLS = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}


def same(values: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Zeros around the last three axes, so that length L becomes ceil(L / stride); the odd one at the end."""
    pads: list[int] = []
    for length, k, s in zip(values.shape[2:], kernel, stride, strict=True):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        pads = [total // 2, total - total // 2, *pads]  # F.pad starts with the last axis
    return F.pad(values, pads) if any(pads) else values


def pool(values: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Max pooling with "SAME" padding of values that are not negative: zeros never win."""
    return F.max_pool3d(same(values, kernel, stride), tuple(kernel), tuple(stride))


class Unit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv3d = nn.Conv3d(channels, width, kernel, stride=stride, bias=False)
        self.bn = nn.BatchNorm3d(width, eps=1e-3, momentum=0.01)

    def forward(self, values: Tensor) -> Tensor:
        """(clip, channel, frame, height, width) to (clip, width, ...)."""
        padded = same(values, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(padded)), inplace=True)


class Mixed(nn.Module):
    """Inception module: four branches, joined along the channels."""

    def __init__(self, channels: int, widths: Sequence[int]):
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        self.b0 = Unit(channels, b0, 1)
        self.b1a, self.b1b = Unit(channels, b1a, 1), Unit(b1a, b1b, 3)
        self.b2a, self.b2b = Unit(channels, b2a, 1), Unit(b2a, b2b, 3)
        self.b3b = Unit(channels, b3b, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(clip, channel, frame, height, width) to (clip, sum of widths, ...)."""
        pooled = pool(values, (3, 3, 3), (1, 1, 1))
        branches = self.b0(values), self.b1b(self.b1a(values)), self.b2b(self.b2a(values)), self.b3b(pooled)
        return torch.cat(branches, dim=1)


class I3D(nn.Module):
    """The network up to the map that its classifier reads.

    Args:
        channels: of each frame.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(channels, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = Unit(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3)
        width = 192
        for name, (b0, b1a, b1b, b2a, b2b, b3b) in _MIXED.items():
            self.add_module(name, Mixed(width, (b0, b1a, b1b, b2a, b2b, b3b)))
            width = b0 + b1b + b2b + b3b

    def forward(self, values: Tensor) -> Tensor:
        """Clips (clip, channel, frame, height, width) to maps (clip, 1024, frame / 8, height / 32, width / 32)."""
        for name, module in self.named_children():
            if name in _POOLS:
                values = pool(values, *_POOLS[name])
            values = module(values)
        return values
