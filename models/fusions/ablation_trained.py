"""Crossmodal transformers trained on inputs with gaps (Parthasarathy & Sundaram 2020, "Training Strategies to Handle
Missing Modalities for Audio-Visual Expression Recognition").

In training the visual input of whole clips, or single frames of it, are set to zero at random, so that the network
learns to predict without; nothing is set to zero in evaluation. Ours: the network is that of `crossmodal`; the rates;
the modality may be another one, and is the last one where there is no vision.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from affectstore.errors import ConfigError
from affectstore.models.blocks.masked import zero_frames
from affectstore.models.blocks.options import CrossmodalOptions
from affectstore.models.fusions.crossmodal import Crossmodal
from affectstore.models.spec import FusionSpec

SPEC = FusionSpec(
    version=2,
    summary="crossmodal, trained on clips and frames without vision",
    needs="sequence",
    paper="Parthasarathy & Sundaram 2020, Training Strategies to Handle Missing Modalities for Audio-Visual Expression "
    "Recognition",
)

_PUBLISHED = "vision"


class Options(CrossmodalOptions):
    """Options of `ablation_trained`."""

    ablated: Literal["audio", "vision", "text"] | None = Field(
        default=None, description="Modality with gaps; none: vision, and the last modality where there is no vision."
    )
    clip_rate: float = Field(
        default=0.0, ge=0, le=1, description="Probability that a training clip has none of the modality."
    )
    frame_rate: float = Field(
        default=0.3, ge=0, le=1, description="Probability that a frame or step of a training clip is set to zero."
    )

    def ablated_modality(self, modalities: tuple[str, ...]) -> str:
        """Modality with gaps."""
        return self.ablated or (_PUBLISHED if _PUBLISHED in modalities else modalities[-1])

    def problem(self, modalities: tuple[str, ...], depths: Mapping[str, int]) -> str | None:
        """Reason why none of these modalities can have gaps, or None."""
        if (ablated := self.ablated_modality(modalities)) in modalities:
            return None
        return (
            f"fusion 'ablation_trained' takes {ablated} away in training, and the modalities are "
            f"{', '.join(modalities)}; set its option `ablated` to one of them"
        )


class AblationTrained(Crossmodal):
    """Crossmodal transformers with gaps in one modality in training.

    Raises:
        ConfigError: The modality with gaps is not among the modalities.
    """

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        if reason := options.problem(tuple(dims), {}):
            raise ConfigError(reason)
        super().__init__(dims, num_classes, options)
        self.ablated = options.ablated_modality(tuple(dims))
        self.clip_rate, self.frame_rate = options.clip_rate, options.frame_rate

    def mask_inputs(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Set random clips, and random frames or steps, of one modality to zero."""
        value, shape = values[self.ablated], masks[self.ablated].shape
        clips, frames = (torch.rand(size, device=value.device) for size in ((shape[0], 1), shape))
        removed = (clips < self.clip_rate) | (frames < self.frame_rate)
        return {**values, self.ablated: zero_frames(value, removed)}


build = AblationTrained
