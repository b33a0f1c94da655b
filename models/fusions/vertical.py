"""Input fusion along the height: pictures lie one above the other, the first modality on top."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.config.base import Settings
from affectstore.models.base import FusionSpec, Given, any_frame

if TYPE_CHECKING:
    from torch import Tensor

SPEC = FusionSpec(version=1, summary="inputs one above the other", needs="inputs", axis="height")


class Options(Settings):
    """It has none."""


def joined(given: Mapping[str, Given], _options: Options) -> Given:
    """Shape of the joined input: heights add up."""
    first = next(iter(given.values()))
    return first.model_copy(update={"height_px": sum(shape.height_px for shape in given.values())})


def join(values: Mapping[str, Tensor], masks: Mapping[str, Tensor], _options: Options) -> tuple[Tensor, Tensor]:
    """Values (..., height, width) joined on the last axis but one; a frame counts where any modality has it."""
    import torch

    return torch.cat(list(values.values()), dim=-2), any_frame(masks)
