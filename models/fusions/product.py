"""Late fusion by the product of the modalities' probabilities (product rule of Kittler et al. 1998).

p(class | all) is proportional to the product over modalities of p(class | modality), which holds where the modalities
are independent given the class and classes are equally frequent: the rule's division by the priors is left out, since
labels are close to balanced in the corpora here. Each modality is trained as if it were alone (see `blocks/late.py`).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from affectstore.models.blocks.late import LateFusion
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="late fusion: product of the modalities' probabilities",
    needs="vector",
    paper="Kittler et al. 1998, On Combining Classifiers (product rule)",
    handles_missing=True,
)


class Options(FusionOptions):
    """No options."""


class Product(LateFusion):
    """Multiply the probabilities of the modalities that a clip has."""

    missing_log_p = 0.0

    def combine(self, log_p: Mapping[str, Tensor]) -> Tensor:
        """Logarithm of the products, (clip, class)."""
        return torch.stack(list(log_p.values())).sum(dim=0)


build = Product
