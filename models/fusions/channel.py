"""Input fusion along the channel axis: the channels of all images are stacked (document 001, as its code runs)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.modules import InputFusion, any_frame
from affectstore.models.spec import FusionSpec, ImageShape, JoinOptions

SPEC = FusionSpec(
    version=1,
    summary="inputs stacked along the channels",
    needs="inputs",
    paper="Document 001, as its code runs",
    axis="channel",
)


class Options(JoinOptions):
    """No options."""

    def join_shapes(self, shapes: Mapping[str, ImageShape]) -> ImageShape:
        """Shape of the joined input: channels add up."""
        first = next(iter(shapes.values()))
        return first.model_copy(update={"channels": sum(shape.channels for shape in shapes.values())})


class ChannelFusion(InputFusion):
    """Concatenate inputs along the channel axis."""

    def __init__(self, options: Options) -> None:
        super().__init__()

    def forward(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Concatenate values (clip, channel, ...) on axis 1; the mask is True where any modality has the frame."""
        return torch.cat(list(values.values()), dim=1), any_frame(masks)


build = ChannelFusion
