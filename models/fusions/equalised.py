"""Concatenation of vectors of one dimension (document 004, architecture 3).

The longer vector is projected to the dimension of the shorter one by a small MLP, then the vectors are joined and a
three-layer MLP classifies them. The document states no sizes: those of `blocks/mlp.py` and `hidden_dims` are ours;
with more than two modalities, each that is longer than the shortest has an MLP. Without the equalisation it is
`concat` with hidden layers (architecture 1).
"""

from collections.abc import Mapping

import torch

from affectstore.models.blocks.mlp import MatchDims, mlp
from affectstore.models.blocks.options import MatchDimsOptions
from affectstore.models.modules import Encoded, Fusion, FusionContext, Output, vectors
from affectstore.models.spec import FusionSpec

SPEC = FusionSpec(
    version=1,
    summary="vectors of one dimension joined, then a three-layer MLP",
    needs="vector",
    paper="Document 004, architecture 3",
)

Options = MatchDimsOptions


class Equalised(Fusion):
    """Project the vectors to one dimension, concatenate and classify them."""

    def __init__(self, dims: Mapping[str, int], num_classes: int, options: Options) -> None:
        super().__init__()
        dim = options.target_dim(dims)
        # Initialised first, registered last: seeds and the norm of all gradients depend on these orders.
        classifier = mlp(len(dims) * dim, options.hidden_dims, num_classes)
        self.match = MatchDims(dims, dim)
        self.classifier = classifier

    def forward(self, encoded: Mapping[str, Encoded], context: FusionContext) -> Output:
        """Vectors (clip, dim) to logits (clip, class)."""
        return Output(self.classifier(torch.cat(list(self.match(vectors(encoded)).values()), dim=1)))


build = Equalised
