"""Cross-entropy by hand: class weights, label smoothing, clips without labels, mixed clips."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from support.training import history, training
from torch.nn import functional as F

from affectstore.models.modules import UNLABELLED, Criterion, Loss
from affectstore.models.spec import LOSSES
from affectstore.models.training.optim import balanced_class_weights

PROBE = {"modalities": ["audio", "vision"], "encoder": "simple3d", "sharing": "separate", "fusion": "probe"}
LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0], [0.0, 0.0, 3.0], [1.0, 1.0, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 2, 2, 1])


def cross_entropy(weight: torch.Tensor | None = None, smoothing: float = 0.0) -> Loss:
    declared = LOSSES.load("cross_entropy")
    loss: Loss = declared.build(weight, smoothing, declared.Options())
    return loss


def by_hand(logits: torch.Tensor, labels: torch.Tensor, weight: list[float], smoothing: float) -> float:
    """Weighted cross-entropy with smoothed labels, one clip and one class at a time."""
    total, weighed = 0.0, 0.0
    for z, y in zip(logits.tolist(), labels.tolist(), strict=True):
        log_z = math.log(sum(math.exp(v) for v in z))
        for c, v in enumerate(z):
            part = (1 - smoothing) * (c == y) + smoothing / len(z)
            total += weight[c] * part * (log_z - v)
        weighed += weight[y]
    return total / weighed


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [[1.0, 1.0, 1.0], [0.5, 2.0, 1.0]])
def test_the_loss_is_the_weighted_and_smoothed_cross_entropy(weight: list[float], smoothing: float) -> None:
    given_weight = None if weight == [1.0, 1.0, 1.0] else torch.tensor(weight)
    criterion = Criterion(cross_entropy(given_weight, smoothing), LABELS)
    assert criterion(LOGITS).item() == pytest.approx(by_hand(LOGITS, LABELS, weight, smoothing))
    log_p = torch.log_softmax(LOGITS, dim=1)
    assert criterion(log_p).item() == pytest.approx(criterion(LOGITS).item())
    assert criterion(LOGITS.bfloat16()).dtype == torch.float32
    bare = torch.cat([LABELS, torch.tensor([UNLABELLED, UNLABELLED])])
    more = torch.cat([LOGITS, 9 * torch.ones(2, 3)])
    partly = Criterion(cross_entropy(given_weight, smoothing), bare, some_unlabelled=True)
    assert partly(more).item() == pytest.approx(criterion(LOGITS).item())
    parts = [torch.tensor([0, 4]), torch.tensor([1, 2, 3, 5])]
    joined = sum(len(rows) / 6 * partly.select(rows)(more[rows]) for rows in parts)
    assert joined.item() == pytest.approx(criterion(LOGITS).item())


def test_plain_settings_give_torchs_own_cross_entropy_to_the_bit() -> None:
    logits = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(7) % 4
    assert torch.equal(Criterion(cross_entropy(), labels)(logits), F.cross_entropy(logits, labels))


def test_a_batch_without_labels_has_no_loss_and_a_gradient_of_zero() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = Criterion(cross_entropy(), torch.full((4,), UNLABELLED), some_unlabelled=True)(logits)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


def test_the_loss_of_mixed_clips_is_the_mixture_of_the_losses() -> None:
    criterion = Criterion(cross_entropy(), LABELS, LABELS.flip(0), mix_ratio=0.7)
    expected = 0.7 * F.cross_entropy(LOGITS, LABELS) + 0.3 * F.cross_entropy(LOGITS, LABELS.flip(0))
    assert criterion(LOGITS).item() == pytest.approx(expected.item())
    weighted = Criterion(cross_entropy(torch.tensor([1.0, 2.0, 5.0])), LABELS, LABELS.flip(0), mix_ratio=0.7)
    parts = [weighted.select(torch.tensor(rows))(LOGITS[rows]) * len(rows) / 4 for rows in ([0], [1, 2, 3])]
    assert sum(parts).item() == pytest.approx(weighted(LOGITS).item())


def test_balanced_weights_let_each_class_count_the_same() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [3] * 1 + [UNLABELLED] * 5)
    weight = balanced_class_weights(labels, 4)
    np.testing.assert_allclose(weight, [10 / 24, 10 / 12, 0, 10 / 4])
    np.testing.assert_allclose(weight * np.array([6, 3, 0, 1]), np.array([1, 1, 0, 1]) * 10 / 4)
    np.testing.assert_allclose(balanced_class_weights(np.arange(12) % 3, 3), 1)


CHANGES: dict[str, Any] = {"plain": {}, "weighted": {"class_weights": "balanced"}, "smooth": {"label_smoothing": 0.3}}


def test_class_weights_and_smoothing_reach_the_fusions_own_losses(bench: Any, fake: Any) -> None:
    labels = bench.store.clips.set_index("clip_id")["label_intended"]
    train = bench.split.loc[bench.split["subset"] == "train", "clip_id"]
    labels.loc[train[:6]] = "ANG"
    bench.store.clips["label_intended"] = labels.to_numpy()
    one = training(epochs=1, batch_size=12, learning_rate=1e-9)
    rows = {
        name: history(bench.train(fake.experiment(PROBE, train=one | changes), name)).iloc[0]
        for name, changes in CHANGES.items()
    }
    for column in ("train_loss_probe_audio", "train_loss_probe_vision", "train_loss"):
        assert len({round(row[column], 5) for row in rows.values()}) == 3
    assert len({round(row["val_loss"], 5) for row in rows.values()}) == 1  # validation is always the plain one
    parts = rows["plain"]
    assert parts["train_loss"] > parts["train_loss_probe_audio"] + parts["train_loss_probe_vision"]
