"""The ladder fusion: its combinator, its resampling, its two paths and its losses, against written-out loops."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given as drawn_from
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.fused_steps import CLASSES, LABELS, LENGTHS, THREE, TWO, FusedSteps, alone, given, mask_of, repadded
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from affectstore.config.experiment import Experiment
from affectstore.errors import ConfigError
from affectstore.models.blocks.batch_stats import batch_mean_std, batch_normalise
from affectstore.models.blocks.ladder import Combinator, Decoder, reconstruction_cost, resample_steps
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.fusions.ladder import SPEC, Ladder, Options
from affectstore.models.modules import Encoded, FusionContext
from affectstore.models.network import Network

DEPTH = 3
two_and_three = pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])


# The combinator.


def combine(noisy: Tensor, above: Tensor, a: Tensor) -> Tensor:
    """A combinator with these parameters."""
    combined: Tensor = functional_call(Combinator(a.shape[1]), {"a": a}, (noisy, above))
    return combined


def plain_combine(noisy: float, above: float, a: list[float]) -> float:
    a1, a2, a3, a4, a5, a6, a7, a8, a9, a10 = a
    mean = a1 / (1 + math.exp(-(a2 * above + a3))) + a4 * above + a5
    share = a6 / (1 + math.exp(-(a7 * above + a8))) + a9 * above + a10
    return (noisy - mean) * share + mean


def test_the_combinator_is_its_plain_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    noisy, above = torch.randn(2, 4, 3, 5, dtype=torch.float64, generator=generator)
    a = torch.randn(10, 5, dtype=torch.float64, generator=generator)
    found = combine(noisy, above, a)
    for k in range(4):
        for i in range(3):
            for c in range(5):
                expected = plain_combine(noisy[k, i, c].item(), above[k, i, c].item(), a[:, c].tolist())
                assert found[k, i, c].item() == pytest.approx(expected, rel=1e-12)


def test_the_combinator_by_hand() -> None:
    # mu = 2 / (1 + e^0) + 3 x 1 + 1 = 5 and v = 4 / (1 + e^0) - 1 + 0.5 = 1.5: (7 - 5) x 1.5 + 5 = 8.
    a = torch.tensor([2, 1, -1, 3, 1, 4, -1, 1, -1, 0.5])[:, None]
    assert combine(torch.tensor([7.0]), torch.tensor([1.0]), a).item() == 8


def test_the_combinator_starts_as_published() -> None:
    a = Combinator(3).a
    assert a.shape == (10, 3)
    assert [row.tolist() for row in a] == [[value] * 3 for value in (0, 1, 0, 0, 0, 0, 1, 0, 0, 0)]
    noisy, above = torch.randn(2, 4, 3)
    assert (Combinator(3)(noisy, above) == 0).all()


def test_gradients_of_the_combinator() -> None:
    inputs = torch.randn(2, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a = torch.randn(10, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(
        combine, (*(x.requires_grad_() for x in inputs.clone().unbind()), a.requires_grad_())
    )


# One modality on the steps of another.


def test_resampling_by_hand() -> None:
    x = torch.tensor([[[0.0], [10.0], [99.0]], [[1.0], [2.0], [3.0]]])
    resampled = resample_steps(x, mask_of((2, 3)), mask_of((4, 1)))
    # Steps of two lie at 1/4 and 3/4, those of four at 1/8, 3/8, 5/8 and 7/8; the one step of one at 1/2.
    assert resampled[..., 0].tolist() == [[0, 2.5, 7.5, 10], [2, 0, 0, 0]]


@settings(max_examples=50, deadline=None)
@drawn_from(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=4), st.integers(0, 3))
def test_resampling_is_interpolation_over_time(steps: list[tuple[int, int]], padding: int) -> None:
    have, want = zip(*steps, strict=True)
    mask, target_mask = mask_of(have, padding), mask_of(want, padding)
    generator = torch.Generator().manual_seed(len(steps))
    x = torch.randn(*mask.shape, 2, dtype=torch.float64, generator=generator)
    resampled = resample_steps(x, mask, target_mask)
    for k, (n, m) in enumerate(steps):
        assert (resampled[k, m:] == 0).all()
        if n == 0:
            assert (resampled[k] == 0).all()
            continue
        for c in range(2):
            expected = np.interp((np.arange(m) + 0.5) / max(m, 1), (np.arange(n) + 0.5) / n, x[k, :n, c].numpy())
            np.testing.assert_allclose(resampled[k, :m, c], expected, atol=1e-12)
        if n == m:
            assert torch.equal(resampled[k, :m], x[k, :m])


def test_gradients_of_the_resampling() -> None:
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: resample_steps(x, mask_of((4, 2)), mask_of((3, 5))), (x,))


def test_batch_statistics_are_those_of_the_valid_steps() -> None:
    mask = mask_of((4, 0, 2))
    x = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5 + 2
    x[..., 2] = 7  # a constant column is only centred
    x = x.masked_fill(~mask[..., None], 1e6)
    rows = torch.cat([x[0], x[2, :2]])
    mean, std = batch_mean_std(x, mask)
    torch.testing.assert_close(mean, rows.mean(dim=0))
    torch.testing.assert_close(std, torch.tensor([*rows.std(dim=0, correction=0)[:2], 1.0]).double())
    assert (batch_normalise(x, mask)[~mask] == 0).all()
    assert batch_mean_std(x.bfloat16(), mask)[1].dtype == torch.float32


def test_a_constant_column_has_finite_gradients() -> None:
    x = torch.ones(2, 3, 2, requires_grad=True)
    noisy = torch.randn(2, 3, 2)
    reconstruction_cost(noisy, x, mask_of((3, 2)), mask_of((3, 2))).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    (batch_normalise(x, mask_of((3, 2))) ** 2).sum().backward()
    assert x.grad.isfinite().all()


def test_the_cost_is_in_units_of_the_clean_layers_standard_deviation() -> None:
    generator = torch.Generator().manual_seed(0)
    mask, valid = mask_of((5, 2, 4)), mask_of((5, 0, 4), padding=0)
    clean, restored = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=generator) * 3 + 1
    rows = clean[mask]
    mean, std = rows.mean(dim=0), rows.std(dim=0, correction=0)  # not the variance
    total, many = 0.0, 0
    for k, length in enumerate((5, 0, 4)):
        for i in range(length):
            z, z_hat = ((x[k, i] - mean) / std for x in (clean, restored))
            total, many = total + (z - z_hat).square().sum().item(), many + 4
    expected = pytest.approx(total / many, rel=1e-12)
    assert reconstruction_cost(restored, clean, mask, valid).item() == expected
    assert reconstruction_cost(5 * restored - 3, 5 * clean - 3, mask, valid).item() == expected
    assert reconstruction_cost(clean, clean, mask, valid) == 0
    assert reconstruction_cost(restored, clean, mask, mask & False) == 0


# The two paths and the losses.


def ladder(sizes: dict[str, int] = TWO, **options: Any) -> FusedSteps:
    """A ladder whose parameters are all away from their initial values."""
    built = FusedSteps("ladder", sizes, of_layers=DEPTH, **options)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in built.fusion.parameters():
            p.copy_(0.5 * torch.randn(p.shape, dtype=torch.float64, generator=generator))
    return built


def paths(
    sizes: dict[str, int] = TWO, lengths: dict[str, Any] = LENGTHS
) -> tuple[dict[str, Encoded], dict[str, Encoded]]:
    return given(sizes, lengths, DEPTH, seed=1), given(sizes, lengths, DEPTH, seed=2)


def plain_normalised(rows: list[Tensor]) -> list[Tensor]:
    """Normalised steps of clips without padding."""
    both = torch.cat(rows)
    return [(r - both.mean(dim=0)) / both.std(dim=0, correction=0) for r in rows]


def plain_decoder(decoder: Decoder, noisy: list[list[Tensor]], other: list[list[Tensor]] | None) -> list[list[Tensor]]:
    """Restored layers, from the last, of clips without padding; layers are given from the last, too."""
    restored: list[list[Tensor]] = []
    for k, combinator in enumerate(decoder.combine):
        above = noisy[0] if k == 0 else [z @ decoder.down[k - 1].weight.T for z in restored[-1]]
        skipped = noisy[k]
        if other is not None:
            resampled = []
            for z, target in zip(other[k], noisy[k], strict=True):
                n, m = len(z), len(target)
                at, given_at = (np.arange(m) + 0.5) / m, (np.arange(n) + 0.5) / n
                columns = [np.interp(at, given_at, z[:, c].detach().numpy()) for c in range(z.shape[1])]
                resampled.append(torch.from_numpy(np.stack(columns, axis=1)) @ decoder.across[k].weight.T)
            skipped = plain_normalised(resampled)
        u = plain_normalised(above)
        a = combinator.a.tolist()
        rows = []
        for z, v in zip(skipped, u, strict=True):
            values = [
                [plain_combine(z[i, c].item(), v[i, c].item(), [row[c] for row in a]) for c in range(z.shape[1])]
                for i in range(len(z))
            ]
            rows.append(torch.tensor(values, dtype=torch.float64))
        restored.append(rows)
    return restored


def plain_cost(restored: list[Tensor], clean: list[Tensor]) -> float:
    std = torch.cat(clean).std(dim=0, correction=0)
    squares = [((r - c) / std).square() for r, c in zip(restored, clean, strict=True)]
    return torch.cat(squares).mean().item()


def from_the_last(encoded: Encoded) -> list[list[Tensor]]:
    """Layer, from the last -> clip -> valid steps."""
    return [[layer[k][encoded.mask[k]] for k in range(len(layer))] for layer in reversed(encoded.layers)]


@two_and_three
@pytest.mark.parametrize("skips", ["own", "cross", "both", "none"])
def test_the_unsupervised_loss_is_its_plain_loop(sizes: dict[str, int], skips: str) -> None:
    weights = (0.5, 2.0, 0.25)
    built, (clean, noisy) = ladder(sizes, skips=skips, depth=DEPTH, reconstruction=weights), paths(sizes)
    losses = built(clean, None, noisy).losses
    assert set(losses) == {"own": {"own"}, "cross": {"cross"}, "both": {"own", "cross"}, "none": set()}[skips]
    target = {m: from_the_last(e) for m, e in clean.items()}
    noisy_layers = {m: from_the_last(e) for m, e in noisy.items()}

    def total(decoder: Decoder, modality: str, other: str | None) -> float:
        restored = plain_decoder(decoder, noisy_layers[modality], None if other is None else noisy_layers[other])
        return sum(w * plain_cost(r, c) for w, r, c in zip(weights, restored, target[modality], strict=True))

    if "own" in losses:
        own = [total(built.fusion.own[m], m, None) for m in sizes]
        assert losses["own"].item() == pytest.approx(sum(own) / len(own), rel=1e-9)
    if "cross" in losses:
        cross = [total(built.fusion.cross[f"{s}_to_{t}"], t, s) for s, t in permutations(sizes, 2)]
        assert losses["cross"].item() == pytest.approx(sum(cross) / len(cross), rel=1e-9)


@pytest.mark.parametrize("predict", ["mean", "joint"])
def test_the_supervised_loss_is_the_mean_of_three_on_the_noisy_path(predict: str) -> None:
    built, (clean, noisy) = ladder(predict=predict, skips="none"), paths()

    def logits(encoded: dict[str, Encoded]) -> list[Tensor]:
        joint = built.fusion.joint(torch.cat([encoded["audio"].vector, encoded["vision"].vector], dim=1))
        return [joint, *(built.fusion.heads[m](encoded[m].vector) for m in TWO)]

    output = built(clean, LABELS, noisy)
    assert list(output.losses) == ["supervised"]
    expected = sum(F.cross_entropy(one, LABELS) for one in logits(noisy)) / 3
    torch.testing.assert_close(output.losses["supervised"], expected)
    assert not output.logits.requires_grad
    predicted = built(clean)
    assert predicted.losses == {}
    every = logits(clean)
    torch.testing.assert_close(predicted.logits, every[0] if predict == "joint" else sum(every) / 3)
    own = built.fusion.unimodal_logits(clean, FusionContext())
    torch.testing.assert_close(list(own.values()), every[1:])


@two_and_three
@pytest.mark.parametrize("skips", ["own", "cross", "both"])
def test_a_gradient_reaches_every_decoder(sizes: dict[str, int], skips: str) -> None:
    built, (clean, noisy) = ladder(sizes, skips=skips), paths(sizes)
    xs = [e.layers[0].requires_grad_() for path in (clean, noisy) for e in path.values()]
    sum(built(clean, LABELS, noisy).losses.values()).backward()
    assert [n for n, p in built.fusion.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert all(x.grad is not None and x.grad.isfinite().all() and x.grad.abs().sum() > 0 for x in xs)


@pytest.mark.parametrize("skips", ["own", "cross"])
def test_gradients_of_a_decoder(skips: str) -> None:
    sizes = {"audio": 2, "vision": 3}
    built = FusedSteps("ladder", sizes, of_layers=2, skips=skips)
    lengths = {"audio": (3, 1), "vision": (2, 2)}
    clean, noisy = given(sizes, lengths, 2, seed=1), given(sizes, lengths, 2, seed=2)
    with torch.no_grad():
        for p in built.fusion.parameters():
            p.normal_(std=0.5)
    flat = [x for path in (clean, noisy) for e in path.values() for x in e.layers]
    trained = list(built.fusion.get_submodule(skips).parameters())

    def run(*tensors: Tensor) -> Tensor:
        rest = iter(tensors)
        both = [{m: e._replace(layers=(next(rest), next(rest))) for m, e in path.items()} for path in (clean, noisy)]
        return built(both[0], None, both[1]).losses[skips]

    assert torch.autograd.gradcheck(run, (*(x.requires_grad_() for x in flat), *trained))


@two_and_three
def test_padding_is_in_neither_statistics_nor_costs(sizes: dict[str, int]) -> None:
    built, (clean, noisy) = ladder(sizes), paths(sizes)
    expected = built(clean, LABELS, noisy)
    for junk in (0.0, 1e3):
        found = built(repadded(clean, 4, junk), LABELS, repadded(noisy, 4, junk))
        assert list(found.losses) == ["supervised", "own", "cross"]
        torch.testing.assert_close(found.losses, expected.losses, rtol=1e-9, atol=1e-9)
    logits = built(clean).logits
    for k in range(4):
        torch.testing.assert_close(built(alone(clean, k)).logits[0], logits[k], rtol=1e-9, atol=1e-9)


def test_a_clip_without_a_modality_costs_nothing_there() -> None:
    lengths = {"audio": (9, 0, 4, 7), "vision": (3, 5, 1, 0)}
    built, (clean, noisy) = ladder(), paths(TWO, lengths)
    output = built(clean, LABELS, noisy)
    sum(output.losses.values()).backward()
    assert all(loss.isfinite() for loss in output.losses.values())
    assert all(p.grad.isfinite().all() for p in built.fusion.parameters())
    changed = {m: e._replace(layers=tuple(x.clone() for x in e.layers)) for m, e in clean.items()}
    changed["audio"].layers[0][3] += torch.linspace(0, 1, 9)[:, None]  # without an image: only its own cost changes
    before, after = (built(path, None, noisy).losses for path in (clean, changed))
    assert before["own"] != after["own"]
    lacking = [e._replace(layers=tuple(x[1:2] for x in e.layers), mask=e.mask[1:2]) for e in noisy.values()]
    restored = Decoder((4,), (6,)).double()(
        lacking[1].layers[-1:], lacking[1].mask, lacking[0].layers[-1:], lacking[0].mask
    )
    assert restored[0].isfinite().all()
    whole = ladder(skips="cross", depth=1)
    for path in (clean, changed):
        path["audio"].layers[-1].requires_grad_()
    whole(changed, None, noisy).losses["cross"].backward()
    assert (changed["audio"].layers[-1].grad[1] == 0).all()


def test_a_clip_without_the_other_modality_leaves_its_statistics_alone() -> None:
    torch.manual_seed(0)
    decoder = Decoder((4,), (6,)).double()
    torch.nn.init.normal_(decoder.combine[0].a)
    own, other = torch.randn(3, 4, 4).double(), torch.randn(3, 5, 6).double()
    mask, other_mask = mask_of((4, 2, 3)), mask_of((5, 0, 2))
    both = mask & other_mask.any(dim=1, keepdim=True)
    above = batch_normalise(own, mask)  # of every clip that has the modality itself
    skipped = torch.cat([resample_steps(other[k : k + 1], other_mask[k : k + 1], mask[k : k + 1]) for k in (0, 2)])
    skipped = batch_normalise(skipped @ decoder.across[0].weight.T, mask[[0, 2]])
    expected = decoder.combine[0](skipped, above[[0, 2]])
    torch.testing.assert_close(decoder([own], mask, [other], other_mask)[0][both], expected[mask[[0, 2]]])


def test_depth_counts_from_the_last_layer() -> None:
    built = ladder(depth=2)
    assert [len(built.fusion.own[m].combine) for m in TWO] == [2, 2]
    uneven = Ladder({"audio": (6,) * 5, "vision": (4,) * 2}, CLASSES, Options())
    assert [len(d.combine) for part in (uneven.own, uneven.cross) for d in part.values()] == [2] * 4
    with pytest.raises(ConfigError, match=r"restore 4 layers.*audio 5, vision 2"):
        Ladder({"audio": (6,) * 5, "vision": (4,) * 2}, CLASSES, Options(depth=4))
    clean, noisy = paths()
    layer = clean["audio"].layers[0].requires_grad_()
    sum(built(clean, None, noisy).losses.values()).backward()
    assert layer.grad is None


def test_parameters() -> None:
    def total(**options: Any) -> int:
        with torch.device("meta"):
            fusion = Ladder({"audio": (6,) * 3, "vision": (4,) * 3}, CLASSES, Options(**options))
        return sum(p.numel() for p in fusion.parameters())

    base = 2 * 110 + 33 + 21 + 15  # residual MLP of 10, and three classifiers of 10, 6 and 4
    own = 3 * 10 * 10 + 2 * (36 + 16)
    cross = own + 3 * 2 * 24
    assert [total(skips=s) for s in ("none", "own", "cross", "both")] == [
        base,
        base + own,
        base + cross,
        base + own + cross,
    ]
    assert total(skips="own", depth=1) == base + 100


@pytest.mark.parametrize(
    "options",
    [
        {"depth": 0},
        {"noise": -0.1},
        {"reconstruction": -1.0},
        {"reconstruction": (0.1, -1.0), "depth": 2},
        {"reconstruction": (0.1, 0.2)},
        {"skips": "all"},
        {"crossmodal": {"dim": 10, "heads": 3}},
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Options(**options)


@pytest.mark.parametrize(
    "options", [{}, {"reconstruction": (0.1, 1.0), "depth": 2}, {"crossmodal": {"dim": 8, "heads": 2}}]
)
def test_options_survive_being_written(options: dict[str, Any]) -> None:
    chosen = Options(**options)
    assert Options(**chosen.model_dump(mode="json")) == chosen


def test_the_joint_network_may_be_that_of_auxformer() -> None:
    sizes = {"audio": 6, "vision": 4}
    built = FusedSteps("ladder", sizes, of_layers=DEPTH, crossmodal={"dim": 4, "heads": 2, "layers": 1})
    built.fusion.eval()
    encoded = given(sizes, layers=DEPTH)
    logits = built(encoded).logits
    for k in range(4):
        torch.testing.assert_close(built(alone(encoded, k)).logits[0], logits[k], rtol=1e-9, atol=1e-9)
    apart = encoded["audio"]._replace(layers=(encoded["audio"].layers[0] + 1, *encoded["audio"].layers[1:]))
    assert not torch.equal(built({**encoded, "audio": apart}).logits, logits)


def test_a_decoder_learns_to_restore_better_than_the_noise_leaves_it() -> None:
    """Columns that move together: the layer above has the part of one that the noise hides."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    decoder, mask = Decoder((6, 6)), torch.ones(64, 4, dtype=torch.bool)
    optimiser = torch.optim.Adam(decoder.parameters(), lr=0.03)
    costs = []
    for _ in range(300):
        clean = (torch.randn(64, 4, 1, generator=generator) * torch.tensor([1.0, -2.0, 0.5, 1.0, 3.0, 1.0])).expand(
            -1, -1, 6
        )
        noisy = [clean + 0.5 * clean.std(dim=(0, 1)) * torch.randn(clean.shape, generator=generator) for _ in range(2)]
        restored = decoder(noisy, mask)
        loss = torch.stack([reconstruction_cost(z, clean, mask, mask) for z in restored]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        costs.append([reconstruction_cost(z, clean, mask, mask).item() for z in restored])
    # A noisy layer itself costs .25; the best restoration from its own column, .2; the top layer can do no better.
    assert np.mean([c[0] for c in costs[-30:]]) == pytest.approx(0.2, abs=0.02)
    assert np.mean([c[1] for c in costs[-30:]]) < 0.12


# In a network.


def network(encoder: str = "transformer", **options: Any) -> Network:
    small = {"dim": 8, "heads": 2, "layers": 2, "dropout": 0.0, "attention_dropout": 0.0}
    small |= {"input_dropout": 0.0} if encoder == "auxformer" else {"ffn_dim": 8}
    cell = {"modalities": ("audio", "vision"), "encoder": encoder, "encoder_options": small, "fusion": "ladder"}
    experiment = Experiment(title="t", corpus="synthetic", cells=(cell | {"fusion_options": options},))
    torch.manual_seed(0)
    return Network(recipe_for(experiment, experiment.cells[0], ("a", "b", "c"), {"lld": 3, "vggface": 4}))


def batch() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    masks = {"audio": mask_of((7, 2, 5)), "vision": mask_of((3, 4, 1))}
    generator = torch.Generator().manual_seed(0)
    values = {m: torch.randn(*masks[m].shape, n, generator=generator) for m, n in (("audio", 3), ("vision", 4))}
    return {m: x * masks[m][..., None] for m, x in values.items()}, masks


@pytest.mark.parametrize("encoder", ["transformer", "auxformer"])
def test_noise_is_in_training_alone(encoder: str) -> None:
    net, (values, masks) = network(encoder, noise=0.5), batch()
    assert len(net.fusion.own["audio"].combine) == 3

    def run(seed: int) -> Any:
        torch.manual_seed(seed)
        return net(values, masks)

    net.train()
    assert torch.equal(run(1).logits, run(1).logits)
    assert not torch.equal(run(1).logits, run(2).logits)
    assert set(run(1).losses) == {"own", "cross"}  # no labels are needed
    net.eval()
    assert torch.equal(run(1).logits, run(2).logits)
    assert run(1).losses == {}


def test_without_noise_both_paths_are_one() -> None:
    net, (values, masks) = network(noise=0.0), batch()
    trained = net.train()(values, masks).logits
    torch.testing.assert_close(trained, net.eval()(values, masks).logits)


def test_the_clean_layers_are_restored() -> None:
    net, (values, masks) = network(noise=0.5), batch()
    torch.manual_seed(1)
    clean = net.encode(values, masks)
    noisy = net.encode(values, masks, 0.5)
    expected = net.fusion(clean, FusionContext(noisy=noisy)).losses
    torch.manual_seed(1)
    torch.testing.assert_close(net.train()(values, masks).losses, expected)


def test_unlabelled_clips_can_be_used() -> None:
    assert SPEC.uses_unlabelled
    net, (values, masks) = network(), batch()
    sum(net.train()(values, masks).losses.values()).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in net.fusion.own.parameters())
    assert all(p.grad is None for p in net.fusion.joint.parameters())
