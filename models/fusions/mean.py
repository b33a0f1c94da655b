"""Late fusion by the mean of the modalities' probabilities (sum rule of Kittler et al. 1998, with equal priors).

Each modality is trained as if it were alone (see `blocks/late.py`); a softmax of the logits is the mean of their
probabilities.
"""

from collections.abc import Mapping

from torch import Tensor

from affectstore.models.blocks.late import LateFusion, log_mean
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="late fusion: mean of the modalities' probabilities",
    needs="vector",
    paper="Kittler et al. 1998, On Combining Classifiers (sum rule)",
    handles_missing=True,
)


class Options(FusionOptions):
    """No options."""


class Mean(LateFusion):
    """Average the probabilities of the modalities that a clip has."""

    def combine(self, log_p: Mapping[str, Tensor]) -> Tensor:
        """Logarithm of the mean probabilities, (clip, class)."""
        return log_mean(log_p.values())


build = Mean
