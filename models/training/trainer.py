"""Training of one network with one seed: the loop, an epoch and a step.

Lightning Fabric handles device, precision and processes. The order of an epoch's clips and all random numbers of a step
follow from seed, epoch and step alone, so that a run that resumes from a checkpoint has the same weights, bit for bit
on a CPU, as one that never stopped.
"""

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from affectstore.config.training import Training
from affectstore.models.data.batch import Batch, BatchMaker
from affectstore.models.data.fold import FoldData
from affectstore.models.data.rng import RngStreams
from affectstore.models.modules import UNLABELLED, Criterion, FusionContext, Output
from affectstore.models.network import Network
from affectstore.models.spec import TrainingError
from affectstore.models.training.checkpoint import Checkpoint, TrainState
from affectstore.models.training.distributed import (
    all_reduce_mean,
    all_reduce_sum,
    rank_slice,
    sync_batch_norm,
)
from affectstore.models.training.evaluate import check_modalities_affect_logits, predict_logits, score_logits
from affectstore.models.training.loader import training_batches
from affectstore.models.training.optim import learning_rate_at, make_loss, make_optimizer, set_memory_format
from affectstore.models.training.trick import Losses, Trick, TrickContext

#: Shortest time between two checkpoints: writing one (16 bytes per parameter) may take as long as a short epoch.
CHECKPOINT_INTERVAL_S = 20.0

_PROBE_CLIPS = 8

Metrics = dict[str, float]


@dataclass(frozen=True)
class FitResult:
    """A trained network.

    Attributes:
        weights: State of the network after the chosen epoch, on the CPU.
        best_epoch: The chosen epoch, counted from 1.
        history: One row per epoch: epoch, the metrics of `train_epoch` and `validate`, seconds, clips_per_s; the
            validation columns are absent without a validation subset.
        train_s: Seconds in training steps, all epochs.
    """

    weights: Mapping[str, Tensor]
    best_epoch: int
    history: tuple[Mapping[str, float], ...]
    train_s: float


class RunningMeans:
    """Means of added values, by name, in the order in which the names first came.

    Attributes:
        predicted: Number of processes that had the same clips -> logits (clip, class) and labels (clip,) of each step.
            They are compared after the epoch: between two steps, each operation costs a small network time.
    """

    def __init__(self) -> None:
        self.predicted: dict[int, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        self._sums: dict[str, float] = {}
        self._counts: dict[str, float] = {}

    def add(self, name: str, total: float, count: float) -> None:
        """Add the sum of `count` values."""
        self._sums[name] = self._sums.get(name, 0.0) + total
        self._counts[name] = self._counts.get(name, 0.0) + count

    def means(self) -> Metrics:
        """Name -> mean; 0 of no values."""
        return {name: total / self._counts[name] if self._counts[name] else 0.0 for name, total in self._sums.items()}


class Trainer:
    """Train one network with one seed on the training subset, and choose its epoch on the validation subset.

    Args:
        fabric: Device, precision and processes.
        network: Newly initialised network; trained in place.
        data: Clips, normalisation and settings; the test subset is not touched.
        seed: Seed of the run.
        tricks: Training tricks, in the order in which they are applied.

    Raises:
        TrainingError: A modality does not change the logits, or a trick cannot be used with this data.
    """

    def __init__(
        self, fabric: Fabric, network: Network, data: FoldData, seed: int, tricks: Sequence[Trick] = ()
    ) -> None:
        self.fabric, self.device, self.network, self.seed, self.tricks = fabric, fabric.device, network, seed, tricks
        self.settings: Training = data.settings
        self.batches = {
            subset: BatchMaker(data.clips[subset], data.recipe, data.scales, self.device, augment)
            for subset, augment in (("train", self.settings.augment), ("val", None))
            if subset in data.clips
        }
        self.train_clips = data.clips["train"]
        self.return_unimodal = any(trick.needs_unimodal_logits for trick in tricks)
        for trick in tricks:
            trick.on_start(self.batches)
        set_memory_format(network, self.settings)
        if fabric.world_size > 1:
            sync_batch_norm(network)
        model: Any = torch.compile(network, dynamic=True) if self.settings.compile else network
        self.model, self.optimizer = fabric.setup(model, make_optimizer(network, self.settings))
        self.parameters = tuple(network.parameters())
        self.loss = make_loss(self.settings, self.train_clips, len(data.recipe.classes), self.device)
        self.trick_context = TrickContext(fabric, network, self.model, self.batches, self.settings.batch_size)
        probe = range(min(_PROBE_CLIPS, len(self.train_clips)))
        check_modalities_affect_logits(network, self.batches["train"].make(probe))

    def fit(self, checkpoint: Checkpoint) -> FitResult:
        """Train until the last epoch, or until `patience` epochs without improvement.

        Args:
            checkpoint: Where training continues after an interruption.

        Raises:
            TrainingError: A loss is not finite.
        """
        state = checkpoint.load(self.network, self.optimizer.optimizer) or TrainState()
        self.fabric.barrier()  # no process may write a new checkpoint while others read this one
        saved_at = time.monotonic()
        while state.epoch < self.settings.epochs and not self.should_stop(state):
            start = time.perf_counter()
            row: Metrics = {"epoch": state.epoch + 1, **self.train_epoch(state)}
            train_s = time.perf_counter() - start
            score = (float(state.epoch + 1), 0.0)
            if "val" in self.batches:
                row |= self.validate(state.epoch + 1)
                score = self.score(row)
            row |= {"seconds": time.perf_counter() - start, "clips_per_s": len(self.train_clips) / train_s}
            state = state.after_epoch(row, score, train_s, self.network)
            if self.fabric.is_global_zero and time.monotonic() - saved_at >= CHECKPOINT_INTERVAL_S:
                checkpoint.save(state, self.network, self.optimizer.optimizer)
                saved_at = time.monotonic()
        return FitResult(state.best_weights, state.best_epoch, state.history, state.train_s)

    def train_epoch(self, state: TrainState) -> Metrics:
        """Train on every clip once; metrics are means over the epoch, each step with the weights it had.

        Returns:
            train_loss, train_accuracy (of the clips with labels), train_loss_<name> for each part of the loss, the
            columns of tricks (`weight_<head>`, `gradient_<modality>`), learning_rate.
        """
        rng, means = RngStreams(self.seed, state.epoch + 1, 0), RunningMeans()
        learning_rate = learning_rate_at(self.settings, state.history)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        trick_columns: Metrics = {}
        for trick in self.tricks:
            trick_columns |= trick.on_epoch(state.history)
        self.network.train()
        if self.fabric.world_size > 1:
            # Random numbers of each process' own (dropout) follow from the epoch: no checkpoint holds its generator.
            of_rank = np.random.default_rng((self.seed, rng.epoch, self.fabric.global_rank))
            torch.manual_seed(int(of_rank.integers(2**63)))
        for step, batch in enumerate(training_batches(self.batches["train"], self.settings.batch_size, rng)):
            self.train_step(batch, RngStreams(self.seed, rng.epoch, step), means)
        found = means.means()
        own = {"train_loss": found["train_loss"], "train_accuracy": self.accuracy(means.predicted)}
        own |= {name: value for name, value in found.items() if name.startswith("train_")}
        return own | trick_columns | found | {"learning_rate": learning_rate}

    def train_step(self, batch: Batch, rng: RngStreams, means: RunningMeans) -> None:
        """Take one optimisation step on one batch."""
        clips, weight, copies = len(batch), 1.0, 1
        for trick in self.tricks:
            batch = trick.on_batch(batch, rng)
        criterion = Criterion(
            self.loss, batch.labels, batch.mixed_labels, batch.mix_ratio, some_unlabelled=self.settings.unlabelled
        )
        if self.fabric.world_size > 1:
            rows, copies = rank_slice(clips, self.fabric.global_rank, self.fabric.world_size)
            # Processes average their gradients: each weighs as much as it has clips.
            weight = len(rows) * self.fabric.world_size / (clips * copies)
            batch, criterion = batch.select(rows), criterion.select(rows)
        context = FusionContext(criterion)
        for trick in self.tricks:
            context = trick.on_context(context, batch)
        output = self.model(batch.values, batch.masks, context, spans=batch.spans, return_unimodal=self.return_unimodal)
        losses = self.losses(output, criterion, weight)
        total = self.check_finite(losses.total, batch, rng)
        for parameter in self.parameters:
            parameter.grad = None  # as zero_grad does, at less cost for a small network
        self.fabric.backward(losses.total)
        for trick in self.tricks:
            for name, value in trick.on_gradients(self.trick_context, output, batch, rng).items():
                means.add(name, value, 1)
        if self.settings.max_grad_norm is not None:
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=self.settings.max_grad_norm)
        self.optimizer.step()
        means.predicted[copies].append((output.logits.detach(), batch.labels))
        means.add("train_loss", total * clips, clips)
        for name, part in losses.parts.items():
            means.add(f"train_loss_{name}", self.mean(part) * clips, clips)

    def accuracy(self, predicted: Mapping[int, Sequence[tuple[Tensor, Tensor]]]) -> float:
        """Share of the clips with labels that are classified correctly, over all processes."""
        hits = labelled = 0.0
        for copies, steps in predicted.items():
            labels = torch.cat([y for _, y in steps])
            # (1 or modality, clip): where each modality is classified by itself, labels are compared with all of them
            classes = torch.cat([x.reshape(-1, len(y), x.shape[1]) for x, y in steps], dim=1).argmax(dim=2)
            hits += self.sum((classes == labels).sum()) / copies  # a clip without label is never a hit
            labelled += self.sum(len(classes) * (labels != UNLABELLED).sum()) / copies
        return hits / labelled if labelled else 0.0

    def losses(self, output: Output, criterion: Criterion, weight: float) -> Losses:
        """Loss that is minimised and its parts: the criterion and the fusion's own losses, or those of a trick."""
        replaced = (trick.losses(output, criterion) for trick in self.tricks)
        losses = next(filter(None, replaced), None)
        if losses is None:
            total = criterion(output.logits)
            losses = Losses(total + sum(output.losses.values()) if output.losses else total, output.losses)
        if weight == 1:
            return losses
        return Losses(weight * losses.total, {name: weight * part for name, part in losses.parts.items()})

    def validate(self, epoch: int) -> Metrics:
        """Score the validation subset: val_loss, val_accuracy, val_uar and the columns of tricks."""
        val = self.batches["val"]
        logits = predict_logits(self.model, val, self.settings.batch_size)
        scores = self.fabric.broadcast(score_logits(logits, val.clips.labels))
        row = {f"val_{name}": value for name, value in scores.items()}
        for trick in self.tricks:
            row |= trick.on_validation(self.trick_context, epoch)
        return row

    def score(self, row: Metrics) -> tuple[float, float]:
        """Score that epochs are compared by, larger is better; equal rates are compared by the loss."""
        if self.settings.monitor == "loss":
            return (-row["val_loss"], 0.0)
        return (row[f"val_{self.settings.monitor}"], -row["val_loss"])

    def should_stop(self, state: TrainState) -> bool:
        """Test if the validation score has not improved for `patience` epochs."""
        if self.settings.patience is None or "val" not in self.batches:
            return False
        return state.epoch - state.best_epoch >= self.settings.patience

    def check_finite(self, loss: Tensor, batch: Batch, rng: RngStreams) -> float:
        """Mean loss over all processes.

        Raises:
            TrainingError: It is not finite.
        """
        value = self.mean(loss)
        if not math.isfinite(value):
            raise TrainingError(
                f"seed {self.seed}, epoch {rng.epoch}: the loss of a batch is {value}; clips of the batch: "
                f"{', '.join(self.train_clips.ids(batch.places.tolist()))}. Look at their features, or lower "
                "`train.learning_rate` or set `train.max_grad_norm`"
            )
        return value

    def sum(self, value: Tensor) -> float:
        """Sum over all processes."""
        return float((all_reduce_sum(value, self.fabric) if self.fabric.world_size > 1 else value).item())

    def mean(self, value: Tensor) -> float:
        """Mean over all processes."""
        return float((all_reduce_mean(value, self.fabric) if self.fabric.world_size > 1 else value).item())
