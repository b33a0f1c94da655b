"""Input fusion patch by patch: the whole spectrogram behind every patch of the image (document 001, future work).

The audio image is resized to the size of a patch and tiled over the grid of patches; the tiles are further channels
of the vision image. An encoder whose first layer reads patches one by one (`vit`, `pt_vit`, and `videomae` frame by
frame) then reads all of the audio together with each part of the face, where images side by side put them into
different patches. For encoders without patches it is a smaller spectrogram, many times over.

`patch_px` must be the encoder's. Patches start at the upper left; where the last ones are cut off, so are their
tiles, and no tile is larger than the image.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.models.modules import InputFusion, any_frame
from affectstore.models.spec import FusionSpec, ImageShape, JoinOptions

TILED = "audio"

SPEC = FusionSpec(
    version=1,
    summary="the spectrogram behind every patch of the image",
    needs="inputs",
    paper="Document 001, future work",
    axis="channel",
)


class Options(JoinOptions):
    """Options of `replicated`."""

    patch_px: int = Field(default=16, ge=1, description="Height and width of the encoder's patches, in pixels.")

    def problem(self, modalities: tuple[str, ...], depths: Mapping[str, int]) -> str | None:
        """Reason why there is no spectrogram to replicate, or None."""
        if TILED in modalities:
            return None
        return f"fusion 'replicated' tiles the image of {TILED}; the modalities are {', '.join(modalities)}"

    def join_shapes(self, shapes: Mapping[str, ImageShape]) -> ImageShape:
        """Shape of the joined input: channels add up.

        Raises:
            ConfigError: There is no audio to replicate.
        """
        if reason := self.problem(tuple(shapes), {}):
            raise ConfigError(reason)
        first = next(iter(shapes.values()))
        return first.model_copy(update={"channels": sum(shape.channels for shape in shapes.values())})


class ReplicatedFusion(InputFusion):
    """Tile the audio image over the patches and concatenate it along the channel axis."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.patch_px = options.patch_px

    def forward(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Concatenate values (clip, channel, ...) on axis 1; the mask is True where any modality has the frame."""
        parts = [self._tile(x) if modality == TILED else x for modality, x in values.items()]
        return torch.cat(parts, dim=1), any_frame(masks)

    def _tile(self, images: Tensor) -> Tensor:
        """Shrink each image (..., height, width) to a patch and repeat it to its former size."""
        height, width = images.shape[-2:]
        size = min(self.patch_px, height), min(self.patch_px, width)
        flat = images.reshape(-1, 1, height, width)
        tile = F.interpolate(flat, size=size, mode="bilinear", antialias=True, align_corners=False)
        tiles = tile.repeat(1, 1, -(-height // size[0]), -(-width // size[1]))[..., :height, :width]
        return tiles.reshape(images.shape)


build = ReplicatedFusion
