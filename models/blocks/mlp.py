"""Multilayer perceptrons on vectors, and vectors brought to chosen lengths."""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from affectstore.models.blocks.options import HiddenDims


def mlp(input_dim: int, hidden_dims: HiddenDims, output_dim: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for hidden_dim in hidden_dims:
        layers += [nn.Linear(input_dim, hidden_dim), nn.ReLU()]
        input_dim = hidden_dim
    return nn.Sequential(*layers, nn.Linear(input_dim, output_dim))


class ResidualHead(nn.Module):
    """Classifier of MulT and AuxFormer: an MLP whose output is added to its input, then a linear layer.

    Args:
        input_dim: Dimension of the vectors.
        hidden_dims: Hidden layers of the MLP.
        num_classes: Number of logits.
        dropout: Dropout on the hidden units.
    """

    def __init__(self, input_dim: int, hidden_dims: HiddenDims, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise((input_dim, *hidden_dims, input_dim)))
        self.dropout, self.classifier = nn.Dropout(dropout), nn.Linear(input_dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Vectors (clip, dim) to logits (clip, class)."""
        *hidden, last = self.layers
        y = x
        for layer in hidden:
            y = self.dropout(torch.relu(layer(y)))
        return self.classifier(x + last(y))


class MatchDims(nn.Module):
    """Project vectors to one dimension, so that no modality outweighs another (document 004, architecture 3).

    There the longer vector goes through "a small MLP" to the dimension of the shorter one; sizes are not stated. Ours:
    one hidden layer of the target dimension. Vectors that have that dimension already pass unchanged.

    Args:
        dims: Modality -> dimension of its vector.
        dim: Target dimension.
    """

    def __init__(self, dims: Mapping[str, int], dim: int) -> None:
        super().__init__()
        self.mlps = nn.ModuleDict({m: mlp(size, (dim,), dim) for m, size in dims.items() if size != dim})

    def forward(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Vectors (clip, any dimension) to vectors (clip, dim)."""
        return {m: self.mlps[m](vector) if m in self.mlps else vector for m, vector in vectors.items()}


class UnimodalProjections(nn.Module):
    """A linear layer with ReLU per modality (the subnetworks of tensor fusion).

    Args:
        dims: Modality -> dimension of its vector.
        hidden_dims: Modality -> dimension of its projection.
    """

    def __init__(self, dims: Mapping[str, int], hidden_dims: Mapping[str, int]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({m: nn.Linear(dim, hidden_dims[m]) for m, dim in dims.items()})

    def forward(self, vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Vectors (clip, dim) to projections (clip, hidden_dim)."""
        return {m: torch.relu(self.layers[m](vector)) for m, vector in vectors.items()}
