"""Feature-wise linear modulation (Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer").

One modality's vector x is scaled and shifted by what the others say, h = gamma * x + beta, where gamma and beta
are linear in the others' vectors (equations 1 and 2); a linear layer classifies h. As in the paper's section 7.2,
1 is added to what gives gamma, so that training starts near x itself.

Ours: x is a clip's vector and not a map; several other modalities are joined before they modulate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="one modality scaled and shifted by what the others say", needs="vector")


class Options(Settings):
    """Options of `film`."""

    modulated: Literal["first", "last"] = Field(
        default="last", description="Which of the cell's modalities is scaled and shifted by the others."
    )


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """What gives scale and shift, and the classifier."""
    from torch import nn

    from affectstore.models.fusions._split_off import split_off

    size, others = split_off(sizes, options.modulated)
    return nn.ModuleDict({"modulate": nn.Linear(sum(others), 2 * size), "classify": nn.Linear(size, classes)})


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _criterion: Criterion | None, options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    import torch

    from affectstore.models.fusions._split_off import split_off

    vector, others = split_off(vectors, options.modulated)
    scale, shift = weights["modulate"](torch.cat(others, dim=1)).chunk(2, dim=1)
    return Output(weights["classify"]((1 + scale) * vector + shift), {})
