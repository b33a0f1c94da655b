"""Learning rates by epoch: functions of the history alone, so that a resumed run needs no state of theirs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from affectstore.config.training import Training

_LOWER = 1e-4  # a loss is lower where it is so by this share, as torch's ReduceLROnPlateau has it


def rate_of(settings: Training, history: Sequence[Mapping[str, float]]) -> float:
    """Learning rate of the epoch after those of the history.

    Args:
        settings: `learning_rate`, `epochs` and `schedule`.
        history: one row an epoch, with `val_loss` or, without a validation side, `train_loss`.
    """
    schedule, full = settings.schedule, settings.learning_rate
    risen = len(history) - schedule.warm_up
    if risen < 0:
        return full * (len(history) + 1) / (schedule.warm_up + 1)
    if schedule.kind == "none":
        return full
    if schedule.kind == "cosine":
        share = (1 + math.cos(math.pi * risen / (settings.epochs - schedule.warm_up))) / 2
        return max(schedule.least, schedule.least + (full - schedule.least) * share)
    falls = risen // schedule.every if schedule.kind == "step" else _plateaus(settings, history)
    return max(min(schedule.least, full), full * schedule.factor**falls)


def _plateaus(settings: Training, history: Sequence[Mapping[str, float]]) -> int:
    """How often the loss did not fall for more than `patience` epochs."""
    best, waited, falls = math.inf, 0, 0
    for row in history:
        loss = row.get("val_loss", row["train_loss"])
        if loss < best * (1 - _LOWER):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > settings.schedule.patience:
            waited, falls = 0, falls + 1
    return falls
