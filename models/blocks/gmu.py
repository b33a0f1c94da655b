"""Gated multimodal unit (Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion")."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class GatedMultimodalUnit(nn.Module):
    """Sum of the modalities' hidden vectors, each element weighted by a gate: h = sum over m of z_m * tanh(W_m x_m +
    b_m).

    For two modalities (equations of section 3.1) one gate z and its complement 1 - z; for more (figure 2a) each
    modality has a gate of its own, z_m = sigmoid(W_zm [x_1, ..., x_M] + b_zm), and gates need not sum to one.

    Args:
        dims: Modality -> dimension of its vector.
        hidden_dim: Dimension of h.
    """

    def __init__(self, dims: Mapping[str, int], hidden_dim: int) -> None:
        super().__init__()
        gates = 1 if len(dims) == 2 else len(dims)
        self.hidden = nn.ModuleDict({modality: nn.Linear(dim, hidden_dim) for modality, dim in dims.items()})
        self.gate = nn.Linear(sum(dims.values()), gates * hidden_dim)

    def forward(self, vectors: Mapping[str, Tensor]) -> Tensor:
        """Vectors (..., dim) of each modality, of a clip or of each step, to (..., hidden_dim)."""
        hidden = torch.stack([torch.tanh(self.hidden[m](vector)) for m, vector in vectors.items()], dim=-2)
        gates = torch.sigmoid(self.gate(torch.cat(list(vectors.values()), dim=-1)))
        gates = gates.unflatten(-1, (-1, hidden.shape[-1]))
        if len(vectors) == 2:
            gates = torch.cat([gates, 1 - gates], dim=-2)
        return (gates * hidden).sum(dim=-2)
