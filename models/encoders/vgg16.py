"""VGG-16 (Simonyan & Zisserman 2015, torchvision's) on one picture, its first convolution made for any channels.

`first: 7x7` puts a convolution of 7x7, stride 2, without bias before the others, as in the
shared-encoder study on CREMA-D (seed 001): with a linear layer to 6 classes that is 134,292,742
parameters for three channels and 134,302,150 for six. `first: 3x3` is the published layer, stride 1.
The vector is what the second fully connected layer gives; the network's last layer is the classifier.

`weights: imagenet` starts from torchvision's IMAGENET1K_V1; of its first convolution nothing is left
with `first: 7x7`, and with `first: 3x3` it is adapted where there are not three channels. An axis that
has shrunk to length 1 is pooled no further, so that small pictures work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given
from affectstore.models.encoders._max_pool import max_pool

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="VGG network of 16 layers on one picture", takes="image", gives="vector")

_FILE = "vgg16-397923af.pth"
_HIDDEN = 4096
_MAP = 7  # height and width of what the fully connected layers read


class Options(Settings):
    """Options of VGG-16."""

    weights: Literal["random", "imagenet"] = Field(
        default="random", description="What training starts from: newly drawn, or torchvision's IMAGENET1K_V1."
    )
    first: Literal["7x7", "3x3"] = Field(
        default="7x7", description="First convolution: a new one, stride 2, without bias; or the published layer."
    )
    hidden: int = Field(
        default=_HIDDEN, ge=1, description="Units of the two fully connected layers; `imagenet` has 4096."
    )
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Share of units dropped after each of the two.")

    @model_validator(mode="after")
    def _published_width(self) -> Options:
        if self.weights == "imagenet" and self.hidden != _HIDDEN:
            raise ValueError(f"`weights: imagenet` has {_HIDDEN} hidden units, not {self.hidden}; leave `hidden` out")
        return self


def features(_given: Given, options: Options) -> int:
    """Length of the vector: the units of the second fully connected layer."""
    return options.hidden


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier.

    Raises:
        ConfigError: ImageNet's weights are not here and cannot be fetched, or are not the published file.
    """
    from torch import nn
    from torchvision.models.vgg import cfgs, make_layers

    from affectstore.models.encoders._channels import adapt_first
    from affectstore.models.encoders._files import load_published

    units = options.hidden
    layers = make_layers(cfgs["D"], batch_norm=False)
    classifier = nn.Sequential(
        *(nn.Linear(512 * _MAP**2, units), nn.ReLU(inplace=True), nn.Dropout(options.dropout)),
        *(nn.Linear(units, units), nn.ReLU(inplace=True), nn.Dropout(options.dropout)),
    )
    network = nn.ModuleDict({"features": layers, "classifier": classifier})
    published = options.weights == "imagenet"
    if published:
        load_published(network, _FILE, without=("classifier.6.",))
    else:
        network.apply(_draw)
    if options.first == "7x7":
        layers[0] = nn.Conv2d(given.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
    else:
        layers[0] = adapt_first(layers[0], given.channels, published)
    return network


def _draw(module: nn.Module) -> None:
    """Fresh weights as torchvision draws them for this network."""
    from torch import nn

    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def encode(weights: nn.ModuleDict, values: Tensor, _mask: Tensor, _options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, hidden)."""
    from torch import nn
    from torch.nn import functional as F

    for layer in weights["features"].children():
        values = max_pool(values, 2) if isinstance(layer, nn.MaxPool2d) else layer(values)
    return weights["classifier"](F.adaptive_avg_pool2d(values, _MAP).flatten(1))


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
