"""A modality gated by the others (Kiela et al. 2018, "Efficient Large-Scale Multi-Modal Classification").

logits = W (sigmoid(U u) * V v): the paper's gated fusion, in which one modality attends over the other, with the
biases that published baselines give each layer. Ours: several other modalities are joined to one u; the width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="one modality times a gate that the others open", needs="vector")


class Options(Settings):
    """Options of `gated`."""

    width: int = Field(default=128, ge=1, description="Length of the gate and of what it is multiplied with.")
    gated: Literal["first", "last"] = Field(
        default="last", description="Which of the cell's modalities passes the gate that the others open."
    )


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """The gate, the projection of what passes it, and the classifier."""
    from torch import nn

    from affectstore.models.fusions._split_off import split_off

    size, others = split_off(sizes, options.gated)
    return nn.ModuleDict(
        {
            "gate": nn.Linear(sum(others), options.width),
            "pass": nn.Linear(size, options.width),
            "classify": nn.Linear(options.width, classes),
        }
    )


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _criterion: Criterion | None, options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    import torch

    from affectstore.models.fusions._split_off import split_off

    vector, others = split_off(vectors, options.gated)
    gate = torch.sigmoid(weights["gate"](torch.cat(others, dim=1)))
    return Output(weights["classify"](gate * weights["pass"](vector)), {})
