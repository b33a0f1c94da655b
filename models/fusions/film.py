"""Feature-wise linear modulation (Perez et al. 2018, "FiLM: Visual Reasoning with a General Conditioning Layer").

One modality's vector x is scaled and shifted by the others, h = gamma * x + beta, where gamma and beta are linear in
the others' vectors (equations 1 and 2); a linear layer classifies h. As in the paper's section 7.2, 1 is added to the
output for gamma, so that training starts near x itself.

Ours: x is a clip's vector and not a feature map; several other modalities are joined before they modulate.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import nn

from affectstore.models.blocks.options import Place
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, pop_modality, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="one modality scaled and shifted by the others",
    needs="vector",
    paper="Perez et al. 2018, FiLM: Visual Reasoning with a General Conditioning Layer (equations 1 and 2)",
)


class Options(FusionOptions):
    """Options of `film`."""

    modulated: Place = Field(
        default="last", description="Modality of the cell that is scaled and shifted by the others."
    )


class FiLM(Fusion):
    """Scale and shift one modality by the others: logits = W ((1 + gamma) * x + beta)."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        dim, others = pop_modality(dims, options.modulated)
        self.modulated = options.modulated
        self.modulation = nn.Linear(sum(others), 2 * dim)
        self.classifier = nn.Linear(dim, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        vector, others = pop_modality(vectors(encoded), self.modulated)
        scale, shift = self.modulation(torch.cat(others, dim=1)).chunk(2, dim=1)
        return Output(self.classifier((1 + scale) * vector + shift))


build = FiLM
