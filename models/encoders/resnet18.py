"""ResNet-18 (He et al. 2016, torchvision's) on one picture, its first convolution made for any channels.

The first convolution is 7x7, stride 2, without bias, for as many channels as the input has; the vector
is the 512 averaged features. With a linear layer to 6 classes it has 11,173,318 parameters for one
channel and 11,176,454 for two. `weights: imagenet` starts from torchvision's IMAGENET1K_V1; its first
convolution is kept for three channels and newly made for any other number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given

if TYPE_CHECKING:
    from torch import Tensor, nn

#: torchvision's IMAGENET1K_V1.
_FILE = "resnet18-f37072fd.pth"

SPEC = EncoderSpec(version=1, summary="residual network of 18 layers on one picture", takes="image", gives="vector")


class Options(Settings):
    """Options of ResNet-18."""

    weights: Literal["random", "imagenet"] = Field(
        default="random", description="What training starts from: newly drawn, or torchvision's IMAGENET1K_V1."
    )


def features(_given: Given, _options: Options) -> int:
    """Length of the vector: the channels of the last block."""
    return 512


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier.

    Raises:
        ConfigError: ImageNet's weights are not here and cannot be fetched, or are not the published file.
    """
    from torch import nn
    from torchvision.models import resnet18

    from affectstore.models.encoders._files import load_published

    network = resnet18(weights=None)
    if options.weights == "imagenet":
        load_published(network, _FILE)
    if options.weights == "random" or given.channels != network.conv1.in_channels:
        network.conv1 = nn.Conv2d(given.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    network.fc = nn.Identity()
    return network


def encode(weights: nn.Module, values: Tensor, _mask: Tensor, _options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, 512)."""
    return weights(values)


def origin(options: Options) -> str:
    """What the weights started as."""
    return "random" if options.weights == "random" else f"imagenet ({_FILE})"


def weights_digest(options: Options) -> str | None:
    """Digest of the published file; None where weights are newly drawn.

    Raises:
        ConfigError: it is not here, or is not the published file.
    """
    from affectstore.models.encoders._named import file_digest

    return file_digest(options.weights, _FILE)
