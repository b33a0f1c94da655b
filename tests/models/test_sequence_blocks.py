"""Blocks of sequence encoders against plain loops: statistics, pooling, attention, LSTM, positions, noise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.padded_sequences import DIM, batch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from affectstore.models.blocks import masked
from affectstore.models.blocks.attention import causal_mask, padding_mask
from affectstore.models.blocks.batch_stats import add_noise, batch_mean_var
from affectstore.models.blocks.embedding import sinusoidal_positions
from affectstore.models.blocks.lstm import LSTM
from affectstore.models.blocks.masked import AttentionPool
from affectstore.models.blocks.transformer import LayerSizes, TransformerEncoder, TransformerLayer


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 2), st.integers(0, 99))
def test_statistics_are_those_of_the_real_steps(lengths: list[int], padding: int, seed: int) -> None:
    values, mask = batch(tuple(lengths), 3, seed, max(*lengths, 1, 0) + padding)
    values = values + ~mask[..., None] * 1e3  # junk where it is padded
    real = [values[k, :length].double().numpy() for k, length in enumerate(lengths)]

    def stacked(function: Any) -> Tensor:
        return torch.tensor(np.stack([function(rows) if len(rows) else np.zeros(3) for rows in real])).float()

    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(masked.masked_mean(values, mask), stacked(lambda r: r.mean(0)), **close)
    torch.testing.assert_close(masked.masked_max(values, mask), stacked(lambda r: r.max(0)), **close)
    torch.testing.assert_close(masked.last_valid(values, mask), stacked(lambda r: r[-1]), **close)
    expected = stacked(lambda r: r.std(0)).clamp(min=1e-4)
    torch.testing.assert_close(masked.masked_std(values, mask), expected, rtol=1e-4, atol=2e-4)
    flipped = masked.flip_valid(values, mask)
    for k, length in enumerate(lengths):
        assert torch.equal(flipped[k, :length], values[k, :length].flip(0))
        assert torch.equal(flipped[k, length:], values[k, length:])
    assert torch.equal(masked.flip_valid(flipped, mask), values)
    if sum(lengths):
        centre, variance = batch_mean_var(values, mask)
        rows = np.concatenate(real)
        torch.testing.assert_close(centre, torch.tensor(rows.mean(0)).float(), **close)
        torch.testing.assert_close(variance.sqrt(), torch.tensor(rows.std(0)).float(), **close)


def test_attention_pools_as_a_plain_loop_does() -> None:
    torch.manual_seed(0)
    pool, (values, mask) = AttentionPool(4, 3), batch((5, 1, 3), 4)
    w, b, v = (p.detach().double() for p in (pool.project.weight, pool.project.bias, pool.score.weight[0]))
    for k, length in enumerate((5, 1, 3)):
        e = [float(v @ torch.tanh(w @ values[k, i].double() + b)) for i in range(length)]
        total = sum(math.exp(x) for x in e)
        z = sum(math.exp(e[i]) / total * values[k, i].double() for i in range(length))
        torch.testing.assert_close(pool(values, mask)[k].double(), z, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(pool.weights(values, mask)[k].sum(), torch.tensor(1.0))
        assert (pool.weights(values, mask)[k, length:] == 0).all()


def test_gradients_of_the_attention_pooling() -> None:
    torch.manual_seed(0)
    pool, (values, mask) = AttentionPool(3, 2).double(), batch((4, 1, 2), 3)
    inputs = (values.double().requires_grad_(), *(p for p in pool.parameters()))
    assert torch.autograd.gradcheck(lambda x, *_: pool(x, mask), inputs)


def small_layer(dim: int, ffn_dim: int, norm: str) -> TransformerLayer:
    torch.manual_seed(0)
    sizes = {"dim": dim, "heads": 2, "ffn_dim": ffn_dim, "dropout": 0.0, "attention_dropout": 0.0}
    return TransformerLayer(**sizes, norm=norm).double()


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("crossed", [False, True])
def test_gradients_of_a_transformer_layer(norm: str, crossed: bool) -> None:
    layer = small_layer(4, 3, norm)
    values, mask = batch((4, 1), 4)
    context, context_mask = batch((2, 3), 4, seed=1)
    x, other = values.double().requires_grad_(), context.double().requires_grad_()
    if crossed:
        assert torch.autograd.gradcheck(lambda x, other: layer(x, padding_mask(context_mask), other), (x, other))
    else:
        attn_mask = padding_mask(mask) & causal_mask(mask)
        assert torch.autograd.gradcheck(lambda x: masked.apply_mask(layer(x, attn_mask), mask), (x,))


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("how", ["self", "causal", "crossed"])
def test_a_transformer_layer_equals_a_plain_loop(norm: str, how: str) -> None:
    dim, heads, lengths = 6, 2, (5, 1, 3)
    layer = small_layer(dim, 7, norm).eval()
    for p in layer.parameters():  # biases and scales start at 0 and 1
        nn.init.normal_(p, std=0.5)
    values, mask = batch(lengths, dim)
    read = (2, 4, 3) if how == "crossed" else lengths
    context, context_mask = batch(read, dim, seed=1) if how == "crossed" else (values, mask)
    values, context = values.double(), context.double()
    attn_mask = causal_mask(mask) if how == "causal" else padding_mask(context_mask)
    found = layer(values, attn_mask, context if how == "crossed" else None)
    query, pair = layer.attention.q_proj, layer.attention.kv_proj
    (wq, bq), (wk, wv), (bk, bv) = (query.weight, query.bias), pair.weight.split(dim), pair.bias.split(dim)
    part = dim // heads
    for k, length in enumerate(lengths):
        x, keys = values[k, :length], context[k, : read[k]]
        queries = layer.norms[0](x) if norm == "before" else x
        seen = layer.norms[0](keys) if norm == "before" else keys
        rows = []
        for i in range(length):
            q, parts = wq @ queries[i] + bq, []
            limit = i + 1 if how == "causal" else len(seen)
            for h in range(heads):
                s = slice(h * part, (h + 1) * part)
                scores = torch.stack([(q[s] @ (wk @ seen[j] + bk)[s]) / math.sqrt(part) for j in range(limit)])
                shares = scores.exp() / scores.exp().sum()
                parts.append(sum(shares[j] * (wv @ seen[j] + bv)[s] for j in range(limit)))
            rows.append(layer.attention.out_proj(torch.cat(parts)))
        y = x + torch.stack(rows)
        y = y if norm == "before" else layer.norms[0](y)
        first, second = layer.ffn
        z = y + second(first(layer.norms[1](y) if norm == "before" else y).clamp(min=0))
        z = z if norm == "before" else layer.norms[1](z)
        torch.testing.assert_close(found[k, :length], z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_states_are_those_of_a_packed_sequence(bidirectional: bool) -> None:
    torch.manual_seed(0)
    ours = LSTM(DIM, 5, 2, bidirectional=bidirectional, dropout=0.0)
    theirs = nn.LSTM(DIM, 5, 2, bidirectional=bidirectional, batch_first=True)
    for k, layer in enumerate(ours.layers):
        backward = [("_reverse", layer.backward_lstm)] if bidirectional else []
        for suffix, lstm in (("", layer.forward_lstm), *backward):
            for name, value in lstm.named_parameters():
                getattr(theirs, name.replace("_l0", f"_l{k}{suffix}")).data.copy_(value)
    values, mask = batch((7, 1, 4))
    packed = pack_padded_sequence(values, mask.sum(dim=1), batch_first=True, enforce_sorted=False)
    expected = pad_packed_sequence(theirs(packed)[0], batch_first=True)[0]
    torch.testing.assert_close(ours(values, mask), expected, rtol=1e-5, atol=1e-6)


def test_positions_are_sinusoidal_positions() -> None:
    found = sinusoidal_positions(3, 5, torch.zeros(0))
    for k in range(3):
        for i in range(5):
            angle = k / 10_000 ** (2 * (i // 2) / 5)
            assert found[k, i].item() == pytest.approx(math.sin(angle) if i % 2 == 0 else math.cos(angle), abs=1e-6)
    assert torch.equal(sinusoidal_positions(9, 5, found)[:3], found)


@pytest.mark.parametrize("norm", ["before", "after"])
def test_noise_is_in_units_of_the_standard_deviation_of_each_column(norm: str) -> None:
    torch.manual_seed(0)
    values, mask = batch((400, 300))
    values = values * torch.tensor([1.0, 100.0, 0.01, 0.0, 1.0, 1.0]) + 5 * mask[..., None]
    added = (add_noise(values, mask, 0.3) - values)[mask]
    expected = 0.3 * values[mask].std(dim=0, correction=0)
    torch.testing.assert_close(added.std(dim=0), expected, rtol=0.15, atol=1e-5)
    sizes = LayerSizes(dim=6, heads=2, ffn_dim=8, dropout=0.0, attention_dropout=0.0, norm=norm)
    transformer = TransformerEncoder(2, sizes)
    clean, noisy = transformer(values, mask), transformer(values, mask, noise=0.3)
    first = (noisy[0] - clean[0])[mask].std(dim=0) / clean[0][mask].std(dim=0)
    torch.testing.assert_close(first, torch.full((6,), 0.3), rtol=0.15, atol=0)
