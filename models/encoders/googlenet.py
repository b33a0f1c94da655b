"""GoogLeNet (Szegedy et al. 2015, torchvision's) on one image, with a first convolution for any number of channels.

`first: plain` replaces the first layer by a convolution of 7x7 with stride 2, without bias, batch normalisation or
ReLU, as in the shared-encoder study on CREMA-D (document 001). With a linear layer to 6 classes and the auxiliary
classifiers that the study kept (1,000 outputs, no part in the loss) it has 11,985,910 parameters for three channels and
11,995,318 for six. `first: published` is the published layer. The vector is the 1,024 averaged features.

`weights: imagenet` starts from torchvision's IMAGENET1K_V1; `first: plain` discards its first layer, `first: published`
adapts it to other numbers of channels than three. Inputs are used unchanged: torchvision's own change of range keeps
three channels only, which is how the study's network lost the audio in channels four to six.
"""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torchvision.models import GoogLeNet as TorchvisionGoogLeNet

from affectstore.errors import ConfigError
from affectstore.models.blocks.convolution import adapt_first
from affectstore.models.blocks.pretrained import FileOptions
from affectstore.models.blocks.pretrained_state import load_file_state
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderSpec, ImageShape, Shape

SPEC = EncoderSpec(
    version=1,
    summary="Inception network of 22 layers on one image",
    input_kind="image",
    output_kind="vector",
    paper="Szegedy et al. 2015, Going Deeper with Convolutions (table 1)",
)

_MIN_PX = 15  # a smaller image has no pixel left at the third pooling


class Options(FileOptions):
    """Options of GoogLeNet."""

    pretrained_file: ClassVar[str] = "googlenet-1378be20.pth"

    weights: Literal["random", "imagenet"] = Field(
        default="random", description="Weights that training starts from: `random`, or torchvision's IMAGENET1K_V1."
    )
    first: Literal["plain", "published"] = Field(
        default="plain",
        description="First layer: a new convolution alone, or the published one with batch normalisation.",
    )
    auxiliary: bool = Field(default=True, description="Keep the unused auxiliary classifiers.")
    dropout: float = Field(default=0.2, ge=0, lt=1, description="Dropout on the vector.")

    def problem(self, shape: Shape) -> str | None:
        """Reason why images of this shape are too small, or None."""
        if not isinstance(shape, ImageShape) or min(shape.height_px, shape.width_px) >= _MIN_PX:
            return None
        return (
            f"googlenet needs images of {_MIN_PX} px or more each way, not {shape.height_px}x{shape.width_px}; "
            "raise `images.image_px`"
        )


class GoogLeNet(Encoder):
    """Encode an image with GoogLeNet without its classifier (Szegedy et al. 2015, table 1).

    Raises:
        ConfigError: ImageNet's weights are missing and cannot be downloaded, or are not the published file; or the
            images are too small.
    """

    output_dim = 1024
    unused_parameters = ("aux1.", "aux2.")

    def __init__(self, shape: ImageShape, options: Options) -> None:
        super().__init__()
        if reason := options.problem(shape):
            raise ConfigError(reason)
        pretrained = options.pretrained
        network = TorchvisionGoogLeNet(
            aux_logits=options.auxiliary or pretrained, init_weights=not pretrained, dropout=options.dropout
        )
        if pretrained:
            load_file_state(network, options.pretrained_file)
        if options.first == "plain":
            network.conv1 = nn.Conv2d(shape.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        else:
            network.conv1.conv = adapt_first(network.conv1.conv, shape.channels, pretrained)
        network.fc = nn.Identity()
        self.network = network
        if options.auxiliary:
            self.aux1, self.aux2 = network.aux1, network.aux2
        network.aux1 = network.aux2 = None  # it would run them, to no effect, whenever it trains
        network.aux_logits = False

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Images (clip, channel, height, width) to vectors (clip, 1024)."""
        return Encoded(self.network(values))


build = GoogLeNet
