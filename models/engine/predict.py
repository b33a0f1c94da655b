"""Logits of a set of clips, and what they are worth on the validation side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from affectstore.models.base import TrainingError
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.engine.read_ahead import all_batches
from affectstore.models.units import labels_of_units


def logits_of(
    model: Any,
    clips: ClipSet,
    scales: Mapping[str, Scale],
    batch_size: int,
    device: torch.device,
    without: str | None = None,
    absent: bool = False,
) -> Tensor:
    """Logits (clip, class), float32 on the CPU, in the order of the clips; of a union (modality x clip, class).

    Args:
        model: a `Network`, wrapped by Fabric or not; it is put into evaluation mode.
        clips: the clips.
        scales: how inputs are normalised.
        batch_size: clips at a time.
        device: where the model is.
        without: a modality whose input is set to zero.
        absent: whether that modality is not given at all instead.

    Raises:
        TrainingError: a logit is not finite.
    """
    model.eval()
    parts = []
    with torch.inference_mode():
        for batch in all_batches(clips, model.recipe, scales, batch_size, device):
            if without is not None:
                batch = batch.lacking(without) if absent else batch.without(without)
            logits = model(batch.values, batch.masks, spans=batch.spans).logits.float().cpu()
            parts.append(logits.unflatten(0, (-1, len(batch.labels))))  # (1 or modality, clip, class)
    logits = torch.cat(parts, dim=1)
    broken = (~logits.isfinite().all(dim=2).all(dim=0)).nonzero().flatten().tolist()
    if broken:
        raise TrainingError(
            f"the logits of {len(broken)} of {len(clips)} clips are not finite: {_few(clips.ids(broken))}"
        )
    return logits.flatten(0, 1)


def _few(names: list[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def scores_of(logits: Tensor, labels: Tensor) -> dict[str, float]:
    """Mean cross-entropy in nats, accuracy, and unweighted average recall over the classes that occur.

    Args:
        logits: (clip, class), or (modality x clip, class).
        labels: int64 (clip,).
    """
    labels = labels_of_units(labels.cpu(), logits)
    hit = (logits.argmax(dim=1) == labels).double()
    support = torch.bincount(labels, minlength=logits.shape[1])
    recall = torch.bincount(labels, weights=hit, minlength=logits.shape[1])[support > 0] / support[support > 0]
    return {
        "loss": F.cross_entropy(logits.double(), labels).item(),
        "accuracy": hit.mean().item(),
        "uar": recall.mean().item(),
    }
