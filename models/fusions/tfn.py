"""Tensor fusion network (Zadeh et al. 2017, "Tensor Fusion Network for Multimodal Sentiment Analysis").

A 1 is appended to each modality's hidden vector z_m, and the outer product of all of them (equation 2) holds every
product of one element of each modality, or of some modalities, or of one alone. An MLP classifies it.

Sizes of the hidden vectors and of the MLP are those of the published MMSA benchmark (text 128, audio 32, vision 128;
two layers of 64). With audio, vision and text the outer product has 33 x 129 x 129 = 549,153 elements and the MLP 35
million parameters; with audio and vision it has 4,257. Ours: the subnetwork of a modality is its encoder and one
linear layer with ReLU.
"""

from collections.abc import Iterable, Mapping
from math import prod
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.mlp import UnimodalProjections, mlp
from affectstore.models.blocks.options import HiddenDims
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="outer product of the vectors, then an MLP",
    needs="vector",
    paper="Zadeh et al. 2017, Tensor Fusion Network for Multimodal Sentiment Analysis (equation 2)",
)


class Options(FusionOptions):
    """Options of `tfn`."""

    renamed: ClassVar[Mapping[str, str]] = {"hidden": "hidden_dims"}

    audio: int = Field(default=32, ge=1, description="Dimension of the hidden vector of audio.")
    vision: int = Field(default=128, ge=1, description="Dimension of the hidden vector of vision.")
    text: int = Field(default=128, ge=1, description="Dimension of the hidden vector of text.")
    hidden_dims: HiddenDims = Field(
        default=(64, 64), description="Hidden layers between the outer product and the logits; none: one linear layer."
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout on the outer product.")


class TFN(Fusion):
    """Classify the outer product of the modalities' hidden vectors."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        hidden = {modality: getattr(options, modality) for modality in dims}
        self.project = UnimodalProjections(dims, hidden)
        self.dropout = nn.Dropout(options.dropout)
        self.classifier = mlp(prod(dim + 1 for dim in hidden.values()), options.hidden_dims, num_classes)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        product = outer(self.project(vectors(encoded)).values())
        return Output(self.classifier(self.dropout(product)))


def outer(vectors: Iterable[Tensor]) -> Tensor:
    """Outer product of vectors (clip, dim), each with a 1 appended: (clip, product of dim + 1), in row-major order."""
    first, *others = (F.pad(vector, (0, 1), value=1.0) for vector in vectors)
    for vector in others:
        first = (first.unsqueeze(2) * vector.unsqueeze(1)).flatten(1)
    return first


build = TFN
