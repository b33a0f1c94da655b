"""VGG-16 (Simonyan & Zisserman 2015, torchvision's) on one image, with a first convolution for any number of channels.

`first: 7x7` replaces the first convolution by one of 7x7 with stride 2, without bias, as in the shared-encoder study on
CREMA-D (document 001): with a linear layer to 6 classes it has 134,292,742 parameters for three channels and
134,302,150 for six. `first: 3x3` is the published layer with stride 1. The vector is the output of the second fully
connected layer; the published third one is the classifier.

`weights: imagenet` starts from torchvision's IMAGENET1K_V1; `first: 7x7` discards its first convolution, `first: 3x3`
adapts it to other numbers of channels than three. An axis of length 1 is pooled no further, so that small images work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.vgg import cfgs, make_layers

from affectstore.models.blocks.convolution import adapt_first, max_pool
from affectstore.models.blocks.pretrained import FileOptions
from affectstore.models.blocks.pretrained_state import load_file_state
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderSpec, ImageShape

SPEC = EncoderSpec(
    version=1,
    summary="VGG network of 16 layers on one image",
    input_kind="image",
    output_kind="vector",
    paper="Simonyan & Zisserman 2015, Very Deep Convolutional Networks for Large-Scale Image Recognition (table 1, D)",
)

_HIDDEN_DIM = 4096
_MAP = 7  # height and width of the map that the fully connected layers read


class Options(FileOptions):
    """Options of VGG-16."""

    pretrained_file: ClassVar[str] = "vgg16-397923af.pth"
    renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dim"}

    weights: Literal["random", "imagenet"] = Field(
        default="random", description="Weights that training starts from: `random`, or torchvision's IMAGENET1K_V1."
    )
    first: Literal["7x7", "3x3"] = Field(
        default="7x7", description="First convolution: a new one with stride 2 and no bias, or the published one."
    )
    hidden_dim: int = Field(
        default=_HIDDEN_DIM, ge=1, description="Units of the two fully connected layers; `imagenet` has 4096."
    )
    dropout: float = Field(default=0.5, ge=0, lt=1, description="Dropout after each of the two.")

    @model_validator(mode="after")
    def _has_published_size(self) -> Options:
        if self.pretrained and self.hidden_dim != _HIDDEN_DIM:
            raise ValueError(
                f"`weights: imagenet` has {_HIDDEN_DIM} hidden units, not {self.hidden_dim}; leave `hidden_dim` out"
            )
        return self


class VGG16(Encoder):
    """Encode an image with VGG-16 without its classifier (Simonyan & Zisserman 2015, table 1, D).

    Raises:
        ConfigError: ImageNet's weights are missing and cannot be downloaded, or are not the published file.
    """

    def __init__(self, shape: ImageShape, options: Options) -> None:
        super().__init__()
        dim = self.output_dim = options.hidden_dim
        self.features = make_layers(cfgs["D"], batch_norm=False)
        self.classifier = nn.Sequential(
            *(nn.Linear(512 * _MAP**2, dim), nn.ReLU(inplace=True), nn.Dropout(options.dropout)),
            *(nn.Linear(dim, dim), nn.ReLU(inplace=True), nn.Dropout(options.dropout)),
        )
        if options.pretrained:
            load_file_state(self, options.pretrained_file, without=("classifier.6.",))
        else:
            self.apply(_init)
        if options.first == "7x7":
            self.features[0] = nn.Conv2d(shape.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        else:
            self.features[0] = adapt_first(self.features[0], shape.channels, options.pretrained)

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Images (clip, channel, height, width) to vectors (clip, output_dim)."""
        for layer in self.features:
            values = max_pool(values, 2) if isinstance(layer, nn.MaxPool2d) else layer(values)
        return Encoded(self.classifier(F.adaptive_avg_pool2d(values, _MAP).flatten(1)))


def _init(module: nn.Module) -> None:
    """Initialise a layer as torchvision does for this network."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


build = VGG16
