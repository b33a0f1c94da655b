"""One transformer layer (Vaswani et al. 2017, figure 1), within a sequence or from one to another."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.layers.attention import Attention


class Block(nn.Module):
    """Attention and a two-layer perceptron of ReLUs, each added to what it read.

    Args:
        width: of each step.
        heads: divides `width`.
        hidden: units of the perceptron.
        dropout: on the perceptron's hidden units, and on what either branch adds.
        attention_dropout: on the attention's shares.
        norm: layer normalisation "before" each branch, or "after" each sum.
    """

    def __init__(self, *, width: int, heads: int, hidden: int, dropout: float, attention_dropout: float, norm: str):
        super().__init__()
        self.norm = norm
        self.attention = Attention(width, heads, attention_dropout)
        self.perceptron = nn.ModuleList((nn.Linear(width, hidden), nn.Linear(hidden, width)))
        self.norms = nn.ModuleList((nn.LayerNorm(width), nn.LayerNorm(width)))
        self.dropout = nn.Dropout(dropout)
        for layer in (self.attention.asks, self.attention.reads, self.attention.out, *self.perceptron):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, allowed: Tensor, source: Tensor | None = None) -> Tensor:
        """Sequences (clip, step, width) to the same shape; padded steps of `x` get some value or other.

        Args:
            x: what asks, and is added to.
            allowed: bool, broadcast to (clip, head, step, step'): True where a step may read another (`steps_of`,
                `none_ahead`).
            source: what is read, (clip, step', width); `x` itself where there is none.
        """
        x = self._add(0, x, lambda asking: self._attend(asking, allowed, source))
        return self._add(1, x, lambda given: self.perceptron[1](self.dropout(F.relu(self.perceptron[0](given)))))

    def _add(self, k: int, x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
        norm = self.norms[k]
        if self.norm == "before":
            return x + self.dropout(branch(norm(x)))
        return norm(x + self.dropout(branch(x)))

    def _attend(self, asking: Tensor, allowed: Tensor, source: Tensor | None) -> Tensor:
        if source is None:
            source = asking
        elif self.norm == "before":
            source = self.norms[0](source)
        return self.attention(asking, source, allowed)
