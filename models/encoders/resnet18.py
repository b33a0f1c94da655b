"""ResNet-18 (He et al. 2016, torchvision's) on one image, with a first convolution for any number of channels.

The first convolution is 7x7 with stride 2, without bias, for the channels of the input; the vector is the 512 averaged
features. With a linear layer to 6 classes it has 11,173,318 parameters for one channel and 11,176,454 for two.
`weights: imagenet` starts from torchvision's IMAGENET1K_V1; its first convolution is kept for three channels and newly
initialised for any other number.
"""

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn
from torchvision.models import resnet18

from affectstore.models.blocks.pretrained import FileOptions
from affectstore.models.blocks.pretrained_state import load_file_state
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderSpec, ImageShape

SPEC = EncoderSpec(
    version=1,
    summary="residual network of 18 layers on one image",
    input_kind="image",
    output_kind="vector",
    paper="He et al. 2016, Deep Residual Learning for Image Recognition (equation 1, table 1)",
)


class Options(FileOptions):
    """Options of ResNet-18."""

    pretrained_file: ClassVar[str] = "resnet18-f37072fd.pth"

    weights: Literal["random", "imagenet"] = Field(
        default="random", description="Weights that training starts from: `random`, or torchvision's IMAGENET1K_V1."
    )


class ResNet18(Encoder):
    """Encode an image with ResNet-18 without its classifier (He et al. 2016, equation 1 and table 1).

    Raises:
        ConfigError: ImageNet's weights are missing and cannot be downloaded, or are not the published file.
    """

    output_dim = 512

    def __init__(self, shape: ImageShape, options: Options) -> None:
        super().__init__()
        network = resnet18(weights=None)
        if options.pretrained:
            load_file_state(network, options.pretrained_file)
        if not options.pretrained or shape.channels != network.conv1.in_channels:
            network.conv1 = nn.Conv2d(shape.channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        network.fc = nn.Identity()
        self.network = network

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Images (clip, channel, height, width) to vectors (clip, 512)."""
        return Encoded(self.network(values))


build = ResNet18
