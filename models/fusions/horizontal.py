"""Input fusion along the width: images stand side by side (document 001, as its text states)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.modules import InputFusion, any_frame
from affectstore.models.spec import FusionSpec, ImageShape, JoinOptions

SPEC = FusionSpec(
    version=1, summary="inputs side by side", needs="inputs", paper="Document 001, as its text states", axis="width"
)


class Options(JoinOptions):
    """No options."""

    def join_shapes(self, shapes: Mapping[str, ImageShape]) -> ImageShape:
        """Shape of the joined input: widths add up."""
        first = next(iter(shapes.values()))
        return first.model_copy(update={"width_px": sum(shape.width_px for shape in shapes.values())})


class HorizontalFusion(InputFusion):
    """Concatenate inputs along the width."""

    def __init__(self, options: Options) -> None:
        super().__init__()

    def forward(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Concatenate values (..., height, width) on axis -1; the mask is True where any modality has the frame."""
        return torch.cat(list(values.values()), dim=-1), any_frame(masks)


build = HorizontalFusion
