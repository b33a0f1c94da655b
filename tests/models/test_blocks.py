"""Blocks of encoders and fusions: max pooling of short axes, transformers with a context, attention heads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.fused_steps import mask_of

from affectstore.models.blocks.convolution import max_pool, pooled_size
from affectstore.models.blocks.embedding import InputEmbedding
from affectstore.models.blocks.transformer import Norm, TransformerEncoder
from affectstore.models.spec import ENCODERS, FUSIONS


@given(lengths=st.lists(st.integers(1, 20), min_size=2, max_size=3), kernel=st.integers(2, 5), times=st.integers(0, 4))
def test_pooled_size_is_the_number_of_values_after_pooling(lengths: list[int], kernel: int, times: int) -> None:
    values = torch.randn(2, 1, *lengths)
    largest = values.amax(dim=tuple(range(1, values.dim())))
    for _ in range(times):
        values = max_pool(values, kernel)
    assert values[0].numel() == pooled_size(tuple(lengths), kernel, times)
    if all(length <= kernel for length in lengths) and times:
        assert torch.equal(values.flatten(), largest)


def transformer(layers: int = 2, norm: Norm = "before") -> TransformerEncoder:
    torch.manual_seed(0)
    built = TransformerEncoder(
        layers, {"dim": 6, "heads": 2, "ffn_dim": 8, "dropout": 0.0, "attention_dropout": 0.0, "norm": norm}
    )
    return built.double().eval()


@pytest.mark.parametrize("norm", ["before", "after"])
def test_padding_of_either_sequence_shows_in_no_layer(norm: Norm) -> None:
    built, mask, read = transformer(norm=norm), mask_of((4, 1, 3)), mask_of((2, 5, 0))
    x, source = torch.randn(3, 4, 6).double(), torch.randn(3, 5, 6).double() * read[..., None]
    x = x * mask[..., None]
    junk = x + 1e3 * ~mask[..., None]
    layers = built(x, mask, (source, read))
    for one, other in zip(layers, built(junk, mask, (source, read)), strict=True):
        assert torch.equal(one, other)
        assert (one[~mask] == 0).all()
    dirty = source + 1e3 * (~read & read.any(dim=1, keepdim=True))[..., None]
    torch.testing.assert_close(built(x, mask, (dirty, read)), layers, rtol=1e-12, atol=1e-12)


def test_another_sequence_is_read_in_every_layer_as_it_was_given() -> None:
    built, mask = transformer(), mask_of((4, 2))
    x, source = torch.randn(2, 4, 6).double(), torch.randn(2, 4, 6).double()
    first, second = built(x, mask, (source, mask))
    allowed = mask[:, None, None]
    by_hand = built.layers[0](x, allowed, source)
    assert torch.equal(first[mask], by_hand[mask])
    assert torch.equal(second[mask], built.norm(built.layers[1](by_hand, allowed, source))[mask])
    assert not torch.equal(second[mask], built(x, mask)[-1][mask])


def test_a_causal_transformer_reads_its_own_sequence() -> None:
    x, mask = torch.randn(2, 3, 6).double(), mask_of((3, 2))
    with pytest.raises(ValueError, match="causal"):
        transformer()(x, mask, (x, mask), causal=True)


@pytest.mark.parametrize("positions", [False, True])
def test_embedded_sequences_are_scaled_and_zero_where_padded(positions: bool) -> None:
    x, mask = torch.randn(2, 3, 4).double(), mask_of((3, 1))
    embedded = InputEmbedding(0.0, positions=positions)(x, mask)
    first = torch.tensor([0.0, 1.0, 0.0, 1.0]).double() * positions  # sines and cosines of step 0
    torch.testing.assert_close(embedded[:, 0], 2 * x[:, 0] + first)
    assert (embedded[~mask] == 0).all()


@pytest.mark.parametrize(
    ("registry", "name", "options", "message"),
    [
        (ENCODERS, "transformer", {"dim": 10, "heads": 4}, r"`heads` \(4\) must divide `dim` \(10\)"),
        (ENCODERS, "auxformer", {"heads": 7}, r"`heads` \(7\) must divide `dim` \(130\)"),
        (ENCODERS, "vit", {"heads": 5}, r"`heads` \(5\) must divide `dim` \(768\)"),
        (ENCODERS, "pt_vit", {"heads": 5}, r"`heads` \(5\) must divide `dim` \(768\)"),
        (ENCODERS, "videomae", {"dim": 100}, r"`heads` \(12\) must divide `dim` \(100\)"),
        (FUSIONS, "attention", {"heads": 3}, r"`heads` \(3\) must divide `dim` \(64\)"),
        (FUSIONS, "ladder", {"crossmodal": {"heads": 4}}, r"`heads` \(4\) must divide `dim` \(130\)"),
    ],
)
def test_heads_that_do_not_divide_the_dimension_are_refused(
    registry: Any, name: str, options: Any, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        registry.load(name).Options(**options)
