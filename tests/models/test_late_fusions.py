"""Late fusions against written-out formulas and independent solvers, and in a whole training run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from support.fused import CLASSES, SCORE, THREE, TWO, Fused, drawn
from torch import Tensor, nn
from torch.nn import functional as F

from affectstore.models.blocks.late import log_mean, log_probabilities
from affectstore.models.fusions.stacked import regression
from affectstore.models.fusions.weighted import proportions
from affectstore.models.training.saved_model import load_model


@pytest.mark.parametrize("sizes", [TWO, THREE], ids=["two", "three"])
def test_mean_and_product_of_probabilities(sizes: dict[str, int]) -> None:
    vectors = drawn(sizes)
    for name in SCORE:
        fused = Fused(name, sizes)
        each = torch.stack([torch.softmax(F.linear(vectors[m], *fused[f"heads.{m}"]), dim=1) for m in sizes])
        expected = each.prod(dim=0) if name == "product" else each.sum(dim=0)
        expected = expected / expected.sum(dim=1, keepdim=True)
        torch.testing.assert_close(torch.softmax(fused(vectors).logits, dim=1), expected)
        assert sorted(fused(vectors, torch.tensor([0, 1, 2, 0])).losses) == sorted(f"own_{m}" for m in sizes)


@pytest.mark.parametrize("name", SCORE)
def test_certain_classifiers_have_finite_logits_and_gradients(name: str) -> None:
    fused = Fused(name, TWO)
    fused.fusion.float()
    vectors = {m: (1e5 * v.float()).requires_grad_() for m, v in drawn(TWO).items()}
    labels = torch.tensor([0, 1, 2, 0])
    if fused.declared.SPEC.calibrates:
        fused.calibrate({m: v.detach() for m, v in vectors.items()}, labels)
    output = fused(vectors, labels)
    sum(output.losses.values()).backward()
    assert output.logits.isfinite().all()
    assert F.cross_entropy(fused(vectors).logits, labels).isfinite()
    assert all(p.grad.isfinite().all() for p in (*fused.fusion.parameters(), *vectors.values()))


@pytest.mark.parametrize("name", SCORE)
def test_a_modality_learns_as_if_it_were_alone(name: str) -> None:
    fused, vectors, labels = Fused(name, THREE), drawn(THREE), torch.tensor([0, 1, 2, 0])
    for vector in vectors.values():
        vector.requires_grad_()
    output = fused(vectors, labels)
    (F.cross_entropy(output.logits, labels) + sum(output.losses.values())).backward()
    for m, vector in vectors.items():
        learned = (vector, fused.fusion.heads[m].weight, fused.fusion.heads[m].bias)
        alone = F.cross_entropy(F.linear(*learned), labels)
        for p, gradient in zip(learned, torch.autograd.grad(alone, learned), strict=True):
            torch.testing.assert_close(p.grad, gradient)
    assert fused(vectors).logits.requires_grad  # in evaluation, where attributions may need it


def test_a_late_fusion_without_one_modality_is_one_of_the_others() -> None:
    vectors, labels = drawn(TWO, clips=30), torch.arange(30) % CLASSES
    available = {"audio": torch.zeros(30, dtype=torch.bool), "vision": torch.ones(30, dtype=torch.bool)}
    for name in SCORE:
        fused = Fused(name, TWO)
        if name == "weighted":
            fused.fusion.weights.copy_(torch.tensor([1.0, 1e-12]))
        alone = log_probabilities(fused.fusion.heads["vision"](vectors["vision"]))
        got = torch.log_softmax(fused(vectors, available=available).logits, dim=1)
        torch.testing.assert_close(got, alone)
    stacked = Fused("stacked", TWO)
    stacked.calibrate(vectors, labels)
    weight, bias = stacked.fusion.weight, stacked.fusion.bias
    alone = log_probabilities(stacked.fusion.heads["vision"](vectors["vision"]))
    unknown = torch.full_like(alone, -math.log(CLASSES))
    expected = torch.cat([unknown, alone], dim=1) @ weight + bias
    torch.testing.assert_close(stacked(vectors, available=available).logits, expected)


def test_log_probabilities_are_single_precision_where_vectors_are_half() -> None:
    logits = torch.tensor([[3.0, -2.0, 90.0]], dtype=torch.bfloat16)
    log_p = log_probabilities(logits)
    assert log_p.dtype == torch.float32
    torch.testing.assert_close(log_p, torch.log_softmax(logits.float(), dim=1))
    assert log_probabilities(logits.double()).dtype == torch.float64
    torch.testing.assert_close(log_mean([log_p, log_p]), log_p)


def clips_with_a_clue(strength: dict[str, float], clips: int, seed: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    """Vectors with one element per class; that of the label is larger by `strength`, by modality."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (clips,), generator=generator)
    noise = {m: torch.randn(clips, CLASSES, dtype=torch.float64, generator=generator) for m in strength}
    return {m: x + strength[m] * F.one_hot(labels, CLASSES) for m, x in noise.items()}, labels


def reading(name: str, modalities: tuple[str, ...], **options: Any) -> Fused:
    """A late fusion whose classifiers output their vectors as logits."""
    fused = Fused(name, dict.fromkeys(modalities, CLASSES), **options)
    for m in modalities:
        nn.init.eye_(fused.fusion.heads[m].weight)
        nn.init.zeros_(fused.fusion.heads[m].bias)
    return fused


def test_weights_minimise_the_cross_entropy() -> None:
    strength = {"audio": 1.0, "vision": 1.5, "text": 0.2}
    vectors, labels = clips_with_a_clue(strength, clips=200)
    fused = reading("weighted", tuple(strength))
    assert torch.equal(fused.fusion.weights, torch.full((3,), 1 / 3).double())
    before = F.cross_entropy(fused(vectors).logits, labels)
    fused.calibrate(vectors, labels)
    weights = fused.fusion.weights.clone()
    p = np.stack([torch.softmax(vectors[m], dim=1)[range(200), labels].numpy() for m in strength])
    found = minimize(
        lambda w: -np.log(w @ p).mean(),
        np.full(3, 1 / 3),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14},
    )
    np.testing.assert_allclose(weights, found.x, atol=2e-3)
    after = F.cross_entropy(fused(vectors).logits, labels)
    assert after < before
    np.testing.assert_allclose(after.item(), found.fun, atol=2e-6)
    assert fused.fusion.weights.dtype == torch.float64  # the dtype that it had
    fused.calibrate(vectors, labels)
    torch.testing.assert_close(fused.fusion.weights, weights, rtol=0, atol=0)
    assert fused.fusion.weights.requires_grad is False


@given(
    st.integers(1, 3).flatmap(
        lambda m: st.lists(st.lists(st.floats(-1e4, 0), min_size=m, max_size=m), min_size=1, max_size=20)
    )
)
@settings(max_examples=50, deadline=None)
def test_proportions_are_within_a_bound_of_the_best(rows: list[list[float]]) -> None:
    log_p = torch.tensor(rows, dtype=torch.float64).T
    weights = proportions(log_p)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(), 1, atol=1e-9)
    likely = torch.logsumexp(log_p + weights.log().unsqueeze(1), dim=0)
    gain = torch.exp(log_p - likely).mean(dim=1)
    assert gain.max() - 1 < math.log(3) / 20_000 + 1e-6  # above the least cross-entropy by no more than this


def test_the_regression_is_that_of_another_solver() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 5)), np.arange(60) % 3
    features[:, 0] += labels
    got = regression(features, labels, num_classes=3, l2=0.7)
    ones = np.column_stack([features, np.ones(60)])
    other = LogisticRegression(C=1 / 0.7, fit_intercept=False, tol=1e-10, max_iter=10_000).fit(ones, labels)
    np.testing.assert_allclose(got, other.coef_.T, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_regression_is_stationary_also_where_a_class_has_no_clip(classes: int) -> None:
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(40, 3)), np.arange(40) % 2
    matrix = regression(features, labels, classes, l2=2.0)
    inputs = np.column_stack([features, np.ones(40)])
    p = np.exp(inputs @ matrix)
    p /= p.sum(axis=1, keepdims=True)
    slope = inputs.T @ (p - np.eye(classes)[labels]) + 2.0 * matrix
    np.testing.assert_allclose(slope, 0, atol=1e-5)
    assert (p[:, 2:] < 0.2).all()


def test_stacking_is_the_mean_until_it_is_calibrated_and_corrects_a_modality_that_is_wrong() -> None:
    vectors, labels = clips_with_a_clue({"audio": 3.0, "vision": 0.0}, clips=300)
    vectors["audio"] = vectors["audio"].roll(1, dims=1)  # sure, and always of the next class
    fused, mean = reading("stacked", ("audio", "vision"), l2=1.0), reading("mean", ("audio", "vision"))
    torch.testing.assert_close(fused(vectors).logits, mean(vectors).logits)
    fused.calibrate(vectors, labels)
    read = torch.cat([torch.log_softmax(v, dim=1) for v in vectors.values()], dim=1).clamp(min=math.log(1e-6))
    expected = regression(read.numpy(), labels.numpy(), CLASSES, 1.0)
    torch.testing.assert_close(fused(vectors).logits, read @ torch.tensor(expected[:-1]) + torch.tensor(expected[-1]))
    fresh, truth = clips_with_a_clue({"audio": 3.0, "vision": 0.0}, clips=300, seed=9)
    fresh["audio"] = fresh["audio"].roll(1, dims=1)
    assert (mean(fresh).logits.argmax(dim=1) == truth).double().mean() < 0.2
    assert (fused(fresh).logits.argmax(dim=1) == truth).double().mean() > 0.85


@pytest.mark.parametrize("name", ["stacked", "weighted"])
def test_calibrated_parameters_are_saved_and_not_trained(name: str) -> None:
    vectors, labels = drawn(THREE, clips=40), torch.arange(40) % CLASSES
    fused, again = Fused(name, THREE), Fused(name, THREE, seed=5)
    buffers = {n: b.clone() for n, b in fused.fusion.named_buffers()}
    own = fused(vectors, labels).losses
    fused.calibrate(vectors, labels)
    assert all(not torch.equal(b, buffers[n]) for n, b in fused.fusion.named_buffers())
    assert set(buffers).isdisjoint(n for n, _ in fused.fusion.named_parameters())
    for loss, calibrated in zip(own.values(), fused(vectors, labels).losses.values(), strict=True):
        assert torch.equal(loss, calibrated)
    again.fusion.load_state_dict(fused.fusion.state_dict())
    assert torch.equal(again(vectors).logits, fused(vectors).logits)
    assert F.cross_entropy(fused(vectors).logits, labels) < F.cross_entropy(Fused(name, THREE)(vectors).logits, labels)


@pytest.mark.parametrize("name", ["stacked", "weighted"])
def test_a_run_calibrates_on_its_validation_subset_and_saves_the_parameters(name: str, bench: Any, fake: Any) -> None:
    cell = {"modalities": ["audio", "vision"], "encoder": "simple3d", "sharing": "separate"}
    folders: dict[str, Path] = {f: bench.train(fake.experiment({**cell, "fusion": f}), f) for f in ("mean", name)}
    losses = {}
    for fusion, folder in folders.items():
        rows = pd.read_parquet(folder / "predictions.parquet").query("subset == 'val'")
        p = rows[[f"p_{label}" for label in ("ANG", "HAP", "SAD")]].to_numpy()
        losses[fusion] = -np.log(p[range(len(rows)), rows["y"].map({"ANG": 0, "HAP": 1, "SAD": 2})]).mean()
    assert losses[name] < losses["mean"]
    mean, calibrated = load_model(folders["mean"])[0], load_model(folders[name])[0]
    buffers = dict(calibrated.fusion.named_buffers())
    if name == "stacked":
        assert buffers["calibrated"]
    else:
        assert not torch.equal(buffers["weights"], torch.full((2,), 0.5))
    for parameter, value in mean.named_parameters():  # the same seed, and the same gradients
        torch.testing.assert_close(value, calibrated.get_parameter(parameter))
