"""The training engine: one network, one seed, one training side, one validation side; the test side never.

Lightning Fabric owns device and precision. An epoch's order follows from seed and epoch alone, so a run
that resumes from a checkpoint gives the same weights, bit for bit on a CPU, as one that never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from affectstore.config.training import Training
from affectstore.models.base import TrainingError
from affectstore.models.data.batch import make_batch
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.scale import Scale
from affectstore.models.engine.checkpoint import Progress, load_checkpoint, save_checkpoint
from affectstore.models.engine.epoch import Trainee, train_epoch, weights_of_classes
from affectstore.models.engine.g_blending import is_due, measured
from affectstore.models.engine.optimise import optimiser_of
from affectstore.models.engine.predict import logits_of, scores_of
from affectstore.models.engine.reach import check_modalities
from affectstore.models.engine.shared_norm import share_norms
from affectstore.models.network import Network

#: Least time between two checkpoints: writing one (16 bytes a parameter) may cost as much as a short epoch.
CHECKPOINT_EVERY_S = 20.0

_PROBE_CLIPS = 8


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        state: weights of the chosen epoch, on the CPU.
        best_epoch: the chosen epoch, counted from 1.
        history: one row an epoch: epoch, what `train_epoch` gives, val_loss, val_accuracy, val_uar, seconds,
            clips_per_s; the validation columns are absent without a validation side.
        train_s: seconds in training steps, all epochs.
    """

    state: dict[str, Tensor]
    best_epoch: int
    history: tuple[Mapping[str, float], ...]
    train_s: float


def fit(
    fabric: Fabric,
    network: Network,
    train: ClipSet,
    val: ClipSet | None,
    scales: Mapping[str, Scale],
    settings: Training,
    seed: int,
    run: Mapping[str, str],
    folder: Path,
    teachers: Mapping[str, Tensor] | None = None,
) -> Fitted:
    """Train a network and choose its epoch on the validation side.

    Args:
        fabric: device and precision.
        network: freshly drawn from `seed`; it is trained in place.
        train: the training side.
        val: the validation side; without one the last epoch is taken.
        scales: how inputs are normalised, from the training side.
        settings: optimiser, epochs, patience and so on.
        seed: of the order of clips.
        run: digests of what is trained, for the checkpoint.
        folder: holds the checkpoint, if the run was stopped before.
        teachers: modality -> logits (clip, class) of a teacher on the training side, for a fusion that learns from
            them.

    Raises:
        TrainingError: a modality does not reach the logits, a loss is not finite, or G-Blending has no validation
            side.
    """
    if settings.balance == "g_blending" and val is None:
        raise TrainingError(
            "`balance: g_blending` weighs losses by how they fall on the validation side, and this split has none; "
            "choose another protocol, or `balance: none`"
        )
    model, optimiser = _set_up(fabric, network, settings)
    classes = weights_of_classes(train, len(network.recipe.classes), settings, fabric.device)
    trainee = Trainee(fabric, network, model, optimiser, train, scales, settings, seed, classes, teachers or {})
    check_modalities(
        network, make_batch(train, range(min(_PROBE_CLIPS, len(train))), network.recipe, scales, fabric.device)
    )
    resumed = load_checkpoint(folder, run, network, optimiser.optimizer)
    fabric.barrier()  # nobody may write a new checkpoint while others read this one
    if resumed is not None:
        progress, best = resumed
        print(f"going on after epoch {progress.epoch}", flush=True)
    else:
        progress, best = Progress(run, 0, 0, (-np.inf, -np.inf), (), 0.0), {}
    saved_at = time.monotonic()
    while progress.epoch < settings.epochs and not _is_over(progress, settings, val):
        epoch = progress.epoch + 1
        start = time.perf_counter()
        row = train_epoch(trainee, progress.history)
        train_s = time.perf_counter() - start
        score = (float(epoch), 0.0)
        if val is not None:
            logits = logits_of(model, val, scales, settings.batch_size, fabric.device)
            worth = fabric.broadcast(scores_of(logits, val.labels))
            row |= {f"val_{name}": value for name, value in worth.items()}
            score = _score(worth, settings)
            if settings.balance == "g_blending" and is_due(epoch, settings.blend_every):
                for side, clips in (("train", train), ("val", val)):
                    row |= measured(side, model, clips, scales, settings.batch_size, fabric.device)
        row |= {"seconds": time.perf_counter() - start, "clips_per_s": len(train) / train_s}
        best_epoch, best_score = progress.best_epoch, progress.best_score
        if score > best_score:
            best_epoch, best_score = epoch, score
            best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        history = (*progress.history, {"epoch": epoch, **row})
        progress = Progress(run, epoch, best_epoch, best_score, history, progress.train_s + train_s)
        if fabric.is_global_zero and time.monotonic() - saved_at >= CHECKPOINT_EVERY_S:
            save_checkpoint(folder, progress, network, optimiser.optimizer, best)
            saved_at = time.monotonic()
    return Fitted(best, progress.best_epoch, progress.history, progress.train_s)


def _set_up(fabric: Fabric, network: Network, settings: Training) -> tuple[Any, Any]:
    """Model and optimiser as Fabric wraps them."""
    lay_out(network, settings)
    if fabric.world_size > 1:
        share_norms(network)
    model: Any = torch.compile(network, dynamic=True) if settings.compile else network
    return fabric.setup(model, optimiser_of(network, settings))


def lay_out(network: Network, settings: Training) -> None:
    """Put the weights into the memory layout that the settings ask for."""
    if not settings.channels_last:
        return
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in network.parameters():
        if parameter.dim() in layouts:  # of two- or three-dimensional convolutions, whose outputs follow them
            parameter.data = parameter.data.contiguous(memory_format=layouts[parameter.dim()])


def _score(measured: Mapping[str, float], settings: Training) -> tuple[float, float]:
    """What epochs are compared by: larger is better; equal rates are told apart by the loss."""
    if settings.monitor == "loss":
        return (-measured["loss"], 0.0)
    return (measured[settings.monitor], -measured["loss"])


def _is_over(progress: Progress, settings: Training, val: ClipSet | None) -> bool:
    if settings.patience is None or val is None:
        return False
    return progress.epoch - progress.best_epoch >= settings.patience
