"""Vector fusion by concatenation: the encoders' vectors one after the other, then one linear layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(version=1, summary="encoded vectors joined, then a linear layer", needs="vector")


class Options(Settings):
    """It has none."""


def weights(sizes: Mapping[str, int], classes: int, _options: Options) -> nn.Module:
    """The linear layer on the joined vectors."""
    from torch import nn

    return nn.Linear(sum(sizes.values()), classes)


def fuse(weights: nn.Module, vectors: Mapping[str, Tensor], _criterion: Criterion | None, _options: Options) -> Output:
    """Vectors (clip, feature) to logits (clip, class)."""
    import torch

    return Output(weights(torch.cat(list(vectors.values()), dim=1)), {})


def scores(weights: nn.Linear, vectors: Mapping[str, Tensor], _options: Options) -> dict[str, Tensor]:
    """Modality -> its share of the logits (clip, class), the bias in equal parts (as OGM-GE is published)."""
    from torch.nn import functional as F

    parts = weights.weight.split([vector.shape[1] for vector in vectors.values()], dim=1)
    bias = weights.bias / len(vectors)
    return {m: F.linear(vector, part, bias) for (m, vector), part in zip(vectors.items(), parts, strict=True)}
