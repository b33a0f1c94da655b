"""Input fusion patch by patch: the whole spectrogram lies behind every patch of the picture (seed 001's next steps).

The audio picture is resized to the size of a patch and tiled over the grid of patches; the tiles are further channels
of the vision picture. An encoder whose first layer reads patches one by one (`vit`, `pt_vit`, and `videomae` frame by
frame) then sees all of the sound together with each part of the face, where pictures side by side put them into
different patches. For encoders without patches it is a smaller spectrogram, many times over.

`patch_px` must be the encoder's. Patches start at the upper left; where the last ones are cut off, so are their
tiles, and no tile is larger than the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.errors import ConfigError
from affectstore.models.base import FusionSpec, Given, any_frame

if TYPE_CHECKING:
    from torch import Tensor

TILED = "audio"

SPEC = FusionSpec(
    version=1, summary="the spectrogram behind every patch of the picture", needs="inputs", axis="channel"
)


class Options(Settings):
    """Options of `replicated`."""

    patch_px: int = Field(default=16, ge=1, description="Height and width of the encoder's patches, in pixels.")


def check(modalities: tuple[str, ...], _options: Options, _depths: Mapping[str, int]) -> str:
    """Why nothing of these modalities can be replicated, or ''."""
    if TILED in modalities:
        return ""
    return f"fusion 'replicated' tiles the picture of {TILED}; the modalities are {', '.join(modalities)}"


def joined(given: Mapping[str, Given], options: Options) -> Given:
    """Shape of the joined input: channels add up.

    Raises:
        ConfigError: there is no sound to replicate.
    """
    if reason := check(tuple(given), options, {}):
        raise ConfigError(reason)
    first = next(iter(given.values()))
    return first.model_copy(update={"channels": sum(shape.channels for shape in given.values())})


def join(values: Mapping[str, Tensor], masks: Mapping[str, Tensor], options: Options) -> tuple[Tensor, Tensor]:
    """Values (clip, channel, ..., height, width) joined on axis 1; a frame counts where any modality has it."""
    import torch

    parts = [_tiled(x, options.patch_px) if modality == TILED else x for modality, x in values.items()]
    return torch.cat(parts, dim=1), any_frame(masks)


def _tiled(pictures: Tensor, patch_px: int) -> Tensor:
    """Each picture (..., height, width) shrunk to a patch and repeated to the size it had."""
    from torch.nn import functional as F

    height, width = pictures.shape[-2:]
    size = min(patch_px, height), min(patch_px, width)
    flat = pictures.reshape(-1, 1, height, width)
    tile = F.interpolate(flat, size=size, mode="bilinear", antialias=True, align_corners=False)
    tiles = tile.repeat(1, 1, -(-height // size[0]), -(-width // size[1]))[..., :height, :width]
    return tiles.reshape(pictures.shape)
