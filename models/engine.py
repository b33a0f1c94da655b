"""The training engine: one network, one seed, one training side, one validation side; the test side never.

Lightning Fabric owns device and precision. An epoch's order follows from seed and epoch alone, so a run
that resumes from a checkpoint gives the same weights, bit for bit on a CPU, as one that never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from affectstore.config.experiment import Training
from affectstore.models.base import TrainingError
from affectstore.models.batch import Batch, make_batch
from affectstore.models.checkpoint import Progress, load_checkpoint, save_checkpoint
from affectstore.models.dataset import ClipSet
from affectstore.models.loss import LabelLoss
from affectstore.models.network import Network
from affectstore.models.predict import logits_of, scores_of
from affectstore.models.scale import Scale

#: Least time between two checkpoints: writing one (16 bytes a parameter) may cost as much as a short epoch.
CHECKPOINT_EVERY_S = 20.0

_PROBE_CLIPS = 8
_BUCKET = 8  # batches whose clips are sorted by length together


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        state: weights of the chosen epoch, on the CPU.
        best_epoch: the chosen epoch, counted from 1.
        history: one row an epoch: epoch, train_loss, train_accuracy, val_loss, val_accuracy, val_uar, seconds,
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

    Raises:
        TrainingError: a modality does not reach the logits, or a loss is not finite.
    """
    model, optimiser = fabric.setup(network, _optimiser(network, settings))
    check_modalities(
        network, make_batch(train, range(min(_PROBE_CLIPS, len(train))), network.recipe, scales, fabric.device)
    )
    resumed = load_checkpoint(folder, run, network, optimiser.optimizer)
    if resumed is not None:
        progress, best = resumed
        print(f"going on after epoch {progress.epoch}", flush=True)
    else:
        progress, best = Progress(run, 0, 0, (-np.inf, -np.inf), (), 0.0), {}
    saved_at = time.monotonic()
    while progress.epoch < settings.epochs and not _is_over(progress, settings, val):
        epoch = progress.epoch + 1
        start = time.perf_counter()
        row = _train_epoch(fabric, model, optimiser, train, scales, settings, seed, epoch)
        train_s = time.perf_counter() - start
        score = (float(epoch), 0.0)
        if val is not None:
            logits = logits_of(model, val, scales, settings.batch_size, fabric.device)
            measured = scores_of(logits, val.labels)
            row |= {f"val_{name}": value for name, value in measured.items()}
            score = _score(measured, settings)
        row |= {"seconds": time.perf_counter() - start, "clips_per_s": len(train) / train_s}
        best_epoch, best_score = progress.best_epoch, progress.best_score
        if score > best_score:
            best_epoch, best_score = epoch, score
            best = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
        history = (*progress.history, {"epoch": epoch, **row})
        progress = Progress(run, epoch, best_epoch, best_score, history, progress.train_s + train_s)
        if time.monotonic() - saved_at >= CHECKPOINT_EVERY_S:
            save_checkpoint(folder, progress, network, optimiser.optimizer, best)
            saved_at = time.monotonic()
    return Fitted(best, progress.best_epoch, progress.history, progress.train_s)


def check_modalities(network: Network, batch: Batch) -> None:
    """Check that every modality given changes the logits.

    Each modality's values are replaced by noise of growing size: a network may be nearly flat where it
    starts, but an input that goes nowhere changes no bit.

    Raises:
        TrainingError: a modality never arrives.
    """
    generator = torch.Generator().manual_seed(0)
    network.eval()
    with torch.inference_mode():
        before = network(batch.values, batch.masks).logits
        for modality, values in batch.values.items():
            for size in (1.0, 10.0, 100.0, 1000.0):
                noise = (size * torch.randn(values.shape, generator=generator)).to(values.device)
                if not torch.equal(network({**batch.values, modality: noise}, batch.masks).logits, before):
                    break
            else:
                recipe = network.recipe
                raise TrainingError(
                    f"{modality} does not change the logits: encoder {recipe.encoders[modality].name!r}"
                    + (f" with fusion {recipe.fusion.name!r}" if recipe.fusion else "")
                    + f" was given {', '.join(recipe.modalities)}, but {modality} never arrives; check what the "
                    "fusion joins and what the encoder reads of it"
                )


def batches(
    clips: int, batch_size: int, seed: int, epoch: int, lengths: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Places of the clips of each batch of an epoch, in an order that follows from seed and epoch.

    A last batch of one clip joins the one before it: batch normalisation cannot use a single clip.

    Args:
        clips: how many there are.
        batch_size: clips of a batch.
        seed, epoch: what the order follows from.
        lengths: steps of each clip, where there are sequences: of each run of `_BUCKET` batches, clips of like
            length then share a batch, so that little of it is padding.
    """
    generator = np.random.default_rng((seed, epoch))
    order = generator.permutation(clips)
    if lengths is not None:
        window = _BUCKET * batch_size
        parts = [order[start : start + window] for start in range(0, clips, window)]
        order = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in parts])
    starts = list(range(0, clips, batch_size))
    if len(starts) > 1 and clips - starts[-1] == 1:
        starts.pop()
    spans = list(zip(starts, [*starts[1:], clips], strict=True))
    if lengths is not None:
        spans = [spans[k] for k in generator.permutation(len(spans))]
    for start, end in spans:
        yield order[start:end]


def _train_epoch(
    fabric: Fabric,
    model: Any,
    optimiser: Any,
    train: ClipSet,
    scales: Mapping[str, Scale],
    settings: Training,
    seed: int,
    epoch: int,
) -> dict[str, float]:
    """One pass over the training side: mean loss and accuracy as the weights were at each step."""
    model.train()
    losses = hits = 0.0
    for index in batches(len(train), settings.batch_size, seed, epoch, train.lengths):
        batch = make_batch(train, index, model.recipe, scales, fabric.device)
        criterion = LabelLoss(batch.labels)
        output = model(batch.values, batch.masks, criterion)
        loss = criterion(output.logits) + sum(output.losses.values())
        if not torch.isfinite(loss):
            raise TrainingError(
                f"seed {seed}, epoch {epoch}: the loss of a batch is {loss.item()}; clips of the batch: "
                f"{', '.join(train.ids(index))}. Look at their features, or lower `train.learning_rate` or set "
                "`train.clip_gradient`"
            )
        optimiser.zero_grad()
        fabric.backward(loss)
        if settings.clip_gradient is not None:
            fabric.clip_gradients(model, optimiser, max_norm=settings.clip_gradient)
        optimiser.step()
        losses += loss.item() * len(index)
        hits += (output.logits.argmax(dim=1) == batch.labels).sum().item()
    return {"train_loss": losses / len(train), "train_accuracy": hits / len(train)}


def _score(measured: Mapping[str, float], settings: Training) -> tuple[float, float]:
    """What epochs are compared by: larger is better; equal rates are told apart by the loss."""
    if settings.monitor == "loss":
        return (-measured["loss"], 0.0)
    return (measured[settings.monitor], -measured["loss"])


def _is_over(progress: Progress, settings: Training, val: ClipSet | None) -> bool:
    if settings.patience is None or val is None:
        return False
    return progress.epoch - progress.best_epoch >= settings.patience


def _optimiser(network: Network, settings: Training) -> torch.optim.Optimizer:
    kinds: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    momentum = {"momentum": settings.momentum} if settings.optimiser == "sgd" else {}
    return kinds[settings.optimiser](
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True, **momentum
    )
