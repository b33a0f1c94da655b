"""ResNet-18 (He et al. 2016, torchvision's) on one picture, its first convolution made for any channels.

The first convolution is 7x7, stride 2, without bias, for as many channels as the input has; the vector
is the 512 averaged features. With a linear layer to 6 classes it has 11,173,318 parameters for one
channel and 11,176,454 for two. `weights: imagenet` starts from torchvision's IMAGENET1K_V1; its first
convolution is kept for three channels and newly made for any other number.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.digest import digest_file
from affectstore.errors import ConfigError
from affectstore.models.base import EncoderSpec, Given

if TYPE_CHECKING:
    from torch import Tensor, nn

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

    network = resnet18(weights=None)
    if options.weights == "imagenet":
        network.load_state_dict(_imagenet())
    if options.weights == "random" or given.channels != network.conv1.in_channels:
        network.conv1 = nn.Conv2d(given.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    network.fc = nn.Identity()
    return network


def encode(weights: nn.Module, values: Tensor, _mask: Tensor, _options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, 512)."""
    return weights(values)


def origin(options: Options) -> str:
    """What the weights started as."""
    if options.weights == "random":
        return "random"
    return f"imagenet ({_published()[0].name})"


def _published() -> tuple[Path, str]:
    """Where the published file is looked for, and its address."""
    import torch
    from torchvision.models import ResNet18_Weights

    url = ResNet18_Weights.IMAGENET1K_V1.url
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2], url


def _imagenet() -> dict[str, Any]:
    import torch

    path, url = _published()
    try:
        state = torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True, weights_only=True)
    except OSError as error:
        raise ConfigError(
            f"resnet18 with `weights: imagenet` needs {path.name}, which is not in {path.parent} and could not be "
            f"fetched ({error}): download {url} on a machine with a network, put it into that folder (TORCH_HOME "
            "moves it), or say `weights: random`"
        ) from error
    # The hub checks what it fetches, never what it finds: the name ends in the first digits of the sha256.
    if not digest_file(path).startswith(path.stem.rpartition("-")[2]):
        raise ConfigError(f"{path} is not the published file (its sha256 differs); delete it or fetch {url} again")
    return state
