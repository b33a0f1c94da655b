"""Crossmodal transformers trained on inputs with gaps (Parthasarathy & Sundaram 2020, "Training Strategies to Handle
Missing Modalities for Audio-Visual Expression Recognition").

In training the visual input of whole clips, or single frames of it, are set to zero at random, so that the network
learns to do without; nothing is taken away when it predicts. Ours: the network is that of `crossmodal`; the
rates; the modality may be another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.errors import ConfigError
from affectstore.models.base import Criterion, Encoded, FusionSpec, Output
from affectstore.models.fusions import crossmodal

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="crossmodal, trained on clips and frames without vision", needs="sequence")


class Options(crossmodal.Options):
    """Options of `ablation_trained`."""

    ablated: Literal["audio", "vision", "text"] = Field(default="vision", description="The modality with gaps.")
    clip_rate: float = Field(default=0.0, ge=0, le=1, description="Probability that a training clip has none of it.")
    frame_rate: float = Field(
        default=0.3, ge=0, le=1, description="Probability that a frame or step of a training clip is set to zero."
    )


def ablate(values: Mapping[str, Tensor], masks: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Inputs of a training batch, one modality's with gaps."""
    import torch

    from affectstore.models.fusions._ablation import blank

    given, shape = values[options.ablated], masks[options.ablated].shape
    clips, frames = (torch.rand(n, device=given.device) for n in ((shape[0], 1), shape))
    return {**values, options.ablated: blank(given, (clips < options.clip_rate) | (frames < options.frame_rate))}


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """Those of `crossmodal`.

    Raises:
        ConfigError: the modality that shall have gaps is not there.
    """
    if options.ablated not in sizes:
        raise ConfigError(
            f"fusion 'ablation_trained' takes {options.ablated} away in training, and the modalities are "
            f"{', '.join(sizes)}; set its option `ablated` to one of them"
        )
    return crossmodal.weights(sizes, classes, options)


def fuse(
    weights: nn.ModuleDict, encoded: Mapping[str, Encoded], criterion: Criterion | None, options: Options
) -> Output:
    """Sequences (clip, step, feature) with their masks to logits (clip, class)."""
    return crossmodal.fuse(weights, encoded, criterion, options)
