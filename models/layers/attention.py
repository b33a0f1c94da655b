"""Multi-head attention (Vaswani et al. 2017, section 3.2) over padded sequences, and who may read whom."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.layers.masked import readable


def steps_of(mask: Tensor) -> Tensor:
    """bool (clip, 1, 1, step): what is no padding may be read; of a clip without any step, all of it."""
    return readable(mask)[:, None, None]


def none_ahead(mask: Tensor) -> Tensor:
    """bool (step, step): each step (row) may read itself and those before it; padding, which comes last, is not."""
    return torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).tril()


class Attention(nn.Module):
    """Multi-head attention: softmax(q k^T / sqrt(width / heads)) v, then a linear layer.

    torch's `nn.MultiheadAttention` holds the same maps under other names and in another order of draws; saved
    networks have these.

    Args:
        width: of each step.
        heads: divides `width`.
        dropout: on the shares; without it they are never held as a whole, which takes half the time and
            much less memory.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.asks = nn.Linear(width, width)
        self.reads = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, asking: Tensor, source: Tensor, allowed: Tensor) -> Tensor:
        """What each asking step (clip, step, width) gathers from the source (clip, step', width).

        Args:
            asking, source: see above.
            allowed: bool, broadcast to (clip, head, step, step'): True where a step may read another.
        """
        (query,) = self._heads(self.asks(asking), 1)
        key, value = self._heads(self.reads(source), 2)
        rate = self.dropout if self.training else 0.0
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=allowed, dropout_p=rate)
        return self.out(found.transpose(1, 2).flatten(2))

    def _heads(self, projected: Tensor, parts: int) -> Tensor:
        """(clip, step, parts x width) as (part, clip, head, step, width of a head)."""
        return projected.unflatten(-1, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4)
