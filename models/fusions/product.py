"""Late fusion by the product of the modalities' probabilities (the product rule of Kittler et al. 1998).

p(class | all) is proportional to the product over modalities of p(class | modality), which holds where the modalities
are independent given the class and classes are equally frequent: the rule's division by the priors is left out, since
labels are close to balanced in the corpora here. Each modality is trained as if it were alone (`_scores.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from affectstore.config.base import Settings
from affectstore.models.base import Criterion, FusionSpec, Output

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = FusionSpec(
    version=1, summary="late fusion: product of the modalities' probabilities", needs="vector", leaves_out=True
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
    """Vectors (clip, feature) to logits (clip, class), logarithms of products, and each modality's own loss."""
    import torch

    from affectstore.models.fusions._scores import late

    return late(weights, vectors, criterion, lambda own: torch.stack(list(own.values())).sum(dim=0), present, 0.0)


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _options: Options) -> dict[str, Tensor]:
    """Modality -> log-probabilities (clip, class) of its own classifier."""
    from affectstore.models.fusions._scores import scores as own

    return own(weights, vectors)
