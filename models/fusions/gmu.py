"""Gated multimodal unit (Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion").

For two modalities, with biases as in the acoustic-lexical study on IEMOCAP:

    h_a = tanh(W_a x_a + b_a)    h_l = tanh(W_l x_l + b_l)    z = sigmoid(W_z [x_a, x_l] + b_z)
    h = z * h_a + (1 - z) * h_l

For more, the paper's general form (its figure 2a): each modality has a gate of its own that sees all vectors,
h = sum over m of z_m * h_m, and gates need not sum to one. A linear layer classifies h. The default width is
that study's: vectors of 256, h of 128.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="hidden vectors added, each element weighted by a gate", needs="vector")


class Options(Settings):
    """Options of `gmu`."""

    width: int = Field(default=128, ge=1, description="Length of the hidden vectors and of their sum.")


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """A hidden layer a modality, the gates (one for two modalities, else one each), and the classifier."""
    from torch import nn

    from affectstore.models.fusions._gmu import unit

    return nn.ModuleDict({**unit(sizes, options.width), "classify": nn.Linear(options.width, classes)})


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _criterion: Criterion | None, _options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    from affectstore.models.fusions._gmu import gated

    return Output(weights["classify"](gated(weights, vectors)), {})
