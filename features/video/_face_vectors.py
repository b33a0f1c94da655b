"""What the extractors that turn each face into a vector have in common."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from affectstore.errors import ClipError, ConfigError
from affectstore.features import base
from affectstore.features.device import device, repeatable
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid
from affectstore.weights.find import require
from affectstore.weights.random import RANDOM, RANDOM_DIGEST

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Faces that go through a network at once: more are slower on a CPU, whose caches they leave.
_BATCH: Mapping[Literal["cpu", "cuda"], int] = {"cpu": 4, "cuda": 64}


class Options(base.Options):
    """Options of every such extractor; each adds `weights`, the name of a file or `random`."""

    every: int = Field(
        default=1, ge=1, description="Take the first face and each such-and-such after it: 12 of 24 a second are 2."
    )


class FaceVectors(base.BaseExtractor):
    """Runs a network on the clip's faces, a batch at a time, on the GPU where there is one.

    Attributes:
        features: length of a vector.
        size_px: side of the pictures that the network takes; faces of another size are scaled.
    """

    features: int
    size_px: int

    def __init__(self, options: Options, upstream: Mapping[str, base.BaseExtractor] | None = None):
        super().__init__(options, upstream)
        self._every = options.every
        # How the faces were stored: their pictures cannot tell RGB from BGR.
        self._colour = getattr(self.upstream["faces"].options, "colour", "rgb")
        if self._colour not in ("rgb", "bgr"):
            raise ConfigError(
                f"{type(self).__module__.rpartition('.')[2]} needs faces in colour, and its faces are "
                f"`colour: {self._colour}`; feed it by `inputs: {{faces: ...}}` with an instance in rgb or bgr"
            )

    @abc.abstractmethod
    def weights(self) -> str:
        """Name of the file of weights, or "random"."""

    @abc.abstractmethod
    def load(self) -> nn.Module:
        """The network with its weights.

        Raises:
            ConfigError: the weights are missing, or are not those of this network.
        """

    @abc.abstractmethod
    def scaled(self, pictures: Tensor) -> Tensor:
        """Pictures (row, 3, size, size) of 0..255, float32 RGB, as the network takes them."""

    @abc.abstractmethod
    def forward(self, network: nn.Module, pictures: Tensor) -> Tensor:
        """Scaled pictures to vectors (row, feature)."""

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: float16 (frame, feature); `times`, where the faces have times of their own."""
        values = ArraySpec("values", "float16", ("frame", "feature"), (self.features,))
        return (values, *(spec for spec in self.upstream["faces"].arrays() if spec.name == "times"))

    def weights_digest(self) -> str:
        """Digest of the file of weights, or "random:0".

        Raises:
            ConfigError: the file is missing, or is not the published one.
        """
        return RANDOM_DIGEST if self.weights() == RANDOM else require(self.weights()).sha256

    def extract(self, clip: base.Clip) -> ClipArrays:
        """A vector for every n-th face, each at the time of its frame.

        Raises:
            ClipError: a vector is not finite, or too large for float16.
        """
        faces = clip.upstream["faces"]
        pictures = faces.arrays["values"][:: self._every]
        arrays = {"values": self._vectors(pictures)}
        if "times" in faces.arrays:
            arrays["times"] = faces.arrays["times"][:: self._every]
        return ClipArrays(arrays, faces.grid and Grid(faces.grid.start, faces.grid.rate / self._every))

    def _vectors(self, pictures: np.ndarray) -> np.ndarray:
        network = self._network
        where = next(network.parameters()).device
        batch = _BATCH["cuda" if where.type == "cuda" else "cpu"]
        vectors = np.empty((len(pictures), self.features), dtype=np.float16)
        with repeatable():
            for first in range(0, len(pictures), batch):
                rows = self._prepared(pictures[first : first + batch])
                given = self.forward(network, self.scaled(rows.to(where).float()))
                largest = float(given.abs().max())
                if not largest <= float(np.finfo(np.float16).max):
                    raise ClipError(f"a vector holds {largest:g}, which float16 cannot: other weights or scaling?")
                vectors[first : first + batch] = given.cpu().numpy()
        return vectors

    def _prepared(self, pictures: np.ndarray) -> Tensor:
        """Stored faces (row, height, width, 3) as uint8 (row, 3, size, size) in RGB.

        They keep their order in memory, the channels last: convolutions take a fifth less time so.
        """
        import torch

        if pictures.shape[1:3] != (self.size_px, self.size_px):
            pictures = np.stack([_resized(picture, self.size_px) for picture in pictures])
        if self._colour == "bgr":
            pictures = pictures[..., ::-1]
        return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)

    @cached_property
    def _network(self) -> Any:
        import torch

        return self.load().to(device()).to(memory_format=torch.channels_last)


def _resized(picture: np.ndarray, size_px: int) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((size_px, size_px), Image.Resampling.BILINEAR))
