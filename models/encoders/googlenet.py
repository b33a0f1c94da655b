"""GoogLeNet (Szegedy et al. 2015, torchvision's) on one picture, its first convolution made for any channels.

`first: plain` puts a convolution of 7x7, stride 2, without bias, batch normalisation and ReLU before
the others, as in the shared-encoder study on CREMA-D (seed 001). With a linear layer to 6 classes and
the auxiliary classifiers that the study kept (1,000 outputs, no part in the loss) that is 11,985,910
parameters for three channels and 11,995,318 for six. `first: published` is the network's own layer.
The vector is the 1,024 averaged features.

`weights: imagenet` starts from torchvision's IMAGENET1K_V1; of its first layer nothing is left with
`first: plain`, and with `first: published` its convolution is adapted where there are not three
channels. Inputs are used as they come: torchvision's own change of range keeps three channels only,
which is how the study's network lost the audio that came as channels four to six.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.errors import ConfigError
from affectstore.models.base import EncoderSpec, Given

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="Inception network of 22 layers on one picture", takes="image", gives="vector")

#: Weights that no loss reaches: the auxiliary classifiers. They count as parameters, and never change.
UNUSED = ("aux1.", "aux2.")

_FILE = "googlenet-1378be20.pth"
_SMALLEST_PX = 15  # a smaller picture has no pixel left at the third pooling


class Options(Settings):
    """Options of GoogLeNet."""

    weights: Literal["random", "imagenet"] = Field(
        default="random", description="What training starts from: newly drawn, or torchvision's IMAGENET1K_V1."
    )
    first: Literal["plain", "published"] = Field(
        default="plain",
        description="First convolution: a new one alone, or the published one with batch normalisation.",
    )
    auxiliary: bool = Field(default=True, description="Whether the unused auxiliary classifiers are kept.")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Share of the vector dropped in training.")


def features(_given: Given, _options: Options) -> int:
    """Length of the vector: the channels of the last Inception module."""
    return 1024


def check(given: Given, _options: Options) -> str:
    """Why pictures of this shape are nothing for it, or ''."""
    if min(given.height_px, given.width_px) >= _SMALLEST_PX:
        return ""
    return (
        f"googlenet needs pictures of {_SMALLEST_PX} px or more each way, not {given.height_px}x{given.width_px}; "
        "raise `pictures.size_px`"
    )


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier.

    Raises:
        ConfigError: ImageNet's weights are not here and cannot be fetched, or are not the published file; or the
            pictures are too small.
    """
    from torch import nn
    from torchvision.models import GoogLeNet

    from affectstore.models.encoders._channels import adapt_first
    from affectstore.models.encoders._files import load_published

    if reason := check(given, options):
        raise ConfigError(reason)
    published = options.weights == "imagenet"
    network = GoogLeNet(aux_logits=options.auxiliary or published, init_weights=not published, dropout=options.dropout)
    if published:
        load_published(network, _FILE)
    if options.first == "plain":
        network.conv1 = nn.Conv2d(given.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    else:
        network.conv1.conv = adapt_first(network.conv1.conv, given.channels, published)
    network.fc = nn.Identity()
    unused = {"aux1": network.aux1, "aux2": network.aux2} if options.auxiliary else {}
    network.aux1 = network.aux2 = None  # it would run them, for nothing, whenever it trains
    network.aux_logits = False
    return nn.ModuleDict({"network": network, **unused})


def encode(weights: nn.ModuleDict, values: Tensor, _mask: Tensor, _options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, 1024)."""
    return weights["network"](values)


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
