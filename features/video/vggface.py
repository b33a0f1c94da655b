"""VGG-Face descriptors of faces (Parkhi, Vedaldi, Zisserman 2015, Deep Face Recognition).

A network of 16 layers (145,002,878 parameters) that was trained to name 2,622 people. The descriptor is the
output of the ReLU after fc7 (or fc6), the usual one in the literature: 4,096 non-negative numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.features import base
from affectstore.features.video import _face_vectors as face_vectors
from affectstore.weights.find import require
from affectstore.weights.random import RANDOM

if TYPE_CHECKING:
    from torch import Tensor, nn

    from affectstore.features.video._vgg_face_network import Order

SPEC = base.Spec(
    name="vggface",
    version=1,
    summary="VGG-Face descriptors of faces, 4,096 numbers",
    modality="vision",
    needs=("faces",),
    libraries=("torch", "pillow"),
    gpu=True,
)

#: Mean colour of the training images, red, green, blue.
MEAN_RGB = (129.1863, 104.7624, 93.5940)

_Weights = Literal["vgg_face_dag.pth", "VGG_FACE.t7", "vgg_face_weights.pth", "random"]


class Options(face_vectors.Options):
    """Options of `vggface`."""

    layer: Literal["fc7", "fc6"] = Field(default="fc7", description="Layer whose rectified output is taken.")
    scaling: Literal["weights", "symmetric"] = Field(
        default="weights",
        description="weights: 0..255 minus the mean colour, as the weights were trained; symmetric: to -1..1.",
    )
    weights: _Weights = Field(
        default="vgg_face_dag.pth",
        description="File of weights (`affectstore weights` lists sources), or random: for tests only.",
    )
    channels: Literal["auto", "rgb", "bgr"] = Field(
        default="auto",
        description="Order of the network's input channels; auto: as the file was trained, bgr for "
        "VGG_FACE.t7 and rgb for the others.",
    )


class Extractor(face_vectors.FaceVectorExtractor):
    """VGG-Face applied to faces."""

    options: Options
    output_dim = 4096
    size_px = 224

    def weights(self) -> str:
        """Name the file of weights, or "random"."""
        return self.options.weights

    def load(self) -> nn.Module:
        """Load VGG-Face with the weights that the options name.

        Raises:
            ConfigError: The weights are missing, not safe to load, or belong to another network.
        """
        from affectstore.features.video._vgg_face_network import build_network

        path = None if self.options.weights == RANDOM else require(self.options.weights).path
        return build_network(path, self._order())

    def scale(self, images: Tensor) -> Tensor:
        """Subtract the mean colour from 0..255, or scale to -1..1."""
        if self.options.scaling == "symmetric":
            return images / 127.5 - 1
        return images - images.new_tensor(MEAN_RGB).view(3, 1, 1)

    def forward(self, network: nn.Module, images: Tensor) -> Tensor:
        """Compute descriptors (row, 4096)."""
        return network(images, self.options.layer)

    def _order(self) -> Order:
        if self.options.channels == "auto":
            return "bgr" if self.options.weights == "VGG_FACE.t7" else "rgb"
        return self.options.channels
