"""Tensor fusion network (Zadeh et al. 2017, "Tensor Fusion Network for Multimodal Sentiment Analysis").

A 1 is appended to each modality's hidden vector z_m, and the outer product of all of them (equation 2) holds every
product of one element of each modality, or of some modalities, or of one alone. An MLP classifies it.

Widths of the hidden vectors and of the MLP are those of the published MMSA benchmark (text 128, audio 32, vision
128; two layers of 64). With audio, vision and text the outer product has 33 x 129 x 129 = 549,153 elements and the
MLP 35 million weights; with audio and vision it has 4,257. Ours: the subnetwork of a modality is its encoder and
one rectified linear layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output
from affectstore.models.fusions._perceptron import Hidden

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="outer product of the vectors, then an MLP", needs="vector")


class Options(Settings):
    """Options of `tfn`."""

    audio: int = Field(default=32, ge=1, description="Length of the sound's hidden vector.")
    vision: int = Field(default=128, ge=1, description="Length of the picture's hidden vector.")
    text: int = Field(default=128, ge=1, description="Length of the words' hidden vector.")
    hidden: Hidden = Field(
        default=(64, 64), description="Hidden layers between the outer product and the logits; none: one linear layer."
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Share of the outer product set to zero in training.")


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """A hidden layer a modality, and the MLP on the outer product."""
    from math import prod

    from torch import nn

    from affectstore.models.fusions._perceptron import perceptron
    from affectstore.models.fusions._subnets import subnets

    products = prod(getattr(options, modality) + 1 for modality in sizes)
    return nn.ModuleDict(
        {
            **subnets(sizes, options),
            "dropout": nn.Dropout(options.dropout),
            "classify": perceptron(products, options.hidden, classes),
        }
    )


def outer(vectors: Iterable[Tensor]) -> Tensor:
    """Outer product of vectors (clip, width), each with a 1 appended: (clip, product of widths + 1).

    Element (i, j, ...) of the product stands where row-major order puts it.
    """
    from torch.nn import functional as F

    first, *others = (F.pad(vector, (0, 1), value=1.0) for vector in vectors)
    for vector in others:
        first = (first.unsqueeze(2) * vector.unsqueeze(1)).flatten(1)
    return first


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _criterion: Criterion | None, _options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    from affectstore.models.fusions._subnets import hidden

    product = outer(hidden(weights, vectors).values())
    return Output(weights["classify"](weights["dropout"](product)), {})
