"""OGM-GE (Peng et al. 2022, "Balanced Multimodal Learning via On-the-fly Gradient Modulation").

After each backward pass modalities are compared by how sure they are of the labels: s_m is the sum over the batch of
the probability that modality m alone gives a clip's label, and rho_m = s_m over the mean of the others' s. Where
rho_m > 1, the gradients of that modality's encoder are multiplied by k_m = 1 - tanh(alpha rho_m) (on-the-fly gradient
modulation), and Gaussian noise of each tensor's own standard deviation before that is added (generalisation
enhancement). As published, vectors of weights (biases, normalisation) are left alone, and the fusion too.

Ours: for more than two modalities, the mean of the others; noise only where gradients were damped; matrices as
well as convolutions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from affectstore.models.engine.loss import UNLABELLED

_LEAST = 1e-8  # of a sum of probabilities


def certainty(scores: Mapping[str, Tensor], labels: Tensor) -> Tensor:
    """s_m, float64 (modality,): sums over the clips with labels.

    Args:
        scores: modality -> logits (clip, class) of it alone.
        labels: int64 (clip,).
    """
    labelled = labels != UNLABELLED
    place = labels[labelled].unsqueeze(1)
    return torch.stack(
        [torch.softmax(logits[labelled].detach().double(), dim=1).gather(1, place).sum() for logits in scores.values()]
    )


def coefficients(sums: Sequence[float], alpha: float) -> list[float]:
    """k_m of each s_m; 1 for modalities that are not ahead."""
    ratios = [(len(sums) - 1) * own / max(sum(sums) - own, _LEAST) for own in sums]
    return [1 - math.tanh(alpha * ratio) if ratio > 1 else 1.0 for ratio in ratios]


def modulate(encoder: nn.Module, coefficient: float, generator: torch.Generator) -> None:
    """Damp the gradients of an encoder, and add noise of their own deviation, in place.

    Args:
        encoder: of the modality; its parameters have gradients.
        coefficient: k_m; 1 changes nothing.
        generator: of the noise, on the gradients' device.
    """
    if coefficient == 1:
        return
    for gradient in _gradients(encoder.parameters()):
        noise = torch.randn(gradient.shape, generator=generator, device=gradient.device, dtype=gradient.dtype)
        gradient.copy_(coefficient * gradient + gradient.std() * noise)


def _gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [p.grad for p in parameters if p.grad is not None and p.dim() > 1 and p.numel() > 1]
