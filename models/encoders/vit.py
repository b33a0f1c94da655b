"""ViT (Dosovitskiy et al. 2021), trained from scratch, as in the shared-encoder study on CREMA-D (seed 001).

The default is its published setting: patches of 16, tokens of 768, 6 blocks, 4 heads, a perceptron of
1024, a class token, dropout .4. With one channel of 224x224 and a linear layer to 6 classes that is
23,976,198 parameters. The other setting that was tried is `{blocks: 8, heads: 8, dropout: 0.2}`. As
there, queries, keys, values and the attention's output have no bias, layer normalisation follows each
sum, so that none is needed at the end, and positions and class token start from a standard normal
distribution. `norm: before` is the order of Dosovitskiy et al., without their final normalisation.

Pictures may have any size and any channels (a spectrogram replicated over the patches is one more);
a patch that reaches beyond the picture is continued by zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from affectstore.config.base import Settings
from affectstore.models.base import EncoderSpec, Given
from affectstore.models.layers.heads import heads_divide

if TYPE_CHECKING:
    from torch import Tensor, nn

SPEC = EncoderSpec(version=1, summary="vision transformer from scratch on one picture", takes="image", gives="vector")


class Options(Settings):
    """Options of the vision transformer."""

    patch_px: int = Field(default=16, ge=1, description="Side of each patch, in pixels.")
    dim: int = Field(default=768, ge=1, description="Length of each token, and of the vector.")
    blocks: int = Field(default=6, ge=1, description="Transformer blocks.")
    heads: int = Field(default=4, ge=1, description="Attention heads; they divide `dim`.")
    mlp: int = Field(default=1024, ge=1, description="Hidden units of each block's perceptron.")
    dropout: float = Field(default=0.4, ge=0, lt=1, description="Share of values dropped in training.")
    norm: Literal["after", "before"] = Field(
        default="after", description="Layer normalisation after each sum, or before each branch."
    )

    _heads_divide = heads_divide("dim")


def features(_given: Given, options: Options) -> int:
    """Length of the vector: that of a token."""
    return options.dim


def weights(given: Given, options: Options) -> nn.Module:
    """The network without its classifier."""
    from affectstore.models.encoders._vit import ViT

    return ViT(channels=given.channels, height_px=given.height_px, width_px=given.width_px, **options.model_dump())


def encode(weights: nn.Module, values: Tensor, _mask: Tensor, _options: Options) -> Tensor:
    """Pictures (clip, channel, height, width) to vectors (clip, dim)."""
    return weights(values)


def origin(_options: Options) -> str:
    """What the weights started as."""
    return "random"
