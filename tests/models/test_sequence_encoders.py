"""Encoders of sequences in all their options: padding, masks, noise, and what each of them computes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from small_networks import ENCODERS as SMALL
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from affectstore.models.base import ENCODERS, Encoded, GivenSteps, gives
from affectstore.models.layers import masked
from affectstore.models.layers.attention import none_ahead, steps_of
from affectstore.models.layers.attention_pool import AttentionPool
from affectstore.models.layers.block import Block
from affectstore.models.layers.lstm import LSTM
from affectstore.models.layers.over_batch import corrupted, mean_and_variance
from affectstore.models.layers.positions import sinusoids
from affectstore.models.layers.stack import Stack

COLUMNS = 6
SEQUENCES = [name for name in ENCODERS.names() if ENCODERS.load(name).SPEC.takes == "sequence"]

#: What else each can be.
OTHERS: dict[str, list[dict[str, Any]]] = {
    "audio_cnn": [{"over": "coefficients"}],
    "auxformer": [
        {"causal": False, "pooling": "mean"},
        {"passes": 2, "pooling": "attention"},
        {"width": COLUMNS},
        {"layers": 0},
    ],
    "blstm": [{"pooling": "last"}, {"pooling": "ends"}, {"pooling": "cls"}, {"pooling": "attention", "layers": 3}],
    "mlp": [{"pooling": "mean_std"}, {"pooling": "functionals", "layers": 1}],
    "transformer": [{"norm": "after", "pooling": "last"}, {"pooling": "cls"}, {"pooling": "attention"}, {"layers": 0}],
}
VARIANTS = [(name, SMALL.get(name, {}) | other) for name in SEQUENCES for other in [{}, *OTHERS.get(name, [])]]
#: Half of the state has read one step there, so its recurrent weights have nothing to learn from.
UNUSED = {"last": {"lstm.layers.1.back.weight_hh_l0"}, "cls": {"lstm.layers.1.ahead.weight_hh_l0"}}

every_encoder = pytest.mark.parametrize("name", SEQUENCES)
every_variant = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=[f"{n}-{'-'.join(f'{k}={v}' for k, v in o.items())}" for n, o in VARIANTS]
)


def batch(lengths: tuple[int, ...], columns: int = COLUMNS, seed: int = 0, steps: int = 0) -> tuple[Tensor, Tensor]:
    """Random sequences of these lengths, and their mask."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.arange(max(*lengths, steps)) < torch.tensor(lengths)[:, None]
    return torch.randn(*mask.shape, columns, generator=generator) * mask[..., None], mask


class Encoder:
    """One encoder with its weights."""

    def __init__(self, name: str, options: dict[str, Any], columns: int = COLUMNS, seed: int = 0):
        self.module = ENCODERS.load(name)
        self.options = self.module.Options(**options)
        self.given = GivenSteps(columns=columns)
        torch.manual_seed(seed)
        self.weights = self.module.weights(self.given, self.options)

    @property
    def features(self) -> int:
        return self.module.features(self.given, self.options)

    def __call__(self, values: Tensor, mask: Tensor, *noise: float) -> Encoded:
        encoded = self.module.encode(self.weights, values, mask, self.options, *noise)
        return encoded if isinstance(encoded, Encoded) else Encoded(encoded)


def everything(encoded: Encoded) -> list[Tensor]:
    return [encoded.vector, *([] if encoded.sequence is None else [encoded.sequence]), *encoded.layers]


@every_variant
def test_it_gives_what_it_announces_and_zeros_where_padded(name: str, options: dict[str, Any]) -> None:
    encoder = Encoder(name, options)
    values, mask = batch((7, 1, 4))
    encoded, spec = encoder(values, mask), encoder.module.SPEC
    assert encoded.vector.shape == (3, encoder.features)
    assert (encoded.sequence is not None) == gives(spec, "sequence")
    assert bool(encoded.layers) == gives(spec, "layers")
    if encoded.sequence is not None:
        assert encoded.mask is not None
        assert torch.equal(encoded.mask, mask)
    for sequence in everything(encoded)[1:]:
        assert sequence.shape == (3, 7, encoder.features)
        assert (sequence[~mask] == 0).all()
    if encoded.layers:
        assert torch.equal(encoded.layers[-1], encoded.sequence)
        depth = encoder.module.depth(encoder.options)
        assert len(encoded.layers) == depth == 1 + options["layers"] * options.get("passes", 1)


@every_variant
def test_a_gradient_reaches_every_parameter(name: str, options: dict[str, Any]) -> None:
    encoder = Encoder(name, options)
    encoded = encoder(*batch((7, 1, 4)))
    (encoded.vector * torch.randn_like(encoded.vector)).sum().backward()
    without = {n for n, p in encoder.weights.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert without == (UNUSED.get(options.get("pooling", ""), set()) if name == "blstm" else set())
    assert all(p.grad.isfinite().all() for p in encoder.weights.parameters() if p.grad is not None)


@every_variant
def test_a_clip_gives_the_same_alone_and_in_any_batch(name: str, options: dict[str, Any]) -> None:
    encoder = Encoder(name, options)
    encoder.weights.eval()
    lengths = (9, 1, 4, 5, 8)
    values, mask = batch(lengths, steps=14)
    together = everything(encoder(values, mask))
    for k, length in enumerate(lengths):
        alone = everything(encoder(values[k : k + 1, :length], mask[k : k + 1, :length]))
        torch.testing.assert_close(alone[0][0], together[0][k], rtol=1e-4, atol=1e-6)
        for one, many in zip(alone[1:], together[1:], strict=True):
            torch.testing.assert_close(one[0], many[k, :length], rtol=1e-4, atol=1e-6)


@every_variant
def test_what_stands_in_the_padding_is_never_read(name: str, options: dict[str, Any]) -> None:
    encoder = Encoder(name, options)
    encoder.weights.eval()
    values, mask = batch((9, 1, 4))
    expected = everything(encoder(values, mask))
    for one, other in zip(expected, everything(encoder(values.masked_fill(~mask[..., None], 1e4), mask)), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)


@every_variant
def test_inference_gives_what_training_gives(name: str, options: dict[str, Any]) -> None:
    encoder = Encoder(name, options)
    values, mask = batch((9, 1, 4))
    training = everything(encoder(values, mask))
    encoder.weights.eval()
    with torch.inference_mode():
        inference = everything(encoder(values, mask))
    for one, other in zip(training, inference, strict=True):
        torch.testing.assert_close(other, one.detach(), rtol=1e-4, atol=1e-6)


@every_variant
def test_a_clip_without_steps_gives_numbers_and_disturbs_none(name: str, options: dict[str, Any]) -> None:
    encoder = Encoder(name, options)
    values, mask = batch((4, 0))
    encoded = encoder(values, mask)
    for given_ in everything(encoded):
        assert given_.isfinite().all()
    torch.testing.assert_close(encoded.vector[0], encoder(values[:1], mask[:1]).vector[0], rtol=1e-4, atol=1e-6)
    encoded.vector.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.weights.parameters() if p.grad is not None)


@every_variant
def test_it_runs_in_bfloat16(name: str, options: dict[str, Any]) -> None:
    encoder = Encoder(name, options)
    values, mask = batch((7, 1, 4))
    exact = encoder(values, mask).vector.detach()
    with torch.autocast("cpu", torch.bfloat16):
        vector = encoder(values, mask).vector
    vector.float().square().sum().backward()
    torch.testing.assert_close(vector.detach().float(), exact, rtol=0.1, atol=0.1)


@every_encoder
def test_dropout_falls_in_training_alone_and_under_the_seed(name: str) -> None:
    module = ENCODERS.load(name)
    rates = {field: 0.5 for field in module.Options.model_fields if field.endswith("dropout")}
    if not rates:
        return
    encoder = Encoder(name, SMALL[name] | rates)
    values, mask = batch((7, 3))

    def vector(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return encoder(values, mask).vector

    assert torch.equal(vector(1), vector(1))
    assert not torch.equal(vector(1), vector(2))
    encoder.weights.eval()
    assert torch.equal(vector(1), vector(2))


def test_heads_must_divide_the_width() -> None:
    for name in ("transformer", "auxformer"):
        with pytest.raises(ValidationError, match=r"`heads` \(3\) must divide `width` \(128\)"):
            ENCODERS.load(name).Options(width=128, heads=3)


# What the helpers compute, against plain loops.


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=4), st.integers(0, 2), st.integers(0, 99))
def test_statistics_are_those_of_the_real_steps(lengths: list[int], padding: int, seed: int) -> None:
    values, mask = batch(tuple(lengths), 3, seed, max(*lengths, 1, 0) + padding)
    values = values + ~mask[..., None] * 1e3  # junk where it is padded
    real = [values[k, :length].double().numpy() for k, length in enumerate(lengths)]

    def stacked(function: Any) -> Tensor:
        return torch.tensor(np.stack([function(rows) if len(rows) else np.zeros(3) for rows in real])).float()

    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(masked.mean(values, mask), stacked(lambda r: r.mean(0)), **close)
    torch.testing.assert_close(masked.largest(values, mask), stacked(lambda r: r.max(0)), **close)
    torch.testing.assert_close(masked.last(values, mask), stacked(lambda r: r[-1]), **close)
    expected = stacked(lambda r: r.std(0)).clamp(min=1e-4)
    torch.testing.assert_close(masked.deviation(values, mask), expected, rtol=1e-4, atol=2e-4)
    turned = masked.backwards(values, mask)
    for k, length in enumerate(lengths):
        assert torch.equal(turned[k, :length], values[k, :length].flip(0))
        assert torch.equal(turned[k, length:], values[k, length:])
    assert torch.equal(masked.backwards(turned, mask), values)
    if sum(lengths):
        centre, variance = mean_and_variance(values, mask)
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
        torch.testing.assert_close(pool.shares(values, mask)[k].sum(), torch.tensor(1.0))
        assert (pool.shares(values, mask)[k, length:] == 0).all()


def test_gradients_of_the_attention_pooling() -> None:
    torch.manual_seed(0)
    pool, (values, mask) = AttentionPool(3, 2).double(), batch((4, 1, 2), 3)
    inputs = (values.double().requires_grad_(), *(p for p in pool.parameters()))
    assert torch.autograd.gradcheck(lambda x, *_: pool(x, mask), inputs)


def small_block(width: int, hidden: int, norm: str) -> Block:
    torch.manual_seed(0)
    return Block(width=width, heads=2, hidden=hidden, dropout=0.0, attention_dropout=0.0, norm=norm).double()


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("crossed", [False, True])
def test_gradients_of_a_block(norm: str, crossed: bool) -> None:
    block = small_block(4, 3, norm)
    values, mask = batch((4, 1), 4)
    source, source_mask = batch((2, 3), 4, seed=1)
    x, other = values.double().requires_grad_(), source.double().requires_grad_()
    if crossed:
        assert torch.autograd.gradcheck(lambda x, other: block(x, steps_of(source_mask), other), (x, other))
    else:
        allowed = steps_of(mask) & none_ahead(mask)
        assert torch.autograd.gradcheck(lambda x: masked.zeroed(block(x, allowed), mask), (x,))


@pytest.mark.parametrize("norm", ["before", "after"])
@pytest.mark.parametrize("how", ["self", "causal", "crossed"])
def test_a_block_computes_what_a_plain_loop_does(norm: str, how: str) -> None:
    width, heads, lengths = 6, 2, (5, 1, 3)
    block = small_block(width, 7, norm).eval()
    for p in block.parameters():  # biases and scales start at 0 and 1
        nn.init.normal_(p, std=0.5)
    values, mask = batch(lengths, width)
    read = (2, 4, 3) if how == "crossed" else lengths
    source, source_mask = batch(read, width, seed=1) if how == "crossed" else (values, mask)
    values, source = values.double(), source.double()
    allowed = none_ahead(mask) if how == "causal" else steps_of(source_mask)
    found = block(values, allowed, source if how == "crossed" else None)
    asks, reads = block.attention.asks, block.attention.reads
    (wq, bq), (wk, wv), (bk, bv) = (asks.weight, asks.bias), reads.weight.split(width), reads.bias.split(width)
    part = width // heads
    for k, length in enumerate(lengths):
        x, keys = values[k, :length], source[k, : read[k]]
        asking = block.norms[0](x) if norm == "before" else x
        seen = block.norms[0](keys) if norm == "before" else keys
        rows = []
        for i in range(length):
            q, parts = wq @ asking[i] + bq, []
            limit = i + 1 if how == "causal" else len(seen)
            for h in range(heads):
                s = slice(h * part, (h + 1) * part)
                scores = torch.stack([(q[s] @ (wk @ seen[j] + bk)[s]) / math.sqrt(part) for j in range(limit)])
                shares = scores.exp() / scores.exp().sum()
                parts.append(sum(shares[j] * (wv @ seen[j] + bv)[s] for j in range(limit)))
            rows.append(block.attention.out(torch.cat(parts)))
        y = x + torch.stack(rows)
        y = y if norm == "before" else block.norms[0](y)
        first, second = block.perceptron
        z = y + second(first(block.norms[1](y) if norm == "before" else y).clamp(min=0))
        z = z if norm == "before" else block.norms[1](z)
        torch.testing.assert_close(found[k, :length], z, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("both", [False, True])
def test_states_are_those_of_a_packed_sequence(both: bool) -> None:
    torch.manual_seed(0)
    ours = LSTM(COLUMNS, 5, 2, both=both, dropout=0.0)
    theirs = nn.LSTM(COLUMNS, 5, 2, bidirectional=both, batch_first=True)
    for k, layer in enumerate(ours.layers):
        for suffix, lstm in (("", layer.ahead), *([("_reverse", layer.back)] if both else [])):
            for name, value in lstm.named_parameters():
                getattr(theirs, name.replace("_l0", f"_l{k}{suffix}")).data.copy_(value)
    values, mask = batch((7, 1, 4))
    packed = pack_padded_sequence(values, mask.sum(dim=1), batch_first=True, enforce_sorted=False)
    expected = pad_packed_sequence(theirs(packed)[0], batch_first=True)[0]
    torch.testing.assert_close(ours(values, mask), expected, rtol=1e-5, atol=1e-6)


def test_poolings_of_the_blstm_take_the_states_they_name() -> None:
    values, mask = batch((7, 1, 4))
    vectors, states = {}, torch.zeros(0)
    for pooling in ("last", "ends", "cls", "mean"):
        encoded = Encoder("blstm", SMALL["blstm"] | {"pooling": pooling})(values, mask)
        vectors[pooling], states = encoded.vector, encoded.sequence
    for k, length in enumerate((7, 1, 4)):
        assert torch.equal(vectors["last"][k], states[k, length - 1])
        assert torch.equal(vectors["cls"][k], states[k, 0])
        assert torch.equal(vectors["ends"][k], torch.cat([states[k, length - 1, :16], states[k, 0, 16:]]))
        torch.testing.assert_close(vectors["mean"][k], states[k, :length].mean(dim=0))


@pytest.mark.parametrize("pooling", ["last", "ends", "mean", "attention"])
def test_without_its_mask_the_blstm_takes_padding_for_steps(pooling: str) -> None:
    encoder = Encoder("blstm", SMALL["blstm"] | {"pooling": pooling, "masked": False})
    values, mask = batch((9, 4))
    encoded, told = encoder(values, mask), encoder(values, torch.ones_like(mask))
    assert torch.equal(encoded.vector, told.vector)
    assert (encoded.sequence[1, 4:] == 0).all()
    assert torch.equal(encoded.mask, mask)
    assert not torch.allclose(encoded.vector[1], encoder(values[1:, :4], mask[1:, :4]).vector[0], atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8, 9])
def test_the_audio_cnn_pools_what_is_left_at_the_end_too(steps: int) -> None:
    encoder = Encoder("audio_cnn", {})
    first, second = encoder.weights
    values, mask = batch((steps,), steps=steps + 6)
    hidden = F.relu(first(values[:, :steps].mT))
    groups = [hidden[..., k : k + 4].amax(dim=-1) for k in range(0, steps, 4)]
    expected = F.relu(second(torch.stack(groups, dim=-1))).mean(dim=-1)
    torch.testing.assert_close(encoder(values, mask).vector, expected, rtol=1e-5, atol=1e-6)


def test_the_audio_cnn_over_coefficients_reads_the_mean_alone() -> None:
    encoder = Encoder("audio_cnn", {"over": "coefficients"}, columns=40)
    values, mask = batch((6, 3), 40)
    assert encoder.features == 1_280
    mean = torch.stack([values[0, :6].mean(dim=0), values[1, :3].mean(dim=0)])[:, None]
    alone = encoder(mean, torch.ones(2, 1, dtype=torch.bool)).vector
    torch.testing.assert_close(encoder(values, mask).vector, alone, rtol=1e-4, atol=1e-6)


def test_the_mlp_reads_the_statistics_it_names() -> None:
    encoder = Encoder("mlp", SMALL["mlp"] | {"pooling": "functionals"})
    values, mask = batch((7, 3))
    for k, length in enumerate((7, 3)):
        rows = values[k, :length]
        read = torch.cat([rows.mean(0), rows.std(0, correction=0), rows.amin(0), rows.amax(0)])
        torch.testing.assert_close(encoder(values, mask).vector[k], encoder.weights(read), rtol=1e-5, atol=1e-6)
    one = Encoder("mlp", SMALL["mlp"])
    torch.testing.assert_close(one(values[:, :1], mask[:, :1]).vector, one.weights(values[:, 0]))


def test_positions_are_sinusoids() -> None:
    found = sinusoids(3, 5, torch.zeros(0))
    for k in range(3):
        for i in range(5):
            angle = k / 10_000 ** (2 * (i // 2) / 5)
            assert found[k, i].item() == pytest.approx(math.sin(angle) if i % 2 == 0 else math.cos(angle), abs=1e-6)
    assert torch.equal(sinusoids(9, 5, found)[:3], found)


def test_the_order_of_the_steps_matters() -> None:
    values, mask = batch((7,))
    for name in ("transformer", "auxformer"):
        encoder = Encoder(name, SMALL[name] | {"pooling": "mean"})
        assert not torch.allclose(encoder(values, mask).vector, encoder(values.flip(1), mask).vector, atol=1e-4)


def test_a_causal_step_reads_none_after_it() -> None:
    values, mask = batch((7,))
    later = values.clone()
    later[0, 4:] += 1
    for causal in (True, False):
        encoder = Encoder("auxformer", SMALL["auxformer"] | {"causal": causal})
        same = torch.isclose(encoder(later, mask).sequence, encoder(values, mask).sequence, atol=1e-5).all(dim=-1)[0]
        assert same.tolist() == ([True] * 4 + [False] * 3 if causal else [False] * 7)


def test_a_second_pass_goes_through_the_same_layers() -> None:
    values, mask = batch((7, 3))
    once, twice = (Encoder("auxformer", SMALL["auxformer"] | {"passes": passes}) for passes in (1, 2))
    twice.weights.load_state_dict(once.weights.state_dict())
    first, both = once(values, mask), twice(values, mask)
    assert [torch.equal(a, b) for a, b in zip(first.layers, both.layers, strict=False)] == [True] * 3
    again = once.weights["stack"](first.layers[-1] * 4.0, mask, causal=True)[-1]
    torch.testing.assert_close(both.sequence, again)


def test_audio_that_fits_is_not_projected() -> None:
    values, mask = batch((7, 3), 16)
    assert torch.equal(Encoder("auxformer", SMALL["auxformer"], 16)(values, mask).layers[0], values)


LADDERS = [name for name in SEQUENCES if gives(ENCODERS.load(name).SPEC, "layers")]


@pytest.mark.parametrize("name", LADDERS)
def test_the_noisy_path_corrupts_every_layer_and_no_padding(name: str) -> None:
    encoder = Encoder(name, SMALL[name])
    values, mask = batch((7, 1, 4))
    clean = encoder(values, mask)
    torch.manual_seed(3)
    noisy = encoder(values, mask, 0.3)
    torch.manual_seed(3)
    again = encoder(values, mask, 0.3)
    for one, other, repeated in zip(clean.layers, noisy.layers, again.layers, strict=True):
        assert not torch.isclose(one, other)[mask].all(dim=-1).any()
        assert torch.equal(other, repeated)
        assert (other[~mask] == 0).all()
    assert not torch.allclose(clean.vector, noisy.vector, atol=1e-3)
    assert torch.equal(noisy.layers[-1], noisy.sequence)
    noisy.vector.square().sum().backward()
    state = torch.get_rng_state()
    assert torch.equal(encoder(values, mask, 0.0).vector, clean.vector)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("norm", ["before", "after"])
def test_noise_is_measured_in_the_spread_of_each_column(norm: str) -> None:
    torch.manual_seed(0)
    values, mask = batch((400, 300))
    values = values * torch.tensor([1.0, 100.0, 0.01, 0.0, 1.0, 1.0]) + 5 * mask[..., None]
    added = (corrupted(values, mask, 0.3) - values)[mask]
    expected = 0.3 * values[mask].std(dim=0, correction=0)
    torch.testing.assert_close(added.std(dim=0), expected, rtol=0.15, atol=1e-5)
    stack = Stack(2, width=6, heads=2, hidden=8, dropout=0.0, attention_dropout=0.0, norm=norm)
    clean, noisy = stack(values, mask), stack(values, mask, noise=0.3)
    first = (noisy[0] - clean[0])[mask].std(dim=0) / clean[0][mask].std(dim=0)
    torch.testing.assert_close(first, torch.full((6,), 0.3), rtol=0.15, atol=0)
