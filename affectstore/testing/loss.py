"""Contract of a loss: mean and sum, class weights, unlabelled clips, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.modules import UNLABELLED, Criterion, Loss
from affectstore.models.spec import LossSpec
from affectstore.testing.declaration import DeclarationContract

LABELS = torch.tensor([0, 3, 1, 1, 2, 0, 3])
SOME_UNLABELLED = torch.where(torch.arange(7) % 3 == 1, UNLABELLED, LABELS)
CLASS_WEIGHTS = (0.5, 1.0, 3.0, 0.25)

Make = Callable[..., Loss]

weighted = pytest.mark.parametrize("weights", [None, CLASS_WEIGHTS], ids=["unweighted", "weighted"])
labelled = pytest.mark.parametrize("labels", [LABELS, SOME_UNLABELLED], ids=["labelled", "some-unlabelled"])


def make_logits(dtype: torch.dtype = torch.float64) -> Tensor:
    """Random logits (7, 4)."""
    return 2 * torch.randn(7, 4, dtype=dtype, generator=torch.Generator().manual_seed(0))


class LossContract(DeclarationContract):
    """Tests of a loss: inherit it, and set `member` to the loss's module.

    Attributes:
        member: Module with `SPEC`, `Options` and `build`.
        options: Options that the tests use.
    """

    @pytest.fixture
    def make(self, declared: Any, small_options: Any) -> Make:
        """Function from class weights and label smoothing to the loss."""

        def build(weights: tuple[float, ...] | None = None, smoothing: float = 0.0) -> Loss:
            loss: Loss = declared.build(None if weights is None else torch.tensor(weights), smoothing, small_options)
            return loss

        return build

    def test_a_loss_has_no_parameters(self, declared: Any, make: Make) -> None:
        """A loss is a `Loss` with a complete `LossSpec` and without trainable parameters."""
        assert isinstance(declared.SPEC, LossSpec)
        assert declared.SPEC.paper
        assert isinstance(make(), Loss)
        assert not list(make().parameters())

    @weighted
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["single", "double"])
    @labelled
    def test_the_mean_is_the_sum_over_the_weight(
        self, make: Make, labels: Tensor, dtype: torch.dtype, weights: tuple[float, ...] | None
    ) -> None:
        """The mean is the sum divided by `weight(labels)`, in the precision of the logits."""
        loss, logits = make(weights), make_logits(dtype=dtype)
        mean, total, weight = loss(logits, labels, "mean"), loss(logits, labels, "sum"), loss.weight(labels)
        assert mean.shape == total.shape == weight.shape == ()
        assert mean.dtype == total.dtype == dtype
        assert mean.item() > 0
        torch.testing.assert_close(mean.double(), total.double() / weight.double())

    @weighted
    def test_the_sum_is_over_clips_that_do_not_depend_on_each_other(
        self, make: Make, weights: tuple[float, ...] | None
    ) -> None:
        """The sum over a batch is that of its clips one by one."""
        loss, logits = make(weights), make_logits()
        each = torch.stack([loss(logits[k : k + 1], LABELS[k : k + 1], "sum") for k in range(len(LABELS))])
        torch.testing.assert_close(loss(logits, LABELS, "sum"), each.sum())
        own_weights = torch.stack([loss.weight(LABELS[k : k + 1]) for k in range(len(LABELS))])
        torch.testing.assert_close(loss.weight(LABELS), own_weights.sum())

    @weighted
    def test_clips_without_labels_have_no_part(self, make: Make, weights: tuple[float, ...] | None) -> None:
        """Unlabelled clips change neither mean nor sum, and get no gradient."""
        loss, logits = make(weights), make_logits().requires_grad_()
        has_label = SOME_UNLABELLED != UNLABELLED
        for reduction in ("mean", "sum"):
            expected = loss(logits[has_label], SOME_UNLABELLED[has_label], reduction)
            torch.testing.assert_close(loss(logits, SOME_UNLABELLED, reduction), expected)
        torch.testing.assert_close(loss.weight(SOME_UNLABELLED), loss.weight(SOME_UNLABELLED[has_label]))
        loss(logits, SOME_UNLABELLED, "sum").backward()
        assert logits.grad is not None
        assert (logits.grad[~has_label] == 0).all()
        assert (logits.grad[has_label].abs().sum(dim=1) > 0).all()

    @weighted
    def test_a_batch_without_labels_has_no_loss_and_a_gradient_of_zero(
        self, make: Make, weights: tuple[float, ...] | None
    ) -> None:
        """A batch without labels has the loss 0."""
        loss, logits, labels = make(weights), make_logits().requires_grad_(), torch.full((7,), UNLABELLED)
        assert loss(logits, labels, "sum").item() == 0
        assert loss.weight(labels).item() == 0
        mean = Criterion(loss, labels, some_unlabelled=True)(logits)
        mean.backward()
        assert mean.item() == 0
        assert logits.grad is not None
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    @weighted
    def test_losses_and_gradients_are_finite(self, make: Make, weights: tuple[float, ...] | None) -> None:
        """Large logits have finite losses and gradients."""
        loss = make(weights)
        for scale in (0.0, 1.0, 1e2, 1e4):  # also where a class is certain, rightly or wrongly
            logits = (scale * make_logits(dtype=torch.float32)).requires_grad_()
            mean = loss(logits, LABELS, "mean")
            mean.backward()
            assert mean.isfinite()
            assert logits.grad is not None
            assert logits.grad.isfinite().all()

    def test_gradients_are_the_derivatives(self, make: Make) -> None:
        """Gradients are those of finite differences."""
        loss, logits = make(), make_logits().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: loss(x, LABELS, "mean"), (logits,))

    def test_the_right_class_lowers_the_loss(self, make: Make) -> None:
        """A higher logit of the right class lowers the loss."""
        loss, logits = make(), make_logits()
        right = logits + 2 * F.one_hot(LABELS, 4)
        wrong = logits + 2 * F.one_hot((LABELS + 1) % 4, 4)
        losses = [loss(x, LABELS, "mean").item() for x in (right, logits, wrong)]
        assert losses == sorted(losses)
        assert losses[0] < losses[2]

    def test_log_probabilities_are_logits_too(self, make: Make) -> None:
        """Log-probabilities, which late fusions pass, are logits too."""
        loss, logits = make(), make_logits()
        expected = loss(logits, LABELS, "mean")
        torch.testing.assert_close(loss(torch.log_softmax(logits, dim=1), LABELS, "mean"), expected)

    def test_class_weights_of_one_change_nothing_and_others_do(self, make: Make) -> None:
        """Class weights scale the sum, and only their ratios the mean."""
        plain, ones, weighted = (make(weights) for weights in (None, (1.0,) * 4, CLASS_WEIGHTS))
        logits = make_logits()
        torch.testing.assert_close(ones(logits, LABELS, "mean"), plain(logits, LABELS, "mean"))
        assert not torch.allclose(weighted(logits, LABELS, "mean"), plain(logits, LABELS, "mean"))
        doubled = make(tuple(2 * weight for weight in CLASS_WEIGHTS))
        torch.testing.assert_close(doubled(logits, LABELS, "mean"), weighted(logits, LABELS, "mean"))
        torch.testing.assert_close(doubled(logits, LABELS, "sum"), 2 * weighted(logits, LABELS, "sum"))

    @weighted
    @labelled
    def test_parts_of_a_batch_average_to_the_mean_of_all(
        self, make: Make, labels: Tensor, weights: tuple[float, ...] | None
    ) -> None:
        """Parts of a batch, as several processes share it, average to the mean of all; with mixed labels too."""
        loss, logits = make(weights), make_logits()
        unlabelled = bool((labels == UNLABELLED).any())
        whole = Criterion(loss, labels, labels.flip(0), 0.7, some_unlabelled=unlabelled)
        parts = [torch.arange(7)[k::3] for k in range(3)]
        means = [len(rows) / 7 * whole.select(rows)(logits[rows]) for rows in parts]
        torch.testing.assert_close(sum(means), whole(logits))

    def test_label_smoothing_is_used_where_it_is_declared(self, declared: Any, make: Make) -> None:
        """With `SPEC.label_smoothing`, certainty costs more the more certain it is, and the loss is another one."""
        if not declared.SPEC.label_smoothing:
            return
        plain, smoothed = make(), make(smoothing=0.3)
        certain = 20.0 * F.one_hot(LABELS, 4).double()  # costs nothing, but for the other classes' part
        assert plain(certain, LABELS, "mean").item() == pytest.approx(0, abs=1e-6)
        assert smoothed(certain, LABELS, "mean") > 0.1
        assert smoothed(2 * certain, LABELS, "mean") > smoothed(certain, LABELS, "mean")
        for reduction in ("mean", "sum"):
            logits = make_logits()
            assert not torch.allclose(smoothed(logits, LABELS, reduction), plain(logits, LABELS, reduction))
