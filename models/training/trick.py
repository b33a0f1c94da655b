"""Base class of training tricks: hooks of the training step that do nothing by default."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lightning_fabric import Fabric
from torch import Tensor

from affectstore.models.data.batch import Batch, BatchMaker
from affectstore.models.data.rng import RngStreams
from affectstore.models.modules import Criterion, FusionContext, Output
from affectstore.models.network import Network


class Losses(NamedTuple):
    """Loss of a batch.

    Attributes:
        total: Scalar that is minimised.
        parts: Its parts by name, besides the loss of the logits; recorded as `train_loss_<name>`.
    """

    total: Tensor
    parts: Mapping[str, Tensor]


@dataclass(frozen=True)
class TrickSetup:
    """Values that a trick is built from, besides its options.

    Attributes:
        modalities: Modalities of the network, in order.
        teacher_logits: Modality -> logits (clip, class) of its teacher on the training subset, on the CPU.
    """

    modalities: tuple[str, ...]
    teacher_logits: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class TrickContext:
    """Parts of a run that a trick may read.

    Attributes:
        fabric: Device, precision and processes.
        network: Network that is trained.
        model: The same network, wrapped by Fabric.
        batches: Subset ("train", and "val" where there is one) -> its batches.
        batch_size: Clips of a batch.
    """

    fabric: Fabric
    network: Network
    model: Any
    batches: Mapping[str, BatchMaker]
    batch_size: int


class Trick:
    """A change of the training step, chosen once from the settings.

    Attributes:
        needs_unimodal_logits: The network computes the logits of each modality alone, too.
    """

    needs_unimodal_logits = False

    def on_start(self, subsets: Collection[str]) -> None:
        """Check the data before the first epoch.

        Args:
            subsets: "train", and "val" where there is a validation subset.

        Raises:
            TrainingError: The trick cannot be used with this data.
        """

    def on_epoch(self, history: Sequence[Mapping[str, float]]) -> dict[str, float]:
        """Prepare the next epoch; columns of its history row.

        Args:
            history: One row per epoch so far. State must follow from it, so that a resumed run needs no other.
        """
        return {}

    def on_batch(self, batch: Batch, rng: RngStreams) -> Batch:
        """Change a batch before it is encoded."""
        return batch

    def on_context(self, context: FusionContext, batch: Batch) -> FusionContext:
        """Change what the fusion receives besides the encoded modalities."""
        return context

    def losses(self, output: Output, criterion: Criterion) -> Losses | None:
        """Loss that replaces the sum of the criterion and the fusion's auxiliary losses, or None."""
        return None

    def on_gradients(self, run: TrickContext, output: Output, batch: Batch, rng: RngStreams) -> dict[str, float]:
        """Change the gradients after the backward pass; numbers that are averaged over the epoch, by name."""
        return {}

    def on_validation(self, run: TrickContext, epoch: int) -> dict[str, float]:
        """Measure after an epoch, counted from 1, where there is a validation subset; columns of its history row."""
        return {}
