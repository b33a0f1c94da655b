"""Optimisers, learning rates and losses, as the settings of `train` name them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from affectstore.config.training import Training
from affectstore.models.data.dataset import ClipSet
from affectstore.models.modules import Loss
from affectstore.models.spec import LOSSES

_MIN_DECREASE = 1e-4  # relative decrease below which a loss counts as constant, as in torch's ReduceLROnPlateau


def make_optimizer(network: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Optimiser of a network's parameters, at the full learning rate."""
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return kind(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True)


def learning_rate_at(settings: Training, history: Sequence[Mapping[str, float]]) -> float:
    """Learning rate of the next epoch: a function of the history alone, so that a resumed run needs no other state.

    Args:
        settings: `learning_rate`, `epochs` and `schedule`.
        history: One row per epoch so far, with `val_loss` or, without a validation subset, `train_loss`.
    """
    schedule, full = settings.schedule, settings.learning_rate
    since_warmup = len(history) - schedule.warmup_epochs
    if since_warmup < 0:
        return full * (len(history) + 1) / (schedule.warmup_epochs + 1)
    if schedule.kind == "none":
        return full
    if schedule.kind == "cosine":
        share = (1 + math.cos(math.pi * since_warmup / (settings.epochs - schedule.warmup_epochs))) / 2
        return max(schedule.min_lr, schedule.min_lr + (full - schedule.min_lr) * share)
    decays = since_warmup // schedule.every if schedule.kind == "step" else _num_plateaus(settings, history)
    return max(min(schedule.min_lr, full), full * schedule.factor**decays)


def _num_plateaus(settings: Training, history: Sequence[Mapping[str, float]]) -> int:
    """Number of times that the loss did not decrease for more than `patience` epochs."""
    best, waited, plateaus = math.inf, 0, 0
    for row in history:
        loss = row.get("val_loss", row["train_loss"])
        if loss < best * (1 - _MIN_DECREASE):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > settings.schedule.patience:
            waited, plateaus = 0, plateaus + 1
    return plateaus


def make_loss(settings: Training, train: ClipSet, num_classes: int, device: torch.device) -> Loss:
    """Build the loss that the settings name, with class weights by the training subset's counts."""
    weights = None
    if settings.class_weights == "balanced":
        weights = torch.from_numpy(balanced_class_weights(train.labels.cpu().numpy(), num_classes)).to(device)
    declared = LOSSES.load(settings.loss)
    loss: Loss = declared.build(weights, settings.label_smoothing, declared.Options(**settings.loss_options))
    return loss.to(device)


def balanced_class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Class weights float32 (class,) that let every class count the same: n / (num_classes n_class).

    Their mean over the labelled clips is 1 where every class occurs. A class that does not occur weighs 0.

    Args:
        labels: int (clip,); negative ones are no labels.
        num_classes: Number of classes.
    """
    counts = np.bincount(labels[labels >= 0], minlength=num_classes)
    weights = np.where(counts > 0, counts.sum() / (num_classes * np.maximum(counts, 1)), 0.0)
    return weights.astype(np.float32)


def set_memory_format(network: nn.Module, settings: Training) -> None:
    """Store convolution weights with the channels last, where the settings ask for it."""
    if not settings.channels_last:
        return
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in network.parameters():
        if parameter.dim() in formats:  # of two- or three-dimensional convolutions, whose outputs follow them
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.dim()])
