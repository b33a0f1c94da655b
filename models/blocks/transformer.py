"""Transformer layers with self-attention or crossmodal attention.

Self-attention layers are the encoder of Vaswani et al. 2017. With a `context` they are a crossmodal transformer (Tsai
et al. 2019, "Multimodal Transformer for Unaligned Multimodal Language Sequences", equation 4): in every layer the
target's steps attend to the other sequence as it was given. No step attends to padding; where a clip lacks the other
sequence, they attend to its padding, which is zero.
"""

from collections.abc import Callable
from typing import Literal, TypedDict

from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.attention import MultiHeadAttention, causal_mask, padding_mask
from affectstore.models.blocks.batch_stats import add_noise
from affectstore.models.blocks.masked import apply_mask

Norm = Literal["before", "after"]


class LayerSizes(TypedDict):
    """Arguments of a `TransformerLayer`."""

    dim: int
    heads: int
    ffn_dim: int
    dropout: float
    attention_dropout: float
    norm: Norm


class TransformerLayer(nn.Module):
    """Attention and a feed-forward network with ReLU, each with a residual connection.

    Args:
        dim: Dimension of each step.
        heads: Attention heads; divides `dim`.
        ffn_dim: Hidden units of the feed-forward network.
        dropout: Dropout on the hidden units and on the output of each branch.
        attention_dropout: Dropout on the attention weights.
        norm: Layer normalisation "before" each branch, or "after" each sum.
    """

    def __init__(
        self, *, dim: int, heads: int, ffn_dim: int, dropout: float, attention_dropout: float, norm: Norm
    ) -> None:
        super().__init__()
        self.norm = norm
        self.attention = MultiHeadAttention(dim, heads, attention_dropout)
        self.ffn = nn.ModuleList((nn.Linear(dim, ffn_dim), nn.Linear(ffn_dim, dim)))
        self.norms = nn.ModuleList((nn.LayerNorm(dim), nn.LayerNorm(dim)))
        self.dropout = nn.Dropout(dropout)
        for layer in (self.attention.q_proj, self.attention.kv_proj, self.attention.out_proj, *self.ffn):
            _init(layer)

    def forward(self, x: Tensor, attn_mask: Tensor, context: Tensor | None = None) -> Tensor:
        """Sequences (clip, step, dim) to the same shape; the values of padded steps are arbitrary.

        Args:
            x: Sequence that is updated.
            attn_mask: bool, broadcast to (clip, head, step, step'); see `padding_mask` and `causal_mask`.
            context: Sequence (clip, step', dim) that is attended to; None for `x` itself.
        """
        x = self._residual(0, x, lambda query: self._attend(query, attn_mask, context))
        return self._residual(1, x, lambda hidden: self.ffn[1](self.dropout(F.relu(self.ffn[0](hidden)))))

    def _residual(self, k: int, x: Tensor, branch: Callable[[Tensor], Tensor]) -> Tensor:
        norm = self.norms[k]
        if self.norm == "before":
            return x + self.dropout(branch(norm(x)))
        return norm(x + self.dropout(branch(x)))

    def _attend(self, query: Tensor, attn_mask: Tensor, context: Tensor | None) -> Tensor:
        if context is None:
            context = query
        elif self.norm == "before":
            context = self.norms[0](context)
        return self.attention(query, context, attn_mask)


def _init(layer: nn.Module) -> None:
    if isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


class TransformerEncoder(nn.Module):
    """Stacked transformer layers; with normalisation before each branch, one more after the last layer.

    Args:
        layers: Number of layers; 0 outputs none.
        sizes: Arguments of each `TransformerLayer`.
    """

    def __init__(self, layers: int, sizes: LayerSizes) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(**sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(sizes["dim"]) if sizes["norm"] == "before" and layers else nn.Identity()

    def forward(
        self,
        x: Tensor,
        mask: Tensor,
        context: tuple[Tensor, Tensor] | None = None,
        *,
        causal: bool = False,
        noise: float = 0.0,
    ) -> list[Tensor]:
        """Output of each layer, (clip, step, dim), zero where padded; the last one normalised.

        Args:
            x: (clip, step, dim).
            mask: bool (clip, step).
            context: Sequence (clip, step', dim) that is attended to, zero where padded, and its mask; None for `x`
                itself.
            causal: Let no step of `x` attend to later ones; impossible with a context.
            noise: Standard deviation of the noise added to each layer before the next one reads it; see `add_noise`.

        Raises:
            ValueError: Causal attention to a context.
        """
        if causal and context is not None:
            raise ValueError("`causal` orders the steps of one sequence; leave it out where a context is attended to")
        source, source_mask = (None, mask) if context is None else context
        attn_mask = causal_mask(mask) if causal else padding_mask(source_mask)
        outputs = []
        for k, layer in enumerate(self.layers, start=1):
            x = layer(x, attn_mask, source)
            x = add_noise(apply_mask(self.norm(x) if k == len(self.layers) else x, mask), mask, noise)
            outputs.append(x)
        return outputs
