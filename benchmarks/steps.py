"""Training steps of the engine on clips of a store, and the same steps on tensors that lie ready on the device."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.media import Clips
from benchmarks.timing import Rounds

CLASSES = ("ANG", "HAP", "SAD")


@dataclass(frozen=True)
class Cell:
    """A cell of an experiment with its clips read.

    Attributes:
        recipe: its network.
        settings: the engine's.
        train: the clips, on the CPU.
        scales: how they are normalised.
        read_s: seconds that reading and scaling a clip took.
    """

    recipe: Any
    settings: Any
    train: Any
    scales: Any
    read_s: float


def read(experiment: Any, cell: Any, store: Any, given: Clips, repeats: int, folder: Path) -> Cell:
    """Read the clips of a cell.

    Args:
        experiment, cell, store: which, of what.
        given: the clips.
        repeats: how often each clip is in an epoch.
        folder: for values that do not fit into memory.
    """
    import pandas as pd

    from affectstore.models.data.batch import scales_of
    from affectstore.models.data.dataset import load_clips
    from affectstore.models.recipe import recipe_of

    recipe = recipe_of(experiment, cell, CLASSES)
    readable = set.intersection(*(set(store[feature].clip_ids) for feature in recipe.inputs.values()))
    ids = [clip_id for clip_id in given.plan["clip_id"] if clip_id in readable] * repeats
    table = pd.DataFrame({"clip_id": ids, "speaker": "1001", "label": np.resize(CLASSES, len(ids))})
    began = time.perf_counter()
    train = load_clips(store, recipe, table, folder)
    read_s = (time.perf_counter() - began) / len(ids)
    return Cell(recipe, experiment.training_of(cell), train, scales_of(train, recipe), read_s)


def seconds_of_steps(cell: Cell, fabric: Any, rounds: int, folder: Path, resident: bool = False) -> Rounds:
    """Seconds a step: "ours", an epoch of the engine; "bare", a loop of PyTorch over the same batches.

    Args:
        cell: what is trained.
        fabric: device and precision.
        rounds: how many epochs of each are measured, in turn, after one that warms up.
        folder: of the engine's checkpoint.
        resident: whether the clips lie on the device too, instead of being read ahead from memory.
    """
    import torch

    from affectstore.models.data.batch import make_batch
    from affectstore.models.engine.fit import fit
    from affectstore.models.engine.order import batches
    from affectstore.models.network import Network

    recipe, settings, device = cell.recipe, cell.settings, fabric.device
    train = cell.train.to(device) if resident else cell.train
    order = list(batches(len(train), settings.batch_size, 0, 1))
    ready = [make_batch(cell.train, index, recipe, cell.scales, device) for index in order]
    torch.manual_seed(0)
    network = Network(recipe).train()
    bare, optimiser = fabric.setup(
        network, torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    )
    seconds = Rounds()
    for number in range(rounds + 1):
        torch.manual_seed(0)
        fitted = fit(fabric, Network(recipe), train, None, cell.scales, settings, 0, {}, folder / "checkpoint")
        began = time.perf_counter()
        for batch in ready:
            logits = bare(batch.values, batch.masks).logits
            loss = torch.nn.functional.cross_entropy(logits.float(), batch.labels)
            optimiser.zero_grad()
            fabric.backward(loss)
            optimiser.step()
        loss.item()  # what a GPU still does belongs to the steps
        if number:
            seconds.add("bare", (time.perf_counter() - began) / len(ready))
            seconds.add("ours", fitted.train_s / len(ready))
    return seconds
