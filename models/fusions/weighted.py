"""Late fusion by a weighted mean of the modalities' probabilities, the weights fitted on the validation side.

Each modality is trained as if it were alone (`_scores.py`). Then `settle` chooses one weight a modality, not negative
and of sum one, such that the cross-entropy of sum over m of w_m p_m on the validation side is least. That is the
estimate of a mixture's proportions, convex in w. Expectation maximisation (Dempster et al. 1977) climbs to its optimum:
w_m <- w_m g_m, with g_m the mean over clips of p_m / sum w p. The loss is above its least value by at most
max g_m - 1, and it stops where that is below a millionth of a nat, or after 20,000 steps. Until `settle` is called
all weights are equal.
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
    version=1,
    summary="late fusion: mean of the probabilities, weighted on the validation side",
    needs="vector",
    leaves_out=True,
)

_SHARES = "shares"
_LEAST = 1e-12  # of a weight: a modality that is left alone still has a say
_GAP_NATS, _STEPS = 1e-6, 20_000


class Options(Settings):
    """It has none."""


def weights(sizes: Mapping[str, int], classes: int, _options: Options) -> nn.ModuleDict:
    """A linear layer a modality, and a buffer for the weights: `shares` (modality,)."""
    import torch

    from affectstore.models.fusions._scores import heads

    layers = heads(sizes, classes)
    layers.register_buffer(_SHARES, torch.full((len(sizes),), 1 / len(sizes)))
    return layers


def fuse(
    weights: nn.ModuleDict,
    vectors: Mapping[str, Tensor],
    criterion: Criterion | None,
    _options: Options,
    present: Mapping[str, Tensor],
) -> Output:
    """Vectors (clip, feature) to logits (clip, class) and each modality's own loss."""
    import torch

    from affectstore.models.fusions._scores import late

    logs = dict(zip(weights, weights.get_buffer(_SHARES).log(), strict=True))
    return late(
        weights,
        vectors,
        criterion,
        lambda own: torch.logsumexp(torch.stack([logs[modality] + log_p for modality, log_p in own.items()]), dim=0),
        present,
        -math.inf,
    )


def settle(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], labels: Tensor, _options: Options) -> None:
    """Fit the weights to clips that were not trained on.

    Args:
        weights: of `weights`; the buffer `shares` is set.
        vectors: modality -> (clip, feature), of all clips of the validation side.
        labels: int64 (clip,).
    """
    import torch

    from affectstore.models.fusions._scores import scores

    with torch.no_grad():
        own = scores(weights, {modality: vectors[modality] for modality in weights})
        of_label = torch.stack([log_p.gather(1, labels.unsqueeze(1)).squeeze(1) for log_p in own.values()])
        shares = weights.get_buffer(_SHARES)
        shares.copy_(proportions(of_label.double().cpu()))


def proportions(log_p: Tensor) -> Tensor:
    """Proportions (modality,) of the mixture under which clips are most likely.

    Args:
        log_p: float64 (modality, clip): logarithm of what each modality gives the clip's label.
    """
    import torch

    # Only ratios matter, and the largest of each clip is 1: no clip is unlikely under all.
    p = torch.exp(log_p - log_p.max(dim=0).values)
    shares = torch.full((len(p),), 1 / len(p), dtype=p.dtype)
    for _ in range(_STEPS):
        gain = (p / (shares @ p)).mean(dim=1)
        if gain.max() - 1 < _GAP_NATS:
            break
        shares = shares * gain
    return shares.clamp(min=_LEAST)


def scores(weights: nn.ModuleDict, vectors: Mapping[str, Tensor], _options: Options) -> dict[str, Tensor]:
    """Modality -> log-probabilities (clip, class) of its own classifier."""
    from affectstore.models.fusions._scores import scores as own

    return own(weights, vectors)
