"""Input fusion along time: the frames of one modality follow those of the other. For clips only.

Each modality keeps its own padding, so the joined mask is not one run of frames: padding may lie in the middle.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.modules import InputFusion
from affectstore.models.spec import ClipShape, FusionSpec, ImageShape, JoinOptions

SPEC = FusionSpec(
    version=1, summary="frames of one modality after those of the other", needs="inputs", paper="Ours", axis="frame"
)


class Options(JoinOptions):
    """No options."""

    def join_shapes(self, shapes: Mapping[str, ImageShape]) -> ImageShape:
        """Shape of the joined input: frames add up."""
        clips = [shape for shape in shapes.values() if isinstance(shape, ClipShape)]
        return clips[0].model_copy(update={"frames": sum(shape.frames for shape in clips)})


class TimeFusion(InputFusion):
    """Concatenate clips along the frame axis."""

    def __init__(self, options: Options) -> None:
        super().__init__()

    def forward(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Concatenate values (clip, channel, frame, height, width) and masks (clip, frame) along the frames."""
        return torch.cat(list(values.values()), dim=2), torch.cat(list(masks.values()), dim=1)


build = TimeFusion
