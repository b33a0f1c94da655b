"""Scores: log-probabilities (clip, class) of each modality, and late fusion of them.

In late fusion (decision level, Kittler et al. 1998) each modality has a classifier of its own, and what the
classifiers say is combined. Here each has a linear layer on its encoder's vector and its own cross-entropy,
`own_<modality>`, summed as auxiliary losses. What is combined carries no gradient while training: the
classifiers, and with separate weights the encoders, learn what they would learn alone. The engine's
cross-entropy of the combined logits then shows in the loss, and moves nothing.

All sums are sums of logarithms, in single precision at least.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from affectstore.models.base import Criterion, Output

if TYPE_CHECKING:
    from torch import Tensor, nn


def log_probabilities(logits: Tensor) -> Tensor:
    """Logits (clip, class) to log-probabilities, in single precision where they were half."""
    import torch

    return torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def mean_of(log_p: Iterable[Tensor]) -> Tensor:
    """Logarithm of the mean of probabilities, given as log-probabilities (clip, class)."""
    import torch

    stacked = torch.stack(list(log_p))
    return torch.logsumexp(stacked, dim=0) - math.log(len(stacked))


def heads(sizes: Mapping[str, int], classes: int) -> nn.ModuleDict:
    """Modality -> the linear layer that classifies by it alone."""
    from torch import nn

    return nn.ModuleDict({modality: nn.Linear(size, classes) for modality, size in sizes.items()})


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Modality -> log-probabilities (clip, class) of its own classifier."""
    return {modality: log_probabilities(weights[modality](vector)) for modality, vector in vectors.items()}


def late(
    weights: nn.ModuleDict,
    vectors: Mapping[str, Tensor],
    criterion: Criterion | None,
    combine: Callable[[dict[str, Tensor]], Tensor],
    present: Mapping[str, Tensor],
    unknown: float,
) -> Output:
    """Late fusion: the combined logits, which with a criterion carry no gradient, and each classifier's own loss.

    Args:
        weights, vectors, criterion: as a fusion gets them.
        combine: log-probabilities (clip, class) by modality to logits (clip, class).
        present: modality -> bool (clip,), which clips have it; empty: all have all.
        unknown: log-probability of every class that stands for a classifier that has nothing to say.
    """
    own = scores(weights, vectors)
    heard = {m: log_p.where(present[m].unsqueeze(1), unknown) for m, log_p in own.items()} if present else own
    logits = combine(heard)
    if criterion is None:
        return Output(logits, {})
    return Output(logits.detach(), {f"own_{modality}": criterion(log_p) for modality, log_p in own.items()})
