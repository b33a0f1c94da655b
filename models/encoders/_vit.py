"""Layers of a vision transformer (Dosovitskiy et al. 2021) that is trained from scratch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Attention(nn.Module):
    """Multi-head self-attention without biases (Vaswani et al. 2017).

    Args:
        dim: length of each token.
        heads: divides `dim`.
    """

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (clip, token, dim) to the same shape."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Attention and a two-layer perceptron, each added to what it read.

    Args:
        dim: length of each token.
        heads: attention heads.
        mlp: hidden units of the perceptron.
        dropout: after the attention and after both layers of the perceptron.
        norm: layer normalisation "after" each sum (Vaswani et al. 2017) or "before" each branch.
    """

    def __init__(self, dim: int, heads: int, mlp: int, dropout: float, norm: str):
        super().__init__()
        self.norm = norm
        self.attention = nn.Sequential(Attention(dim, heads), nn.Dropout(dropout))
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp, dim), nn.Dropout(dropout)
        )
        self.norms = nn.ModuleList((nn.LayerNorm(dim), nn.LayerNorm(dim)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (clip, token, dim) to the same shape."""
        for norm, branch in zip(self.norms, (self.attention, self.mlp), strict=True):
            tokens = tokens + branch(norm(tokens)) if self.norm == "before" else norm(tokens + branch(tokens))
        return tokens


class ViT(nn.Module):
    """Patches, a class token, learnt positions and blocks; the vector is what became of the class token.

    Args:
        channels, height_px, width_px: shape of each picture.
        patch_px: side of each patch; a picture that is no multiple of it is continued by zeros on the
            right and at the bottom.
        dim, heads, mlp, dropout, norm: see `Block`; the dropout also falls on the embedded patches.
        blocks: how many.
    """

    def __init__(
        self,
        *,
        channels: int,
        height_px: int,
        width_px: int,
        patch_px: int,
        dim: int,
        blocks: int,
        heads: int,
        mlp: int,
        dropout: float,
        norm: str,
    ):
        super().__init__()
        self.patches = nn.Conv2d(channels, dim, patch_px, stride=patch_px)
        self.token = nn.Parameter(torch.randn(1, 1, dim))
        self.positions = nn.Parameter(torch.randn(1, 1 + -(-height_px // patch_px) * -(-width_px // patch_px), dim))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, mlp, dropout, norm) for _ in range(blocks))

    def forward(self, values: Tensor) -> Tensor:
        """Pictures (clip, channel, height, width) to vectors (clip, dim)."""
        patch_px = self.patches.kernel_size[0]
        height_px, width_px = values.shape[-2:]
        values = F.pad(values, (0, -width_px % patch_px, 0, -height_px % patch_px))
        embedded = self.patches(values).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(values), -1, -1), embedded], dim=1)
        tokens = self.dropout(tokens + self.positions)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens[:, 0]
