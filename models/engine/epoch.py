"""One pass over the training side: batches, losses, backward passes, steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from affectstore.config.training import Training
from affectstore.models.base import Output, TrainingError
from affectstore.models.data.augment import Augmenter
from affectstore.models.data.batch import Batch, make_batch
from affectstore.models.data.dataset import ClipSet
from affectstore.models.data.draws import Draws
from affectstore.models.data.scale import Scale
from affectstore.models.engine.g_blending import JOINT, weights_of
from affectstore.models.engine.loss import UNLABELLED, LabelLoss, balanced
from affectstore.models.engine.means import Means
from affectstore.models.engine.mixup import mix
from affectstore.models.engine.modality_dropout import drop_modalities
from affectstore.models.engine.ogm_ge import certainty, coefficients, modulate
from affectstore.models.engine.order import batches
from affectstore.models.engine.processes import mean_of, own_rows, sum_of
from affectstore.models.engine.read_ahead import made
from affectstore.models.engine.schedule import rate_of
from affectstore.models.network import Network
from affectstore.models.units import labels_of_units


@dataclass(frozen=True)
class Trainee:
    """What is trained, on what, and how.

    Attributes:
        fabric: device, precision and processes.
        network: what is trained.
        model: the same as Fabric wraps it.
        optimiser: the same.
        clips: the training side.
        scales: how inputs are normalised.
        settings: the engine's.
        seed: of the run.
        class_weights: float32 (class,) on the device; none: all the same.
        teachers: modality -> logits (clip, class) of a teacher for each clip, on the CPU.
    """

    fabric: Fabric
    network: Network
    model: Any
    optimiser: Any
    clips: ClipSet
    scales: Mapping[str, Scale]
    settings: Training
    seed: int
    class_weights: Tensor | None
    teachers: Mapping[str, Tensor] = field(default_factory=dict)


def weights_of_classes(clips: ClipSet, classes: int, settings: Training, device: torch.device) -> Tensor | None:
    """The loss' class weights, by the training side's counts."""
    if settings.class_weights == "none":
        return None
    return torch.from_numpy(balanced(clips.labels.cpu().numpy(), classes)).to(device)


def train_epoch(trainee: Trainee, history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """One pass over the training side; figures are means over it, with the weights as they were at each step.

    Args:
        trainee: what is trained.
        history: one row for each epoch before.

    Returns:
        Columns of the history: train_loss, train_accuracy (of the clips with labels), train_loss_<name> for each
        auxiliary loss, weight_<head> of G-Blending or gradient_<modality> of OGM-GE, learning_rate.

    Raises:
        TrainingError: a loss is not finite.
    """
    settings, epoch = trainee.settings, len(history) + 1
    rate, means = rate_of(settings, history), Means()
    for group in trainee.optimiser.param_groups:
        group["lr"] = rate
    heads: dict[str, float] = {}
    if settings.balance == "g_blending":
        heads = weights_of(history, (JOINT, *trainee.network.recipe.modalities))
    trainee.model.train()
    if trainee.fabric.world_size > 1:
        # What a process draws itself (dropout) follows from the epoch: its generator is in no checkpoint.
        torch.manual_seed(int(np.random.default_rng((trainee.seed, epoch, trainee.fabric.global_rank)).integers(2**63)))
    for number, (index, batch) in enumerate(_read(trainee, epoch)):
        _step(trainee, index, batch, Draws(trainee.seed, epoch, number), heads, means)
    return {
        "train_loss": means["train_loss"],
        "train_accuracy": means["train_accuracy"],
        **means.under("train_loss_"),
        **{f"weight_{head}": weight for head, weight in heads.items()},
        **means.under("gradient_"),
        "learning_rate": rate,
    }


def _read(trainee: Trainee, epoch: int) -> Iterator[tuple[np.ndarray, Batch]]:
    """The epoch's batches with the places of their clips, augmented; read ahead where clips are not on the GPU."""
    settings, clips, device = trainee.settings, trainee.clips, trainee.fabric.device
    order = list(batches(len(clips), settings.batch_size, trainee.seed, epoch, clips.lengths))

    def make(number: int) -> Batch:
        augmenter = Augmenter(settings.augment, Draws(trainee.seed, epoch, number))
        return make_batch(clips, order[number], trainee.network.recipe, trainee.scales, device, augmenter)

    yield from zip(order, made(make, range(len(order)), clips, device), strict=True)


def _step(
    trainee: Trainee, index: np.ndarray, batch: Batch, draws: Draws, heads: Mapping[str, float], means: Means
) -> None:
    """One step on one batch."""
    settings, fabric = trainee.settings, trainee.fabric
    batch, criterion = _prepared(trainee, batch, draws)
    part, copies, own_clips = 1.0, 1, index
    if fabric.world_size > 1:
        rows, copies = own_rows(len(index), fabric.global_rank, fabric.world_size)
        # Processes average their gradients: each weighs as much as it has clips.
        part = len(rows) * fabric.world_size / (len(index) * copies)
        batch, criterion, own_clips = batch.at(rows), criterion.at(rows), index[rows.numpy()]
    own = None if heads else criterion
    teachers = {m: logits[own_clips].to(fabric.device) for m, logits in trainee.teachers.items()}
    output = trainee.model(batch.values, batch.masks, own, settings.balance != "none", batch.spans, teachers)
    loss, parts = _loss(output, criterion, heads)
    if part != 1:
        loss, parts = part * loss, {name: part * value for name, value in parts.items()}
    whole = mean_of(loss, fabric).item()
    if not math.isfinite(whole):
        raise TrainingError(
            f"seed {trainee.seed}, epoch {draws.epoch}: the loss of a batch is {whole}; clips of the batch: "
            f"{', '.join(trainee.clips.ids(index))}. Look at their features, or lower `train.learning_rate` or set "
            "`train.clip_gradient`"
        )
    trainee.optimiser.zero_grad()
    fabric.backward(loss)
    if settings.balance == "ogm_ge":
        factors = coefficients(sum_of(certainty(output.scores, batch.labels), fabric).tolist(), settings.ogm_alpha)
        for modality, factor in zip(output.scores, factors, strict=True):
            noise = draws.on(fabric.device, "ogm_ge", modality)
            modulate(trainee.network.encoders[modality], factor, noise)
            means.add(f"gradient_{modality}", factor, 1)
    if settings.clip_gradient is not None:
        fabric.clip_gradients(trainee.model, trainee.optimiser, max_norm=settings.clip_gradient)
    trainee.optimiser.step()
    labels = labels_of_units(batch.labels, output.logits)
    labelled = labels != UNLABELLED
    hits = (output.logits.argmax(dim=1) == labels) & labelled
    means.add("train_loss", whole * len(index), len(index))
    means.add("train_accuracy", *(sum_of(these.sum(), fabric).item() / copies for these in (hits, labelled)))
    for name, value in parts.items():
        means.add(f"train_loss_{name}", mean_of(value, fabric).item() * len(index), len(index))


def _prepared(trainee: Trainee, batch: Batch, draws: Draws) -> tuple[Batch, LabelLoss]:
    """The batch as it is trained on, and how far logits are from its labels."""
    settings, partners, share = trainee.settings, None, 1.0
    if settings.mixup:
        batch, partners, share = mix(batch, settings.mixup, draws)
    if settings.modality_dropout:
        batch = drop_modalities(batch, settings.modality_dropout, draws)
    criterion = LabelLoss(
        batch.labels, trainee.class_weights, settings.label_smoothing, partners, share, settings.unlabelled
    )
    return batch, criterion


def _loss(output: Output, criterion: LabelLoss, heads: Mapping[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
    """What is descended, and its parts beside the criterion of the logits: the fusion's losses, or each modality's."""
    joint = criterion(output.logits)
    if not heads:
        return joint + sum(output.losses.values()), output.losses
    parts = {modality: criterion(logits) for modality, logits in output.scores.items()}
    return heads[JOINT] * joint + sum(heads[modality] * loss for modality, loss in parts.items()), parts
