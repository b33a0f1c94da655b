"""The ladder fusion against written-out loops: its combinator, its two paths and its losses."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
from support.fused_steps import CLASSES, LABELS, LENGTHS, THREE, TWO, FusedSteps, alone, given, mask_of, repadded
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from affectstore.errors import ConfigError
from affectstore.models.blocks.batch_stats import batch_normalise
from affectstore.models.blocks.ladder import Combinator, Decoder, resample_steps
from affectstore.models.fusions.ladder import Ladder, Options
from affectstore.models.modules import Encoded, FusionContext

DEPTH = 3

two_and_three = pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])


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
