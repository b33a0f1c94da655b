"""One modality gated by the others (Kiela et al. 2018, "Efficient Large-Scale Multi-Modal Classification").

logits = W (sigmoid(U u) * V v): the paper's gated fusion, in which one modality attends over the other, with the
biases that published baselines add to each layer. Ours: several other modalities are joined to one u; the size.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from affectstore.models.blocks.options import Place
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, pop_modality, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="one modality multiplied by a gate of the others",
    needs="vector",
    paper="Kiela et al. 2018, Efficient Large-Scale Multi-Modal Classification (gated fusion)",
)


class Options(FusionOptions):
    """Options of `gated`."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "hidden_dim"}

    hidden_dim: int = Field(
        default=128, ge=1, description="Dimension of the gate and of the vector that it multiplies."
    )
    gated: Place = Field(default="last", description="Modality of the cell that is gated by the others.")


class Gated(Fusion):
    """Gate one modality by the others: logits = W (sigmoid(U u) * V v)."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        dim, others = pop_modality(dims, options.gated)
        self.gated = options.gated
        self.gate = nn.Linear(sum(others), options.hidden_dim)
        self.value = nn.Linear(dim, options.hidden_dim)
        self.classifier = nn.Linear(options.hidden_dim, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        vector, others = pop_modality(vectors(encoded), self.gated)
        gate = torch.sigmoid(self.gate(torch.cat(others, dim=1)))
        return Output(self.classifier(gate * self.value(vector)))


build = Gated
