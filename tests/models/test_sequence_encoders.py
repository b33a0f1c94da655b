"""Encoders of sequences with all their options: padding, masks, noise, and the values that each of them computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from support.padded_sequences import DIM, batch
from support.small_networks import ENCODERS as SMALL
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.modules import Encoded, Encoder
from affectstore.models.spec import ENCODERS, SequenceShape

SEQUENCES = [name for name in ENCODERS.names() if ENCODERS.load(name).SPEC.input_kind == "sequence"]

#: Further options of each.
OTHERS: dict[str, list[dict[str, Any]]] = {
    "audio_cnn": [{"over": "coefficients"}],
    "auxformer": [
        {"causal": False, "pooling": "mean"},
        {"passes": 2, "pooling": "attention"},
        {"dim": DIM},
        {"layers": 0},
    ],
    "blstm": [{"pooling": "last"}, {"pooling": "ends"}, {"pooling": "cls"}, {"pooling": "attention", "layers": 3}],
    "mlp": [{"pooling": "mean_std"}, {"pooling": "functionals", "layers": 1}],
    "transformer": [{"norm": "after", "pooling": "last"}, {"pooling": "cls"}, {"pooling": "attention"}, {"layers": 0}],
}

VARIANTS = [(name, SMALL.get(name, {}) | other) for name in SEQUENCES for other in [{}, *OTHERS.get(name, [])]]

#: Half of the state has read one step there, so its recurrent weights have no gradient.
UNUSED = {
    "last": {"lstm.layers.1.backward_lstm.weight_hh_l0"},
    "cls": {"lstm.layers.1.forward_lstm.weight_hh_l0"},
}

every_encoder = pytest.mark.parametrize("name", SEQUENCES)

every_variant = pytest.mark.parametrize(
    ("name", "options"), VARIANTS, ids=[f"{n}-{'-'.join(f'{k}={v}' for k, v in o.items())}" for n, o in VARIANTS]
)


def build(name: str, options: dict[str, Any], dim: int = DIM, seed: int = 0) -> Encoder:
    declared = ENCODERS.load(name)
    torch.manual_seed(seed)
    encoder: Encoder = declared.build(SequenceShape(dim=dim), declared.Options(**options))
    return encoder


def everything(encoded: Encoded) -> list[Tensor]:
    return [encoded.vector, *([] if encoded.sequence is None else [encoded.sequence]), *encoded.layers]


@every_variant
def test_outputs_are_those_declared_and_zero_where_padded(name: str, options: dict[str, Any]) -> None:
    encoder, declared = build(name, options), ENCODERS.load(name)
    values, mask = batch((7, 1, 4))
    encoded = encoder(values, mask)
    assert encoded.vector.shape == (3, encoder.output_dim)
    assert (encoded.sequence is not None) == declared.SPEC.outputs("sequence")
    assert bool(encoded.layers) == declared.SPEC.outputs("layers")
    if encoded.sequence is not None:
        assert encoded.mask is not None
        assert torch.equal(encoded.mask, mask)
    for sequence in everything(encoded)[1:]:
        assert sequence.shape == (3, 7, encoder.output_dim)
        assert (sequence[~mask] == 0).all()
    if encoded.layers:
        assert torch.equal(encoded.layers[-1], encoded.sequence)
        depth = declared.Options(**options).depth
        assert len(encoded.layers) == depth == 1 + options["layers"] * options.get("passes", 1)


@every_variant
def test_a_gradient_reaches_every_parameter(name: str, options: dict[str, Any]) -> None:
    encoder = build(name, options)
    encoded = encoder(*batch((7, 1, 4)))
    (encoded.vector * torch.randn_like(encoded.vector)).sum().backward()
    without = {n for n, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert without == (UNUSED.get(options.get("pooling", ""), set()) if name == "blstm" else set())
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


@every_variant
def test_the_output_of_a_clip_is_the_same_alone_and_in_any_batch(name: str, options: dict[str, Any]) -> None:
    encoder = build(name, options)
    encoder.eval()
    lengths = (9, 1, 4, 5, 8)
    values, mask = batch(lengths, steps=14)
    together = everything(encoder(values, mask))
    for k, length in enumerate(lengths):
        alone = everything(encoder(values[k : k + 1, :length], mask[k : k + 1, :length]))
        torch.testing.assert_close(alone[0][0], together[0][k], rtol=1e-4, atol=1e-6)
        for one, many in zip(alone[1:], together[1:], strict=True):
            torch.testing.assert_close(one[0], many[k, :length], rtol=1e-4, atol=1e-6)


@every_variant
def test_values_in_the_padding_are_never_read(name: str, options: dict[str, Any]) -> None:
    encoder = build(name, options)
    encoder.eval()
    values, mask = batch((9, 1, 4))
    expected = everything(encoder(values, mask))
    for one, other in zip(expected, everything(encoder(values.masked_fill(~mask[..., None], 1e4), mask)), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)


@every_variant
def test_inference_equals_training(name: str, options: dict[str, Any]) -> None:
    encoder = build(name, options)
    values, mask = batch((9, 1, 4))
    training = everything(encoder(values, mask))
    encoder.eval()
    with torch.inference_mode():
        inference = everything(encoder(values, mask))
    for one, other in zip(training, inference, strict=True):
        torch.testing.assert_close(other, one.detach(), rtol=1e-4, atol=1e-6)


@every_variant
def test_a_clip_without_steps_has_finite_outputs_and_changes_no_other(name: str, options: dict[str, Any]) -> None:
    encoder = build(name, options)
    values, mask = batch((4, 0))
    encoded = encoder(values, mask)
    for output in everything(encoded):
        assert output.isfinite().all()
    torch.testing.assert_close(encoded.vector[0], encoder(values[:1], mask[:1]).vector[0], rtol=1e-4, atol=1e-6)
    encoded.vector.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters() if p.grad is not None)


@every_variant
def test_it_runs_in_bfloat16(name: str, options: dict[str, Any]) -> None:
    encoder = build(name, options)
    values, mask = batch((7, 1, 4))
    exact = encoder(values, mask).vector.detach()
    with torch.autocast("cpu", torch.bfloat16):
        vector = encoder(values, mask).vector
    vector.float().square().sum().backward()
    torch.testing.assert_close(vector.detach().float(), exact, rtol=0.1, atol=0.1)


@every_encoder
def test_dropout_is_for_training_only_and_follows_the_seed(name: str) -> None:
    rates = {field: 0.5 for field in ENCODERS.load(name).Options.model_fields if field.endswith("dropout")}
    if not rates:
        return
    encoder = build(name, SMALL[name] | rates)
    values, mask = batch((7, 3))

    def vector(seed: int) -> Tensor:
        torch.manual_seed(seed)
        return encoder(values, mask).vector

    assert torch.equal(vector(1), vector(1))
    assert not torch.equal(vector(1), vector(2))
    encoder.eval()
    assert torch.equal(vector(1), vector(2))


def test_heads_must_divide_the_dim() -> None:
    for name in ("transformer", "auxformer"):
        with pytest.raises(ValidationError, match=r"`heads` \(3\) must divide `dim` \(128\)"):
            ENCODERS.load(name).Options(dim=128, heads=3)


def test_poolings_of_the_blstm_use_the_states_they_name() -> None:
    values, mask = batch((7, 1, 4))
    vectors, states = {}, torch.zeros(0)
    for pooling in ("last", "ends", "cls", "mean"):
        encoded = build("blstm", SMALL["blstm"] | {"pooling": pooling})(values, mask)
        vectors[pooling], states = encoded.vector, encoded.sequence
    for k, length in enumerate((7, 1, 4)):
        assert torch.equal(vectors["last"][k], states[k, length - 1])
        assert torch.equal(vectors["cls"][k], states[k, 0])
        assert torch.equal(vectors["ends"][k], torch.cat([states[k, length - 1, :16], states[k, 0, 16:]]))
        torch.testing.assert_close(vectors["mean"][k], states[k, :length].mean(dim=0))


@pytest.mark.parametrize("pooling", ["last", "ends", "mean", "attention"])
def test_without_its_mask_the_blstm_reads_padding_as_steps(pooling: str) -> None:
    encoder = build("blstm", SMALL["blstm"] | {"pooling": pooling, "masked": False})
    values, mask = batch((9, 4))
    encoded, unmasked = encoder(values, mask), encoder(values, torch.ones_like(mask))
    assert torch.equal(encoded.vector, unmasked.vector)
    assert (encoded.sequence[1, 4:] == 0).all()
    assert torch.equal(encoded.mask, mask)
    assert not torch.allclose(encoded.vector[1], encoder(values[1:, :4], mask[1:, :4]).vector[0], atol=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8, 9])
def test_the_audio_cnn_pools_the_remaining_steps_at_the_end_too(steps: int) -> None:
    encoder = build("audio_cnn", {})
    first, second = encoder.conv1, encoder.conv2
    values, mask = batch((steps,), steps=steps + 6)
    hidden = F.relu(first(values[:, :steps].mT))
    groups = [hidden[..., k : k + 4].amax(dim=-1) for k in range(0, steps, 4)]
    expected = F.relu(second(torch.stack(groups, dim=-1))).mean(dim=-1)
    torch.testing.assert_close(encoder(values, mask).vector, expected, rtol=1e-5, atol=1e-6)


def test_the_audio_cnn_over_coefficients_reads_the_mean_alone() -> None:
    encoder = build("audio_cnn", {"over": "coefficients"}, dim=40)
    values, mask = batch((6, 3), 40)
    assert encoder.output_dim == 1_280
    mean = torch.stack([values[0, :6].mean(dim=0), values[1, :3].mean(dim=0)])[:, None]
    alone = encoder(mean, torch.ones(2, 1, dtype=torch.bool)).vector
    torch.testing.assert_close(encoder(values, mask).vector, alone, rtol=1e-4, atol=1e-6)


def test_the_mlp_reads_the_statistics_it_names() -> None:
    encoder = build("mlp", SMALL["mlp"] | {"pooling": "functionals"})
    values, mask = batch((7, 3))
    for k, length in enumerate((7, 3)):
        rows = values[k, :length]
        read = torch.cat([rows.mean(0), rows.std(0, correction=0), rows.amin(0), rows.amax(0)])
        torch.testing.assert_close(encoder(values, mask).vector[k], encoder.layers(read), rtol=1e-5, atol=1e-6)
    one = build("mlp", SMALL["mlp"])
    torch.testing.assert_close(one(values[:, :1], mask[:, :1]).vector, one.layers(values[:, 0]))


def test_the_order_of_the_steps_matters() -> None:
    values, mask = batch((7,))
    for name in ("transformer", "auxformer"):
        encoder = build(name, SMALL[name] | {"pooling": "mean"})
        assert not torch.allclose(encoder(values, mask).vector, encoder(values.flip(1), mask).vector, atol=1e-4)


def test_a_causal_step_attends_to_none_after_it() -> None:
    values, mask = batch((7,))
    later = values.clone()
    later[0, 4:] += 1
    for causal in (True, False):
        encoder = build("auxformer", SMALL["auxformer"] | {"causal": causal})
        same = torch.isclose(encoder(later, mask).sequence, encoder(values, mask).sequence, atol=1e-5).all(dim=-1)[0]
        assert same.tolist() == ([True] * 4 + [False] * 3 if causal else [False] * 7)


def test_a_second_pass_goes_through_the_same_layers() -> None:
    values, mask = batch((7, 3))
    once, twice = (build("auxformer", SMALL["auxformer"] | {"passes": passes}) for passes in (1, 2))
    twice.load_state_dict(once.state_dict())
    first, both = once(values, mask), twice(values, mask)
    assert [torch.equal(a, b) for a, b in zip(first.layers, both.layers, strict=False)] == [True] * 3
    again = once.transformer(first.layers[-1] * 4.0, mask, causal=True)[-1]
    torch.testing.assert_close(both.sequence, again)


def test_audio_that_fits_is_not_projected() -> None:
    values, mask = batch((7, 3), 16)
    assert torch.equal(build("auxformer", SMALL["auxformer"], 16)(values, mask).layers[0], values)


OF_LAYERS = [name for name in SEQUENCES if ENCODERS.load(name).SPEC.outputs("layers")]


@pytest.mark.parametrize("name", OF_LAYERS)
def test_the_noisy_path_corrupts_every_layer_and_no_padding(name: str) -> None:
    encoder = build(name, SMALL[name])
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
