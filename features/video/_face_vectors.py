"""Base class of extractors that compute one vector per face."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from affectstore.errors import ClipError, ConfigError
from affectstore.features import base
from affectstore.features.device import default_device, deterministic_inference
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.timeline import Grid
from affectstore.weights.find import require
from affectstore.weights.random import RANDOM, RANDOM_DIGEST

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Batch size of the network: larger batches are slower on a CPU, whose caches they exceed.
_BATCH: Mapping[Literal["cpu", "cuda"], int] = {"cpu": 4, "cuda": 64}


class Options(base.Options):
    """Options of every such extractor; each adds `weights`, the name of a file or `random`."""

    every: int = Field(
        default=1,
        ge=1,
        description="Take every n-th face, from the first on: 12 of 24 per second leaves 2.",
    )


class FaceVectorExtractor(base.BaseExtractor):
    """A network applied to the clip's faces, batch by batch, on the GPU where there is one.

    Attributes:
        output_dim: Length of a vector.
        size_px: Side of the network's input; faces of another size are scaled.
    """

    output_dim: int
    size_px: int

    def __init__(self, options: Options, upstream: Mapping[str, base.BaseExtractor] | None = None):
        super().__init__(options, upstream)
        self._every = options.every
        # RGB and BGR cannot be told from the stored images.
        self._colour = getattr(self.upstream["faces"].options, "colour", "rgb")
        if self._colour not in ("rgb", "bgr"):
            raise ConfigError(
                f"{type(self).__module__.rpartition('.')[2]} needs faces in colour, and its faces are "
                f"`colour: {self._colour}`; feed it by `inputs: {{faces: ...}}` with an instance in rgb or bgr"
            )

    @abc.abstractmethod
    def weights(self) -> str:
        """Name the file of weights, or "random"."""

    @abc.abstractmethod
    def load(self) -> nn.Module:
        """Load the network with its weights.

        Raises:
            ConfigError: The weights are missing, or belong to another network.
        """

    @abc.abstractmethod
    def scale(self, images: Tensor) -> Tensor:
        """Scale images (row, 3, size, size) of 0..255, float32 RGB, to the network's range."""

    @abc.abstractmethod
    def forward(self, network: nn.Module, images: Tensor) -> Tensor:
        """Compute vectors (row, feature) of scaled images."""

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: float16 (frame, feature); `times`, if the faces have times of their own."""
        values = ArraySpec("values", "float16", ("frame", "feature"), (self.output_dim,))
        return (values, *(spec for spec in self.upstream["faces"].arrays() if spec.name == "times"))

    def weights_digest(self) -> str:
        """Compute the digest of the file of weights; "random:0" for random ones.

        Raises:
            ConfigError: The file is missing, or is not the published one.
        """
        return RANDOM_DIGEST if self.weights() == RANDOM else require(self.weights()).sha256

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute a vector for every n-th face, each at the time of its frame.

        Raises:
            ClipError: A vector is not finite, or too large for float16.
        """
        faces = clip.upstream["faces"]
        images = faces.arrays["values"][:: self._every]
        arrays = {"values": self._vectors(images)}
        if "times" in faces.arrays:
            arrays["times"] = faces.arrays["times"][:: self._every]
        return ClipArrays(arrays, faces.grid and Grid(faces.grid.start, faces.grid.rate / self._every))

    def _vectors(self, images: np.ndarray) -> np.ndarray:
        network = self._network
        where = next(network.parameters()).device
        batch = _BATCH["cuda" if where.type == "cuda" else "cpu"]
        vectors = np.empty((len(images), self.output_dim), dtype=np.float16)
        with deterministic_inference():
            for first in range(0, len(images), batch):
                rows = self._prepare(images[first : first + batch])
                output = self.forward(network, self.scale(rows.to(where).float()))
                largest = float(output.abs().max())
                if not largest <= float(np.finfo(np.float16).max):
                    raise ClipError(f"a vector holds {largest:g}, which float16 cannot: other weights or scaling?")
                vectors[first : first + batch] = output.cpu().numpy()
        return vectors

    def _prepare(self, images: np.ndarray) -> Tensor:
        """Convert stored faces (row, height, width, 3) to uint8 (row, 3, size, size) in RGB.

        The memory format stays channels last: convolutions take a fifth less time.
        """
        import torch

        if images.shape[1:3] != (self.size_px, self.size_px):
            images = np.stack([_resize(image, self.size_px) for image in images])
        if self._colour == "bgr":
            images = images[..., ::-1]
        return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)

    @cached_property
    def _network(self) -> Any:
        import torch

        return self.load().to(default_device()).to(memory_format=torch.channels_last)


def _resize(image: np.ndarray, size_px: int) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BILINEAR))
