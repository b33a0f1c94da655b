"""ViT (Dosovitskiy et al. 2021) trained from scratch on one image, as in the shared-encoder study (document 001).

The default is the study's published setting on CREMA-D: patches of 16, tokens of 768, 6 blocks, 4 heads, an MLP of
1024, a class token, dropout 0.4. With one channel of 224x224 and a linear layer to 6 classes it has 23,976,198
parameters. The other setting that was tried is `{blocks: 8, heads: 8, dropout: 0.2}`. As in the study, queries, keys,
values and the attention's output have no bias, layer normalisation follows each sum, so that none is needed at the end,
and positions and class token are initialised from a standard normal distribution. `norm: before` is the order of
Dosovitskiy et al. (equations 2 and 3), without their final normalisation.

Images may have any size and any number of channels (a spectrogram replicated over the patches is one more); a patch
that reaches beyond the image is filled with zeros.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.options import heads_divide
from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import EncoderOptions, EncoderSpec, ImageShape

SPEC = EncoderSpec(
    version=1,
    summary="vision transformer from scratch on one image",
    input_kind="image",
    output_kind="vector",
    paper="Dosovitskiy et al. 2021, An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale "
    "(equations 1 to 4)",
)


class Options(EncoderOptions):
    """Options of the vision transformer."""

    renamed: ClassVar[Mapping[str, str]] = {"mlp": "ffn_dim"}

    patch_px: int = Field(default=16, ge=1, description="Side of each patch, in pixels.")
    dim: int = Field(default=768, ge=1, description="Dimension of each token, and of the vector.")
    blocks: int = Field(default=6, ge=1, description="Transformer blocks.")
    heads: int = Field(default=4, ge=1, description="Attention heads; they divide `dim`.")
    ffn_dim: int = Field(default=1024, ge=1, description="Hidden units of each block's MLP.")
    dropout: float = Field(default=0.4, ge=0, lt=1, description="Dropout on the embedded patches and in the blocks.")
    norm: Literal["after", "before"] = Field(
        default="after", description="Layer normalisation after each sum, or before each branch."
    )

    _heads_divide = heads_divide("dim")


class SelfAttention(nn.Module):
    """Multi-head self-attention without biases (Vaswani et al. 2017, equation 1).

    Args:
        dim: Dimension of each token.
        heads: Number of heads; divides `dim`.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (clip, token, dim) to the same shape."""
        query, key, value = self.qkv(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


class ViTBlock(nn.Module):
    """Self-attention and a two-layer MLP with GELU, each with a residual connection.

    Args:
        dim: Dimension of each token.
        heads: Attention heads.
        ffn_dim: Hidden units of the MLP.
        dropout: Dropout after the attention and after both layers of the MLP.
        norm: Layer normalisation "after" each sum (Vaswani et al. 2017) or "before" each branch.
    """

    def __init__(self, dim: int, heads: int, ffn_dim: int, dropout: float, norm: Literal["after", "before"]) -> None:
        super().__init__()
        self.norm = norm
        self.attention = nn.Sequential(SelfAttention(dim, heads), nn.Dropout(dropout))
        self.mlp = nn.Sequential(
            nn.Linear(dim, ffn_dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(ffn_dim, dim), nn.Dropout(dropout)
        )
        self.norms = nn.ModuleList((nn.LayerNorm(dim), nn.LayerNorm(dim)))

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (clip, token, dim) to the same shape."""
        for norm, branch in zip(self.norms, (self.attention, self.mlp), strict=True):
            tokens = tokens + branch(norm(tokens)) if self.norm == "before" else norm(tokens + branch(tokens))
        return tokens


class ViT(Encoder):
    """Encode an image as its class token after the last block (Dosovitskiy et al. 2021, equations 1 to 4)."""

    def __init__(self, shape: ImageShape, options: Options) -> None:
        super().__init__()
        dim = self.output_dim = options.dim
        patch_px = self.patch_px = options.patch_px
        num_patches = -(-shape.height_px // patch_px) * -(-shape.width_px // patch_px)
        self.patches = nn.Conv2d(shape.channels, dim, patch_px, stride=patch_px)
        self.class_token = nn.Parameter(torch.randn(1, 1, dim))
        self.positions = nn.Parameter(torch.randn(1, 1 + num_patches, dim))
        self.dropout = nn.Dropout(options.dropout)
        self.blocks = nn.ModuleList(
            ViTBlock(dim, options.heads, options.ffn_dim, options.dropout, options.norm) for _ in range(options.blocks)
        )

    def forward(self, values: Tensor, mask: Tensor) -> Encoded:
        """Images (clip, channel, height, width) to vectors (clip, output_dim)."""
        height_px, width_px = values.shape[-2:]
        values = F.pad(values, (0, -width_px % self.patch_px, 0, -height_px % self.patch_px))
        embedded = self.patches(values).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(values), -1, -1), embedded], dim=1)
        tokens = self.dropout(tokens + self.positions)
        for block in self.blocks:
            tokens = block(tokens)
        return Encoded(tokens[:, 0])


build = ViT
