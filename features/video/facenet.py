"""FaceNet embeddings of faces: Inception-ResNet v1 of facenet-pytorch.

512 numbers of length one (Schroff, Kalenichenko, Philbin 2015, FaceNet; Szegedy et al. 2016,
Inception-v4), from images of 160 x 160 px scaled by (x - 127.5) / 128. The weights were trained on
faces cropped with a margin: `faces: {size_px: 160, margin_px: 14}` is facenet-pytorch's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from affectstore.features import base
from affectstore.features.video import _face_vectors as face_vectors
from affectstore.weights.find import require
from affectstore.weights.random import RANDOM, random_state

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = base.Spec(
    name="facenet",
    version=1,
    summary="FaceNet embeddings of faces, 512 numbers of length one",
    modality="vision",
    needs=("faces",),
    libraries=("torch", "facenet-pytorch", "pillow"),
    gpu=True,
)

_FILES = {"vggface2": "20180402-114759-vggface2.pt", "casia-webface": "20180408-102900-casia-webface.pt"}
#: Number of classes of each file: the size of its last layer, which is loaded and checked but not used.
_PEOPLE = {"vggface2": 8631, "casia-webface": 10575}


class Options(face_vectors.Options):
    """Options of `facenet`."""

    weights: Literal["vggface2", "casia-webface", "random"] = Field(
        default="vggface2",
        description="Corpus that the weights were trained on (`affectstore weights` lists files and sources), "
        "or random: for tests only.",
    )


class Extractor(face_vectors.FaceVectorExtractor):
    """Inception-ResNet v1 applied to faces."""

    options: Options
    output_dim = 512
    size_px = 160

    def weights(self) -> str:
        """Name the file of weights, or "random"."""
        return _FILES.get(self.options.weights, RANDOM)

    def load(self) -> nn.Module:
        """Load the network with the weights that the options name.

        Raises:
            ConfigError: The weights are missing or not the published ones, or facenet-pytorch is not installed.
        """
        import torch

        from affectstore.weights.state import check_state, read_state

        network = _network(_PEOPLE.get(self.options.weights))
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        if self.options.weights == RANDOM:
            state = {name: torch.from_numpy(values) for name, values in random_state(shapes).items()}
        else:
            path = require(self.weights()).path
            state = read_state(path)
            check_state(state, shapes, path)
        network.load_state_dict({name: value.contiguous() for name, value in state.items()}, assign=True)
        network.classify = False
        return network.eval().requires_grad_(False)

    def scale(self, images: Tensor) -> Tensor:
        """Scale to (x - 127.5) / 128."""
        return (images - 127.5) / 128

    def forward(self, network: nn.Module, images: Tensor) -> Tensor:
        """Compute embeddings (row, 512)."""
        return network(images)


def _network(people: int | None) -> Any:
    """Build Inception-ResNet v1 without weights; with the classification layer of the published files."""
    import torch

    require("pnet.pt")  # part of facenet-pytorch; the error explains how to install it
    from facenet_pytorch import InceptionResnetV1

    with torch.device("meta"):
        return InceptionResnetV1(pretrained=None, classify=people is not None, num_classes=people)
