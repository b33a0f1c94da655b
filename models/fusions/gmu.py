"""Gated multimodal unit (Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion").

For two modalities, with biases as in document 003 (acoustic and lexical features of IEMOCAP):

    h_a = tanh(W_a x_a + b_a)    h_l = tanh(W_l x_l + b_l)    z = sigmoid(W_z [x_a, x_l] + b_z)
    h = z * h_a + (1 - z) * h_l

For more, the paper's general form (its figure 2a): each modality has a gate of its own that reads all vectors, h =
sum over m of z_m * h_m, and gates need not sum to one. A linear layer classifies h. The default size is that of the
document: vectors of 256, h of 128.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field
from torch import nn

from affectstore.models.blocks.gmu import GatedMultimodalUnit
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="hidden vectors added, each element weighted by a gate",
    needs="vector",
    paper="Arevalo et al. 2017, Gated Multimodal Units for Information Fusion (section 3.1); document 003",
)


class Options(FusionOptions):
    """Options of `gmu`."""

    renamed: ClassVar[Mapping[str, str]] = {"width": "hidden_dim"}

    hidden_dim: int = Field(default=128, ge=1, description="Dimension of the hidden vectors and of their sum.")


class GMU(Fusion):
    """Classify the gated sum of the modalities' hidden vectors."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        self.unit = GatedMultimodalUnit(dims, options.hidden_dim)
        self.classifier = nn.Linear(options.hidden_dim, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        return Output(self.classifier(self.unit(vectors(encoded))))


build = GMU
