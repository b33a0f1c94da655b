"""I3D (Carreira & Zisserman 2017): Inception-v1 inflated into three dimensions, one stream on RGB frames.

The map of the last Inception module is averaged over 2 frames and 7x7 places, as published; a smaller map (short clips,
small images) over its whole length. `head: average` is the published network: its classifier is a convolution of 1x1x1
whose logits are averaged over space and time, which equals a linear layer on the averaged features, so the vector is
these 1,024. With a linear layer to 6 classes it has 12,293,414 parameters for three channels. `head: mlp`, the next
step that document 000 proposes, is a hidden layer with ReLU on the whole pooled map, which may weigh times and places;
its `hidden_dim` units (not stated there) are the vector.

`weights: rgb_imagenet` starts from the published weights, trained on ImageNet and Kinetics-400, in their usual PyTorch
file; the first convolution is adapted to other numbers of channels than three. Padded frames are zeros and take part,
as in document 001: the number of frames is fixed per experiment, so the vector of a clip does not depend on its batch.
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.convolution import adapt_first
from affectstore.models.blocks.pretrained import FileOptions
from affectstore.models.blocks.pretrained_state import load_file_state
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import ClipShape, EncoderSpec

SPEC = EncoderSpec(
    version=1,
    summary="Inception-v1 in three dimensions",
    input_kind="clip",
    output_kind="vector",
    paper="Carreira & Zisserman 2017, Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset (figure 3)",
)

_DIM = 1024  # channels of the last map
_STRIDES = (8, 32, 32)  # of the last map along frame, height and width
_POOL = (2, 7, 7)

#: Output channels of the Inception modules (Szegedy et al. 2015, table 1): 1x1; 1x1 and 3x3x3, twice; pooling and 1x1.
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


class Options(FileOptions):
    """Options of I3D."""

    pretrained_file: ClassVar[str] = "rgb_imagenet.pt"
    renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dim"}

    weights: Literal["random", "rgb_imagenet"] = Field(
        default="random",
        description="Weights that training starts from: `random`, or the published ones (ImageNet, Kinetics-400).",
    )
    head: Literal["average", "mlp"] = Field(
        default="average", description="The last map averaged over space and time, or a hidden layer on it."
    )
    hidden_dim: int = Field(default=512, ge=1, description="Units of the hidden layer of `head: mlp`.")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Dropout on the last map.")


def pad_same(values: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Pad the last three axes with zeros so that length L becomes ceil(L / stride); TensorFlow's "SAME" padding.

    Where their number is odd, the additional zero is at the end.
    """
    pads: list[int] = []
    for length, k, s in zip(values.shape[2:], kernel, stride, strict=True):
        total = max((-(-length // s) - 1) * s + k - length, 0)
        pads = [total // 2, total - total // 2, *pads]  # F.pad starts with the last axis
    return F.pad(values, pads) if any(pads) else values


def max_pool_same(values: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Max pooling with "SAME" padding of values that are not negative: the zeros are never the maximum alone."""
    return F.max_pool3d(pad_same(values, kernel, stride), tuple(kernel), tuple(stride))


class Unit3D(nn.Module):
    """Convolution without bias, batch normalisation and ReLU; modules are named as in the published weights."""

    def __init__(self, channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(channels, out_channels, kernel, stride=stride, bias=False)
        self.bn = nn.BatchNorm3d(out_channels, eps=1e-3, momentum=0.01)

    def forward(self, values: Tensor) -> Tensor:
        """(clip, channel, frame, height, width) to (clip, out_channels, ...)."""
        padded = pad_same(values, self.conv3d.kernel_size, self.conv3d.stride)
        return F.relu(self.bn(self.conv3d(padded)), inplace=True)


class InceptionModule(nn.Module):
    """Four branches, concatenated along the channels; modules are named as in the published weights."""

    def __init__(self, channels: int, out_channels: Sequence[int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = out_channels
        self.b0 = Unit3D(channels, b0, 1)
        self.b1a, self.b1b = Unit3D(channels, b1a, 1), Unit3D(b1a, b1b, 3)
        self.b2a, self.b2b = Unit3D(channels, b2a, 1), Unit3D(b2a, b2b, 3)
        self.b3b = Unit3D(channels, b3b, 1)

    def forward(self, values: Tensor) -> Tensor:
        """(clip, channel, frame, height, width) to (clip, sum of the branches' channels, ...)."""
        pooled = max_pool_same(values, (3, 3, 3), (1, 1, 1))
        branches = self.b0(values), self.b1b(self.b1a(values)), self.b2b(self.b2a(values)), self.b3b(pooled)
        return torch.cat(branches, dim=1)


class InceptionI3D(nn.Module):
    """The network up to the map that its classifier reads: strides and poolings of the paper's figure 3.

    Convolutions and poolings are padded as in TensorFlow, in which it was published; modules are named as in the
    published weights.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit3D(channels, 64, 7, stride=2)
        self.Conv3d_2b_1x1 = Unit3D(64, 64, 1)
        self.Conv3d_2c_3x3 = Unit3D(64, 192, 3)
        before = 192
        for name, (b0, b1a, b1b, b2a, b2b, b3b) in _MIXED.items():
            self.add_module(name, InceptionModule(before, (b0, b1a, b1b, b2a, b2b, b3b)))
            before = b0 + b1b + b2b + b3b

    def forward(self, values: Tensor) -> Tensor:
        """Clips (clip, channel, frame, height, width) to maps (clip, 1024, frame / 8, height / 32, width / 32)."""
        for name, module in self.named_children():
            if name in _POOLS:
                values = max_pool_same(values, *_POOLS[name])
            values = module(values)
        return values


class I3D(Encoder):
    """Encode a clip with I3D without its classifier (Carreira & Zisserman 2017).

    Raises:
        ConfigError: The published weights are missing and cannot be downloaded, or are not the published file.
    """

    def __init__(self, shape: ClipShape, options: Options) -> None:
        super().__init__()
        self.network = InceptionI3D(3 if options.pretrained else shape.channels)
        if options.pretrained:
            load_file_state(self.network, options.pretrained_file, without=("logits.",))
            first = self.network.Conv3d_1a_7x7
            first.conv3d = adapt_first(first.conv3d, shape.channels, pretrained=True)
        self.dropout = nn.Dropout(options.dropout)
        self.hidden: nn.Linear | None = None
        if options.head == "mlp":
            self.hidden = nn.Linear(_DIM * math.prod(_pooled_lengths(shape)), options.hidden_dim)
        self.output_dim = _DIM if options.head == "average" else options.hidden_dim

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Clips (clip, channel, frame, height, width) to vectors (clip, output_dim)."""
        last = self.network(values)
        kernel = [min(k, length) for k, length in zip(_POOL, last.shape[2:], strict=True)]
        pooled = self.dropout(F.avg_pool3d(last, kernel, stride=1))
        if self.hidden is None:
            return Encoded(pooled.mean(dim=(2, 3, 4)))
        return Encoded(F.relu(self.hidden(pooled.flatten(1))))


def _pooled_lengths(shape: ClipShape) -> list[int]:
    """Lengths of the last map along frame, height and width, after its average pooling."""
    lengths = [-(-length // stride) for length, stride in zip(shape.size[1:], _STRIDES, strict=True)]
    return [length - min(kernel, length) + 1 for kernel, length in zip(_POOL, lengths, strict=True)]


build = I3D
