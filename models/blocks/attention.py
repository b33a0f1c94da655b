"""Multi-head attention over padded sequences (Vaswani et al. 2017, "Attention Is All You Need", section 3.2)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.masked import attendable


def padding_mask(mask: Tensor) -> Tensor:
    """Attention mask bool (clip, 1, 1, step): True for valid steps; for a clip without any, all True."""
    return attendable(mask)[:, None, None]


def causal_mask(mask: Tensor) -> Tensor:
    """Attention mask bool (step, step): each step (row) attends to itself and earlier ones; padding comes last."""
    return torch.ones(mask.shape[1], mask.shape[1], dtype=torch.bool, device=mask.device).tril()


class MultiHeadAttention(nn.Module):
    """Multi-head attention, softmax(q k^T / sqrt(dim / heads)) v, and a linear projection of the heads.

    Keys and values share one linear map; `torch.nn.MultiheadAttention` would initialise them in another order.

    Args:
        dim: Dimension of each step.
        heads: Number of heads; divides `dim`.
        dropout: Dropout on the attention weights. Without it they are never stored as a whole, which takes half the
            time and much less memory.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.q_proj = nn.Linear(dim, dim)
        self.kv_proj = nn.Linear(dim, 2 * dim)
        self.out_proj = nn.Linear(dim, dim)

    def forward(self, query: Tensor, context: Tensor, attn_mask: Tensor) -> Tensor:
        """Attend from each step of `query` (clip, step, dim) to those of `context` (clip, step', dim).

        Args:
            query, context: See above.
            attn_mask: bool, broadcast to (clip, head, step, step'): True where a step may attend to another.
        """
        (q,) = self._split_heads(self.q_proj(query), 1)
        k, v = self._split_heads(self.kv_proj(context), 2)
        rate = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, dropout_p=rate)
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def _split_heads(self, projected: Tensor, parts: int) -> Tensor:
        """(clip, step, parts x dim) to (part, clip, head, step, dim of a head)."""
        return projected.unflatten(-1, (parts, self.heads, -1)).permute(2, 0, 3, 1, 4)
