"""Vision transformer against plain loops and written-out formulas."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from affectstore.models.encoders.vit import SelfAttention, ViT, ViTBlock
from affectstore.models.spec import ENCODERS, ImageShape

VIT = ENCODERS.load("vit")
SMALL = {"patch_px": 4, "dim": 12, "blocks": 2, "heads": 3, "ffn_dim": 10}


def looped(layer: SelfAttention, tokens: Tensor) -> Tensor:
    """Scaled dot-product attention, one clip, head and query at a time."""
    clips, length, dim = tokens.shape
    size = dim // layer.heads
    out = torch.zeros_like(tokens)
    for c in range(clips):
        query, key, value = (layer.qkv.weight[k * dim : (k + 1) * dim] @ tokens[c].T for k in range(3))
        for h in range(layer.heads):
            rows = slice(h * size, (h + 1) * size)
            for i in range(length):
                scores = [float(query[rows, i] @ key[rows, j]) / math.sqrt(size) for j in range(length)]
                total = sum(math.exp(s) for s in scores)
                for j, score in enumerate(scores):
                    out[c, i, rows] += math.exp(score) / total * value[rows, j]
    return out @ layer.out_proj.weight.T


def test_attention_is_that_of_a_plain_loop_and_its_gradient_is_right() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(12, 3).double()
    tokens = torch.randn(2, 5, 12, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(layer(tokens), looped(layer, tokens), rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(layer, tokens.requires_grad_())


@pytest.mark.parametrize("norm", ["after", "before"])
def test_a_block_normalises_where_it_should(norm: str) -> None:
    torch.manual_seed(0)
    block = ViTBlock(12, 3, 10, 0.5, norm).double().eval()
    torch.nn.init.normal_(block.norms[0].bias)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    first, second = block.norms
    attend, mlp = block.attention[0], lambda t: block.mlp[3](torch.nn.functional.gelu(block.mlp[0](t)))
    if norm == "after":
        middle = first(x + attend(x))
        expected = second(middle + mlp(middle))
    else:
        middle = x + attend(first(x))
        expected = middle + mlp(second(middle))
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)


def build(shape: ImageShape, **options: object) -> ViT:
    torch.manual_seed(0)
    return VIT.build(shape, VIT.Options(**(SMALL | options))).eval()


def encode(encoder: ViT, values: Tensor) -> Tensor:
    return encoder(values, torch.ones(len(values), 1, dtype=torch.bool)).vector


def test_a_patch_that_reaches_beyond_the_image_is_filled_with_zeros() -> None:
    encoder = build(ImageShape(channels=1, height_px=10, width_px=14))
    whole = build(ImageShape(channels=1, height_px=12, width_px=16))
    assert {k: v.shape for k, v in encoder.state_dict().items()} == {k: v.shape for k, v in whole.state_dict().items()}
    image = torch.randn(2, 1, 10, 14)
    padded = torch.zeros(2, 1, 12, 16)
    padded[:, :, :10, :14] = image
    assert torch.equal(encode(encoder, image), encode(whole, padded))


def test_positions_tell_patches_apart_and_every_patch_and_channel_counts() -> None:
    encoder = build(ImageShape(channels=3, height_px=8, width_px=8))
    image = torch.randn(1, 3, 8, 8)
    swapped = image.roll(4, dims=3)  # the same patches in other places
    assert not torch.allclose(encode(encoder, image), encode(encoder, swapped))
    with torch.no_grad():
        encoder.positions.fill_(0)
    torch.testing.assert_close(encode(encoder, image), encode(encoder, swapped))
    image.requires_grad_()
    encode(encoder, image).square().sum().backward()
    assert bool((image.grad.unflatten(2, (2, 4)).unflatten(4, (2, 4)).abs().sum(dim=(3, 5)) > 0).all())


def test_dropout_is_for_training_only() -> None:
    encoder = build(ImageShape(channels=1, height_px=8, width_px=8), dropout=0.4)
    image = torch.randn(1, 1, 8, 8)
    assert torch.equal(encode(encoder, image), encode(encoder, image))
    encoder.train()
    assert not torch.equal(encode(encoder, image), encode(encoder, image))


def test_heads_must_divide_the_tokens() -> None:
    with pytest.raises(ValidationError, match="must divide"):
        VIT.Options(dim=10, heads=4)
