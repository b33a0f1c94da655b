"""The combinator of the ladder network (Rasmus et al. 2015, "Semi-Supervised Learning with Ladder Networks", eq. 2).

    z^ = (z~ - mu(u)) v(u) + mu(u)
    mu(u) = a1 sigmoid(a2 u + a3) + a4 u + a5        v(u) = a6 sigmoid(a7 u + a8) + a9 u + a10

z~ is what the skip connection brings, u what the decoder's layer above says; a1 to a10 are learnt for each
feature. As published all start at 0 but a2 = a7 = 1: at first nothing is restored, and only what stands before a
sigmoid or alone has a gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def combine(noisy: Tensor, above: Tensor, a: Tensor) -> Tensor:
    """The restored (..., feature) of what the skip connection and the layer above bring; `a` is (10, feature)."""
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = a.unbind()
    mean = a1 * torch.sigmoid(a2 * above + a3) + a4 * above + a5
    share = a6 * torch.sigmoid(a7 * above + a8) + a9 * above + a10
    return (noisy - mean) * share + mean


class Combinator(nn.Module):
    """`combine` with its weights.

    Args:
        features: columns of the layer that is restored.
    """

    def __init__(self, features: int):
        super().__init__()
        a = torch.zeros(10, features)
        a[[1, 6]] = 1.0
        self.a = nn.Parameter(a)

    def forward(self, noisy: Tensor, above: Tensor) -> Tensor:
        """Two tensors (..., feature) to the restored one, (..., feature)."""
        return combine(noisy, above, self.a)
