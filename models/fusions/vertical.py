"""Input fusion along the height: images stand one above the other, the first modality on top.

The code of document 001 joins the inputs of its pretrained ViT like this.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.modules import InputFusion, any_frame
from affectstore.models.spec import FusionSpec, ImageShape, JoinOptions

SPEC = FusionSpec(
    version=1,
    summary="inputs one above the other",
    needs="inputs",
    paper="Document 001, as the code of its pretrained ViT runs",
    axis="height",
)


class Options(JoinOptions):
    """No options."""

    def join_shapes(self, shapes: Mapping[str, ImageShape]) -> ImageShape:
        """Shape of the joined input: heights add up."""
        first = next(iter(shapes.values()))
        return first.model_copy(update={"height_px": sum(shape.height_px for shape in shapes.values())})


class VerticalFusion(InputFusion):
    """Concatenate inputs along the height."""

    def __init__(self, options: Options) -> None:
        super().__init__()

    def forward(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Concatenate values (..., height, width) on axis -2; the mask is True where any modality has the frame."""
        return torch.cat(list(values.values()), dim=-2), any_frame(masks)


build = VerticalFusion
