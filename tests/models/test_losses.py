"""Every file of models/losses/ keeps its contract: declaration, mean and sum, unlabelled clips, gradients, training.

A new file is tested by being there. The cross-entropy against a written-out formula: test_training_options.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from affectstore.models.cells.validate import cell_problem
from affectstore.models.modules import UNLABELLED, Criterion, Loss
from affectstore.models.spec import LOSSES, LossSpec
from affectstore.models.training.saved_model import load_model

AUDIO = {"modalities": ["audio"], "encoder": "simple3d"}
BOTH = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "probe"}
LABELS = torch.tensor([0, 3, 1, 1, 2, 0, 3])
SOME_UNLABELLED = torch.where(torch.arange(7) % 3 == 1, UNLABELLED, LABELS)
CLASS_WEIGHTS = (0.5, 1.0, 3.0, 0.25)

every = pytest.mark.parametrize("name", LOSSES.names())
weighted = pytest.mark.parametrize("weights", [None, CLASS_WEIGHTS], ids=["unweighted", "weighted"])


def build(name: str, weights: tuple[float, ...] | None = None, smoothing: float = 0.0) -> Loss:
    declared = LOSSES.load(name)
    class_weights = None if weights is None else torch.tensor(weights)
    loss: Loss = declared.build(class_weights, smoothing, declared.Options())
    return loss


def make_logits(clips: int = 7, dtype: torch.dtype = torch.float64) -> Tensor:
    return 2 * torch.randn(clips, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))


@every
def test_a_loss_is_declared_completely(name: str) -> None:
    declared = LOSSES.load(name)
    assert isinstance(declared.SPEC, LossSpec)
    assert declared.SPEC.version >= 1
    assert declared.SPEC.summary
    assert declared.SPEC.paper
    for field in declared.Options.model_fields.values():
        assert field.description
    options = declared.Options()
    assert declared.Options(**options.model_dump(mode="json")) == options
    loss = build(name)
    assert isinstance(loss, Loss)
    assert not list(loss.parameters())


@every
@weighted
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["single", "double"])
@pytest.mark.parametrize("labels", [LABELS, SOME_UNLABELLED], ids=["labelled", "some-unlabelled"])
def test_the_mean_is_the_sum_over_the_weight(
    labels: Tensor, dtype: torch.dtype, weights: tuple[float, ...] | None, name: str
) -> None:
    loss, logits = build(name, weights), make_logits(dtype=dtype)
    mean, total, weight = loss(logits, labels, "mean"), loss(logits, labels, "sum"), loss.weight(labels)
    assert mean.shape == total.shape == weight.shape == ()
    assert mean.dtype == total.dtype == dtype
    assert mean.item() > 0
    torch.testing.assert_close(mean.double(), total.double() / weight.double())


@every
@weighted
def test_the_sum_is_over_clips_that_do_not_depend_on_each_other(weights: tuple[float, ...] | None, name: str) -> None:
    loss, logits = build(name, weights), make_logits()
    each = torch.stack([loss(logits[k : k + 1], LABELS[k : k + 1], "sum") for k in range(len(LABELS))])
    torch.testing.assert_close(loss(logits, LABELS, "sum"), each.sum())
    own_weights = torch.stack([loss.weight(LABELS[k : k + 1]) for k in range(len(LABELS))])
    torch.testing.assert_close(loss.weight(LABELS), own_weights.sum())


@every
@weighted
def test_clips_without_labels_have_no_part(weights: tuple[float, ...] | None, name: str) -> None:
    loss, logits = build(name, weights), make_logits().requires_grad_()
    labelled = SOME_UNLABELLED != UNLABELLED
    for reduction in ("mean", "sum"):
        expected = loss(logits[labelled], SOME_UNLABELLED[labelled], reduction)
        torch.testing.assert_close(loss(logits, SOME_UNLABELLED, reduction), expected)
    torch.testing.assert_close(loss.weight(SOME_UNLABELLED), loss.weight(SOME_UNLABELLED[labelled]))
    loss(logits, SOME_UNLABELLED, "sum").backward()
    assert logits.grad is not None
    assert (logits.grad[~labelled] == 0).all()
    assert (logits.grad[labelled].abs().sum(dim=1) > 0).all()


@every
@weighted
def test_a_batch_without_labels_has_no_loss_and_a_gradient_of_zero(
    weights: tuple[float, ...] | None, name: str
) -> None:
    loss, logits, labels = build(name, weights), make_logits().requires_grad_(), torch.full((7,), UNLABELLED)
    assert loss(logits, labels, "sum").item() == 0
    assert loss.weight(labels).item() == 0
    mean = Criterion(loss, labels, some_unlabelled=True)(logits)
    mean.backward()
    assert mean.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@every
@weighted
def test_losses_and_gradients_are_finite(weights: tuple[float, ...] | None, name: str) -> None:
    loss = build(name, weights)
    for scale in (0.0, 1.0, 1e2, 1e4):  # also where a class is certain, rightly or wrongly
        logits = (scale * make_logits(dtype=torch.float32)).requires_grad_()
        mean = loss(logits, LABELS, "mean")
        mean.backward()
        assert mean.isfinite()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()


@every
def test_gradients_are_the_derivatives(name: str) -> None:
    loss, logits = build(name), make_logits().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, LABELS, "mean"), (logits,))


@every
def test_the_right_class_lowers_the_loss(name: str) -> None:
    loss, logits = build(name), make_logits()
    right = logits + 2 * torch.nn.functional.one_hot(LABELS, 4)
    wrong = logits + 2 * torch.nn.functional.one_hot((LABELS + 1) % 4, 4)
    losses = [loss(x, LABELS, "mean").item() for x in (right, logits, wrong)]
    assert losses == sorted(losses)
    assert losses[0] < losses[2]


@every
def test_log_probabilities_are_logits_too(name: str) -> None:
    """Late fusions pass them."""
    loss, logits = build(name), make_logits()
    expected = loss(logits, LABELS, "mean")
    torch.testing.assert_close(loss(torch.log_softmax(logits, dim=1), LABELS, "mean"), expected)


@every
def test_class_weights_of_one_change_nothing_and_others_do(name: str) -> None:
    plain, ones, weighted = (build(name, weights) for weights in (None, (1.0,) * 4, CLASS_WEIGHTS))
    logits = make_logits()
    torch.testing.assert_close(ones(logits, LABELS, "mean"), plain(logits, LABELS, "mean"))
    assert not torch.allclose(weighted(logits, LABELS, "mean"), plain(logits, LABELS, "mean"))
    doubled = build(name, tuple(2 * weight for weight in CLASS_WEIGHTS))
    torch.testing.assert_close(doubled(logits, LABELS, "mean"), weighted(logits, LABELS, "mean"))
    torch.testing.assert_close(doubled(logits, LABELS, "sum"), 2 * weighted(logits, LABELS, "sum"))


@every
@weighted
@pytest.mark.parametrize("labels", [LABELS, SOME_UNLABELLED], ids=["labelled", "some-unlabelled"])
def test_parts_of_a_batch_average_to_the_mean_of_all(
    labels: Tensor, weights: tuple[float, ...] | None, name: str
) -> None:
    """As several processes share a batch; the labels are mixed, too."""
    loss, logits = build(name, weights), make_logits()
    unlabelled = bool((labels == UNLABELLED).any())
    whole = Criterion(loss, labels, labels.flip(0), 0.7, some_unlabelled=unlabelled)
    parts = [torch.arange(7)[k::3] for k in range(3)]
    means = [len(rows) / 7 * whole.select(rows)(logits[rows]) for rows in parts]
    torch.testing.assert_close(sum(means), whole(logits))


@every
def test_label_smoothing_is_honoured_where_the_loss_has_it_and_refused_elsewhere(name: str, fake: Any) -> None:
    experiment = fake.experiment(AUDIO, train={"loss": name, "label_smoothing": 0.1})
    reason = cell_problem(experiment, experiment.cells[0])
    if not LOSSES.load(name).SPEC.label_smoothing:
        assert reason == f"`label_smoothing` has no meaning for loss {name!r}; leave it out"
        return
    assert reason is None
    plain, smoothed = build(name), build(name, smoothing=0.3)
    certain = 20.0 * torch.nn.functional.one_hot(LABELS, 4).double()  # costs nothing, but for the other classes' part
    assert plain(certain, LABELS, "mean").item() == pytest.approx(0, abs=1e-6)
    assert smoothed(certain, LABELS, "mean") > 0.1
    assert smoothed(2 * certain, LABELS, "mean") > smoothed(certain, LABELS, "mean")
    for reduction in ("mean", "sum"):
        assert not torch.allclose(smoothed(make_logits(), LABELS, reduction), plain(make_logits(), LABELS, reduction))


@every
def test_unknown_options_are_refused_before_any_job(name: str, fake: Any) -> None:
    experiment = fake.experiment(AUDIO, train={"loss": name, "loss_options": {"no_such_option": 1}})
    reason = str(cell_problem(experiment, experiment.cells[0]))
    assert f"options of loss {name!r}" in reason
    assert "no_such_option: unknown key" in reason
    experiment = fake.experiment(AUDIO, train={"loss": name + "x"})
    assert f"Did you mean {name!r}?" in str(cell_problem(experiment, experiment.cells[0]))


@every
@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_networks_are_trained_with_it(class_weights: str, name: str, bench: Any, fake: Any) -> None:
    """Auxiliary losses, mixed labels and half precision included."""
    train = {"loss": name, "class_weights": class_weights, "batch_size": 5, "epochs": 2, "learning_rate": 1e-2}
    train |= {"tricks": {"mixup": {}}, "precision": "bf16-mixed"}
    train |= {"label_smoothing": 0.1} if LOSSES.load(name).SPEC.label_smoothing else {}
    experiment = fake.experiment(BOTH, train=train)
    assert cell_problem(experiment, experiment.cells[0]) is None
    folder = bench.train(experiment)
    history = pd.read_csv(folder / "history.csv")
    columns = ["train_loss", "train_loss_probe_audio", "train_loss_probe_vision", "val_loss"]
    assert (history[columns] > 0).all(axis=None)
    assert np.isfinite(history[columns]).all(axis=None)
    network, _ = load_model(folder)
    assert all(value.isfinite().all() for value in network.state_dict().values())
