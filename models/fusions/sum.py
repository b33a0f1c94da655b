"""Summation: a linear layer a modality, and what they say is added.

As the baseline of work on balancing modalities has it (Peng et al. 2022, "Balanced Multimodal Learning via
On-the-fly Gradient Modulation"): logits = sum over modalities of W_m x_m + b_m. The functions it can be are those
of `concat`; here the modalities' shares are apart. `width` (ours) adds hidden vectors tanh(W_m x_m + b_m) in place of
logits, then one linear layer: `gmu` without its gates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="each modality's logits (or hidden vectors) added", needs="vector")


class Options(Settings):
    """Options of `sum`."""

    width: int | None = Field(
        default=None,
        ge=1,
        description="Length of the hidden vectors that are added before one linear layer; none: logits are added.",
    )


def weights(sizes: Mapping[str, int], classes: int, options: Options) -> nn.ModuleDict:
    """A linear layer a modality; for hidden vectors one more on their sum."""
    from torch import nn

    out = options.width or classes
    layers: dict[str, nn.Module] = {modality: nn.Linear(size, out) for modality, size in sizes.items()}
    return nn.ModuleDict(layers | ({"classify": nn.Linear(out, classes)} if options.width else {}))


def fuse(
    weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _criterion: Criterion | None, options: Options
) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    import torch

    mapped = torch.stack([weights[modality](vector) for modality, vector in vectors.items()])
    if options.width is None:
        return Output(mapped.sum(dim=0), {})
    return Output(weights["classify"](torch.tanh(mapped).sum(dim=0)), {})


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], options: Options) -> dict[str, Tensor]:
    """Modality -> its share of the logits (clip, class); of a layer on the sum, the bias in equal parts."""
    import torch
    from torch.nn import functional as F

    mapped = {modality: weights[modality](vector) for modality, vector in vectors.items()}
    if options.width is None:
        return mapped
    layer: Any = weights["classify"]
    return {m: F.linear(torch.tanh(x), layer.weight, layer.bias / len(mapped)) for m, x in mapped.items()}
