"""Late fusion by a weighted mean of the modalities' probabilities, the weights fitted on the validation subset.

Each modality is trained as if it were alone (see `blocks/late.py`). Then `calibrate` chooses one weight per modality,
not negative and of sum one, so as to minimise the cross-entropy of sum over m of w_m p_m on the validation subset:
the estimate of a mixture's proportions, convex in w. Expectation maximisation (Dempster et al. 1977) climbs to its
optimum: w_m <- w_m g_m, with g_m the mean over clips of p_m / sum w p. The loss is above its minimum by at most max
g_m - 1, and it stops where that is below a millionth of a nat, or after 20,000 steps. Until then all weights are
equal.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.blocks.late import LateFusion
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="late fusion: mean of the probabilities, weighted on the validation subset",
    needs="vector",
    paper="Dempster et al. 1977, Maximum Likelihood from Incomplete Data via the EM Algorithm",
    handles_missing=True,
    calibrates=True,
)

_MIN_PROPORTION = 1e-12  # a modality that a clip has alone still has a weight
_GAP_NATS, _MAX_STEPS = 1e-6, 20_000


class Options(FusionOptions):
    """No options."""


class Weighted(LateFusion):
    """Average the probabilities of the modalities that a clip has, with weights."""

    weights: Tensor

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__(dims, num_classes, options)
        self.register_buffer("weights", torch.full((len(dims),), 1 / len(dims)))

    def combine(self, log_p: Mapping[str, Tensor]) -> Tensor:
        """Logarithm of the weighted mean, (clip, class)."""
        log_weights = dict(zip(self.heads, self.weights.log(), strict=True))
        return torch.logsumexp(torch.stack([log_weights[m] + p for m, p in log_p.items()]), dim=0)

    @torch.no_grad()
    def calibrate(self, vectors: Mapping[str, Tensor], labels: Tensor) -> None:
        """Fit the weights.

        Args:
            vectors: Modality -> (clip, dim), of all clips of the validation subset.
            labels: int64 (clip,).
        """
        own = self.classify({modality: vectors[modality] for modality in self.heads})
        log_p = torch.stack([p.gather(1, labels.unsqueeze(1)).squeeze(1) for p in own.values()])
        self.weights.copy_(proportions(log_p.double().cpu()))


def proportions(log_p: Tensor) -> Tensor:
    """Compute the proportions (modality,) of the mixture under which clips are most likely.

    Args:
        log_p: float64 (modality, clip): log-probability of the clip's label by each modality.
    """
    # Only ratios matter, and the largest of each clip is 1: no clip is unlikely under all.
    p = torch.exp(log_p - log_p.max(dim=0).values)
    weights = torch.full((len(p),), 1 / len(p), dtype=p.dtype)
    for _ in range(_MAX_STEPS):
        gain = (p / (weights @ p)).mean(dim=1)
        if gain.max() - 1 < _GAP_NATS:
            break
        weights = weights * gain
    return weights.clamp(min=_MIN_PROPORTION)


build = Weighted
