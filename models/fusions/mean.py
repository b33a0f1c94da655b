"""Late fusion by the mean of the modalities' probabilities (the sum rule of Kittler et al. 1998, equal priors).

Each modality is trained as if it were alone (`_scores.py`); a softmax of the logits is the mean of their
probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(
    version=1, summary="late fusion: mean of the modalities' probabilities", needs="vector", leaves_out=True
)


class Options(Settings):
    """It has none."""


def weights(sizes: Mapping[str, int], classes: int, _options: Options) -> nn.ModuleDict:
    """A linear layer a modality."""
    from affectstore.models.fusions._scores import heads

    return heads(sizes, classes)


def fuse(
    weights: nn.ModuleDict,
    vectors: Mapping[str, Tensor],
    criterion: Criterion | None,
    _options: Options,
    present: Mapping[str, Tensor],
) -> Output:
    """Vectors (clip, feature) to logits (clip, class) and each modality's own loss."""
    from affectstore.models.fusions._scores import late, mean_of

    return late(weights, vectors, criterion, lambda own: mean_of(own.values()), present, -math.inf)


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _options: Options) -> dict[str, Tensor]:
    """Modality -> log-probabilities (clip, class) of its own classifier."""
    from affectstore.models.fusions._scores import scores as own

    return own(weights, vectors)
