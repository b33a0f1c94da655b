"""Late fusion: the modalities' class probabilities are combined (Kittler et al. 1998, "On Combining Classifiers").

Each modality has a linear layer on its encoder's vector and its own cross-entropy, `own_<modality>`, an auxiliary loss.
The combined logits carry no gradient in training: the classifiers, and with separate weights the encoders, learn what
they would learn alone. The loss of the combined logits then shows in the training loss, and trains nothing.

All sums are sums of logarithms, in single precision at least.
"""

import abc
import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionOptions


def log_probabilities(logits: Tensor) -> Tensor:
    """Logits (clip, class) to log-probabilities, in single precision where they were half."""
    return torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))


def log_mean(log_p: Iterable[Tensor]) -> Tensor:
    """Logarithm of the mean of probabilities, given as log-probabilities (clip, class)."""
    stacked = torch.stack(list(log_p))
    return torch.logsumexp(stacked, dim=0) - math.log(len(stacked))


class LateFusion(Fusion):
    """Base of late fusions: one classifier per modality; subclasses combine their log-probabilities.

    Args:
        dims: Modality -> dimension of its vector.
        num_classes: Number of logits.
    """

    #: Log-probability of every class that replaces those of a modality that a clip lacks.
    missing_log_p: float = -math.inf

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: FusionOptions) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({modality: nn.Linear(dim, num_classes) for modality, dim in dims.items()})

    @abc.abstractmethod
    def combine(self, log_p: Mapping[str, Tensor]) -> Tensor:
        """Log-probabilities (clip, class) by modality to logits (clip, class)."""

    def classify(self, by_modality: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Vectors (clip, dim) by modality to log-probabilities (clip, class) of each modality's own classifier."""
        return {m: log_probabilities(self.heads[m](vector)) for m, vector in by_modality.items()}

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors to combined logits (clip, class) and each classifier's own loss."""
        own = self.classify(vectors(encoded))
        used: Mapping[str, Tensor] = own
        if context.available:
            used = {m: p.where(context.available[m].unsqueeze(1), self.missing_log_p) for m, p in own.items()}
        logits = self.combine(used)
        if context.criterion is None:
            return Output(logits)
        return Output(logits.detach(), {f"own_{modality}": context.criterion(p) for modality, p in own.items()})

    def unimodal_logits(self, encoded: Mapping[str, Encoded], context: FusionContext) -> dict[str, Tensor]:
        """Modality -> log-probabilities (clip, class) of its own classifier."""
        return self.classify(vectors(encoded))
