"""Summation: a linear layer per modality, whose outputs are added.

As the baseline of work on balancing modalities (Peng et al. 2022, "Balanced Multimodal Learning via On-the-fly Gradient
Modulation"): logits = sum over modalities of W_m x_m + b_m. It can represent the same functions as `concat`; here the
modalities' terms are separate. `hidden_dim` (ours) adds hidden vectors tanh(W_m x_m + b_m) in place of logits, then one
linear layer: `gmu` without its gates.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="each modality's logits (or hidden vectors) added",
    needs="vector",
    paper="Peng et al. 2022, Balanced Multimodal Learning via On-the-fly Gradient Modulation (baseline)",
)


class Options(FusionOptions):
    """Options of `sum`."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "hidden_dim"}

    hidden_dim: int | None = Field(
        default=None,
        ge=1,
        description="Dimension of the hidden vectors that are added before one linear layer; none: logits are added.",
    )


class Sum(Fusion):
    """Add the modalities' logits, or classify the sum of their hidden vectors."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        output_dim = options.hidden_dim or num_classes
        self.layers = nn.ModuleDict({modality: nn.Linear(dim, output_dim) for modality, dim in dims.items()})
        self.classifier = nn.Linear(output_dim, num_classes) if options.hidden_dim else None

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        mapped = torch.stack(list(self._map(encoded).values()))
        if self.classifier is None:
            return Output(mapped.sum(dim=0))
        return Output(self.classifier(torch.tanh(mapped).sum(dim=0)))

    def unimodal_logits(self, encoded: Mapping[str, Encoded], context: FusionContext) -> dict[str, Tensor]:
        """Modality -> its term of the logits (clip, class); of a layer on the sum, the bias in equal parts."""
        mapped = self._map(encoded)
        if self.classifier is None:
            return mapped
        weight, bias = self.classifier.weight, self.classifier.bias / len(mapped)
        return {modality: F.linear(torch.tanh(x), weight, bias) for modality, x in mapped.items()}

    def _map(self, encoded: Mapping[str, Encoded]) -> dict[str, Tensor]:
        return {modality: self.layers[modality](vector) for modality, vector in vectors(encoded).items()}


build = Sum
