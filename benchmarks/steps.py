"""Training steps on clips of a store, and the same steps on tensors that are on the device already."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.media import Clips
from benchmarks.timing import Rounds

CLASSES = ("ANG", "HAP", "SAD")


@dataclass(frozen=True)
class Cell:
    """A cell of an experiment whose clips are loaded.

    Attributes:
        data: `FoldData` with a training subset alone; its clips are on the CPU.
        read_s: Seconds that it took to read a clip and to compute its share of the normalisation.
    """

    data: Any
    read_s: float

    @property
    def batch_size(self) -> int:
        """Clips of a step."""
        return int(self.data.settings.batch_size)


def read(experiment: Any, cell: Any, store: Any, given: Clips, repeats: int, folder: Path) -> Cell:
    """Load the clips of a cell.

    Args:
        experiment: The experiment.
        cell: One of its cells.
        store: Store of the clips.
        given: The clips.
        repeats: Number of times that each clip is in an epoch.
        folder: Folder of values that do not fit into memory.
    """
    import pandas as pd

    from affectstore.models.cells.inputs import input_features
    from affectstore.models.cells.recipe import recipe_for
    from affectstore.models.data.batch import compute_scales
    from affectstore.models.data.dataset import load_clips
    from affectstore.models.data.fold import FoldData
    from affectstore.models.run_files import FoldFacts

    inputs = input_features(experiment, cell)
    recipe = recipe_for(
        experiment, cell, CLASSES, {name: math.prod(store[name].spec.shape) for name in inputs.values()}
    )
    readable = set.intersection(*(set(store[name].clip_ids) for name in inputs.values()))
    ids = [clip_id for clip_id in given.plan["clip_id"] if clip_id in readable] * repeats
    table = pd.DataFrame({"clip_id": ids, "speaker": "1001", "label": np.resize(CLASSES, len(ids))})
    began = time.perf_counter()
    train = load_clips(store, recipe, table, folder)
    scales = compute_scales(train, recipe)
    read_s = (time.perf_counter() - began) / len(ids)
    facts = FoldFacts(cell.id, 0, {"train": len(ids)}, {}, {}, 0)
    return Cell(FoldData(facts, recipe, experiment.training_of(cell), {"train": train}, scales), read_s)


def seconds_of_steps(cell: Cell, fabric: Any, rounds: int, folder: Path, resident: bool = False) -> Rounds:
    """Seconds of a step: "ours", an epoch of `Trainer.fit`; "bare", a loop of PyTorch over the same batches.

    Args:
        cell: The cell.
        fabric: Device and precision.
        rounds: Number of epochs of each that are measured, in turn, after one that warms up.
        folder: Folder of the checkpoint.
        resident: Keep the clips on the device too, instead of prefetching them from memory.
    """
    import torch

    from affectstore.models.data.batch import BatchMaker
    from affectstore.models.network import Network
    from affectstore.models.training.checkpoint import Checkpoint
    from affectstore.models.training.loader import bucketed_batches
    from affectstore.models.training.trainer import Trainer

    data, device = cell.data, fabric.device
    train = _on(device, data.clips["train"]) if resident else data.clips["train"]
    data = replace(data, clips={"train": train})
    order = list(bucketed_batches(len(train), cell.batch_size, 0, 1, train.lengths))
    maker = BatchMaker(train, data.recipe, data.scales, device)
    ready = [maker.make(index) for index in order]
    torch.manual_seed(0)
    network = Network(data.recipe).train()
    bare, optimizer = fabric.setup(
        network, torch.optim.Adam(network.parameters(), lr=data.settings.learning_rate, fused=True)
    )
    seconds = Rounds()
    for number in range(rounds + 1):
        torch.manual_seed(0)
        fitted = Trainer(fabric, Network(data.recipe), data, 0).fit(Checkpoint(folder / "checkpoint", {}))
        began = time.perf_counter()
        for batch in ready:
            logits = bare(batch.values, batch.masks).logits
            loss = torch.nn.functional.cross_entropy(logits.float(), batch.labels)
            optimizer.zero_grad()
            fabric.backward(loss)
            optimizer.step()
        loss.item()  # what a GPU still does belongs to the steps
        if number:
            seconds.add("bare", (time.perf_counter() - began) / len(ready))
            seconds.add("ours", fitted.train_s / len(ready))
    return seconds


def _on(device: Any, clips: Any) -> Any:
    """Move labels and images to a device, as a job does with clips that fit there."""
    inputs = {
        modality: replace(images, values=images.values.to(device), mask=images.mask.to(device))
        for modality, images in clips.inputs.items()
    }
    return replace(clips, labels=clips.labels.to(device), inputs=inputs)
