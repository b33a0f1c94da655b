"""Input fusion along time: the frames of one modality follow those of the other. For clips only.

Each modality keeps its own padding, so the joined mask is not one run of frames: padding may stand
in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.config.base import Settings
from affectstore.models.base import FusionSpec, Given

if TYPE_CHECKING:
    from torch import Tensor

SPEC = FusionSpec(version=1, summary="frames of one modality after those of the other", needs="inputs", axis="frame")


class Options(Settings):
    """It has none."""


def joined(given: Mapping[str, Given], _options: Options) -> Given:
    """Shape of the joined input: frames add up."""
    first = next(iter(given.values()))
    return first.model_copy(update={"frames": sum(shape.frames or 0 for shape in given.values())})


def join(values: Mapping[str, Tensor], masks: Mapping[str, Tensor], _options: Options) -> tuple[Tensor, Tensor]:
    """Values (clip, channel, frame, height, width) and masks (clip, frame), both joined along the frames."""
    import torch

    return torch.cat(list(values.values()), dim=2), torch.cat(list(masks.values()), dim=1)
