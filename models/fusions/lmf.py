"""Low-rank multimodal fusion (Liu et al. 2018, "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors").

A linear layer on the outer product of `tfn`, whose weight tensor is a sum of `rank` outer products of factors, so
that neither is ever formed (equations 5 and 6):

    logits = sum over r of the product over modalities m of W_m^(r) [z_m, 1]

The factors of a modality are one linear layer to (rank, class), its bias the column that meets the appended 1. The
element where all those columns meet is the bias of the logits, so none is added; the authors' code adds one, and
weights the terms of the sum, which the factors can do themselves.

Sizes and rank are those of the published MMSA benchmark (text 128, audio 16, vision 128; rank 3). Ours: the
subnetwork of a modality is its encoder and one linear layer with ReLU.
"""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import nn

from affectstore.models.blocks.mlp import UnimodalProjections
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionOptions, FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="a linear layer of low rank on the outer product of the vectors",
    needs="vector",
    paper="Liu et al. 2018, Efficient Low-rank Multimodal Fusion with Modality-Specific Factors (equations 5 and 6)",
)


class Options(FusionOptions):
    """Options of `lmf`."""

    audio: int = Field(default=16, ge=1, description="Dimension of the hidden vector of audio.")
    vision: int = Field(default=128, ge=1, description="Dimension of the hidden vector of vision.")
    text: int = Field(default=128, ge=1, description="Dimension of the hidden vector of text.")
    rank: int = Field(
        default=3, ge=1, description="Number of products of factors that the weight tensor is the sum of."
    )


class LMF(Fusion):
    """Multiply the modalities' factors and add up the products."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        hidden = {modality: getattr(options, modality) for modality in dims}
        self.rank = options.rank
        # Initialised first, registered last: seeds and the norm of all gradients depend on these orders.
        factors = {m: nn.Linear(dim, options.rank * num_classes) for m, dim in hidden.items()}
        self.project = UnimodalProjections(dims, hidden)
        self.factors = nn.ModuleDict(factors)

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        projected = self.project(vectors(encoded))
        factors = [self.factors[m](z).unflatten(1, (self.rank, -1)) for m, z in projected.items()]
        return Output(torch.stack(factors).prod(dim=0).sum(dim=1))


build = LMF
