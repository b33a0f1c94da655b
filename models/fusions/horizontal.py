"""Input fusion along the width: pictures lie side by side (as written in the shared-encoder study)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.config.base import Settings
from affectstore.models.base import FusionSpec, Given, any_frame

if TYPE_CHECKING:
    from torch import Tensor

SPEC = FusionSpec(version=1, summary="inputs side by side", needs="inputs", axis="width")


class Options(Settings):
    """It has none."""


def joined(given: Mapping[str, Given], _options: Options) -> Given:
    """Shape of the joined input: widths add up."""
    first = next(iter(given.values()))
    return first.model_copy(update={"width_px": sum(shape.width_px for shape in given.values())})


def join(values: Mapping[str, Tensor], masks: Mapping[str, Tensor], _options: Options) -> tuple[Tensor, Tensor]:
    """Values (..., height, width) joined on the last axis; a frame counts where any modality has it."""
    import torch

    return torch.cat(list(values.values()), dim=-1), any_frame(masks)
