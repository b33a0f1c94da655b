"""Crossmodal transformers trained on inputs with gaps (Parthasarathy & Sundaram 2020, "Training Strategies to Handle
Missing Modalities for Audio-Visual Expression Recognition").

In training the visual input of whole clips, or single frames of it, are set to zero at random, so that the network
learns to do without; nothing is taken away when it predicts. Ours: the network is that of `crossmodal`; the
rates; the modality may be another one, and is the last one where there is no vision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.errors import ConfigError
from affectstore.models.base import Criterion, Encoded, FusionSpec, Output
from affectstore.models.fusions import crossmodal

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=2, summary="crossmodal, trained on clips and frames without vision", needs="sequence")

_PUBLISHED = "vision"


class Options(crossmodal.Options):
    """Options of `ablation_trained`."""

    ablated: Literal["audio", "vision", "text"] | None = Field(
        default=None,
        description="The modality with gaps; none: vision, and the last modality where there is no vision.",
    )
    clip_rate: float = Field(default=0.0, ge=0, le=1, description="Probability that a training clip has none of it.")
    frame_rate: float = Field(
        default=0.3, ge=0, le=1, description="Probability that a frame or step of a training clip is set to zero."
    )


def ablated_of(modalities: Iterable[str], options: Options) -> str:
    """The modality with gaps."""
    names = tuple(modalities)
    return options.ablated or (_PUBLISHED if _PUBLISHED in names else names[-1])


def check(modalities: tuple[str, ...], options: Options, _depths: Mapping[str, int]) -> str:
    """Why these modalities cannot have gaps, or ''."""
    if (ablated := ablated_of(modalities, options)) in modalities:
        return ""
    return (
        f"fusion 'ablation_trained' takes {ablated} away in training, and the modalities are {', '.join(modalities)}; "
        "set its option `ablated` to one of them"
    )


def ablate(values: Mapping[str, Tensor], masks: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Inputs of a training batch, one modality's with gaps."""
    import torch

    from affectstore.models.fusions._ablation import blank

    ablated = ablated_of(values, options)
    given, shape = values[ablated], masks[ablated].shape
    clips, frames = (torch.rand(n, device=given.device) for n in ((shape[0], 1), shape))
    return {**values, ablated: blank(given, (clips < options.clip_rate) | (frames < options.frame_rate))}


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """Those of `crossmodal`.

    Raises:
        ConfigError: the modality that shall have gaps is not there.
    """
    if reason := check(tuple(sizes), options, {}):
        raise ConfigError(reason)
    return crossmodal.weights(sizes, classes, options)


def fuse(
    weights: nn.ModuleDict, encoded: Mapping[str, Encoded], criterion: Criterion | None, options: Options
) -> Output:
    """Sequences (clip, step, feature) with their masks to logits (clip, class)."""
    return crossmodal.fuse(weights, encoded, criterion, options)
