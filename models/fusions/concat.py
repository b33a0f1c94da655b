"""Vector fusion by concatenation: the encoders' vectors one after the other, then one linear layer, or an MLP.

With two `hidden` layers it is architecture 1 of the joint audio-image study on RAVDESS (seed 004): the flattened
outputs of two networks, of unequal length, joined as they are and classified by a three-layer MLP. Its architecture 2
is the same with `audio_lstm` in place of `audio_cnn`. The study states no sizes; `[128, 64]` are those of `equalised`
(its architecture 3), so that the two differ in the equalisation alone:

    {modalities: [audio, vision], encoder: {audio: audio_cnn, vision: image_cnn}, fusion: concat,
     fusion_options: {hidden: [128, 64]}, encoder_options: {audio: {over: coefficients}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output
from affectstore.models.fusions._perceptron import Hidden, perceptron

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="encoded vectors joined, then a linear layer or an MLP", needs="vector")


class Options(Settings):
    """Options of `concat`."""

    hidden: Hidden = Field(
        default=(), description="Hidden layers of the classifier, which has one layer more; none: a linear layer alone."
    )


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.Module:
    """The linear layer on the joined vectors, or the MLP."""
    from torch import nn

    size = sum(sizes.values())
    return perceptron(size, options.hidden, classes) if options.hidden else nn.Linear(size, classes)


def fuse(weights: nn.Module, vectors: Mapping[str, Tensor], _criterion: Criterion | None, _options: Options) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    import torch

    return Output(weights(torch.cat(list(vectors.values()), dim=1)), {})


def scores(weights: nn.Module, vectors: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Modality -> its share of the logits (clip, class), the bias in equal parts (as OGM-GE is published).

    An MLP's logits are no sum of shares: there it is what the classifier makes of the modality with zeros in place of
    all others.
    """
    import torch
    from torch.nn import functional as F

    if options.hidden:
        return {
            m: weights(torch.cat([v if m == other else torch.zeros_like(v) for other, v in vectors.items()], dim=1))
            for m in vectors
        }
    layer = cast("nn.Linear", weights)
    parts = layer.weight.split([vector.shape[1] for vector in vectors.values()], dim=1)
    bias = layer.bias / len(vectors)
    return {m: F.linear(vector, part, bias) for (m, vector), part in zip(vectors.items(), parts, strict=True)}
