"""A training step through the store, against the same step on tensors that lie ready in memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.line import Line, at_most
from benchmarks.media import Clips, some_clips
from benchmarks.timing import Rounds, one_core

MOST_TIMES_SLOWER = 1.05
CLASSES = ("ANG", "HAP", "SAD")
#: The quickstart's pictures and batch.
SETTINGS: dict[str, Any] = {
    "title": "one step",
    "corpus": "synthetic",
    "pictures": {"size_px": 64, "frames": 16, "colour": "grey"},
    "train": {"batch_size": 16, "epochs": 1},
    "cells": [
        {"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "horizontal"},
        {"modalities": ["vision"], "encoder": "simple3d"},
    ],
}


def lines(clips: int = 24, rounds: int = 9, repeats: int = 4) -> Iterator[Line]:
    """Milliseconds a step, forward, backward and optimiser, of two networks.

    Args:
        clips: how many different clips.
        rounds: how many epochs of each kind are measured, in turn.
        repeats: how often each clip is in an epoch.
    """
    import torch

    import affectstore
    from affectstore.config.experiment import Experiment
    from affectstore.models.needs import inputs_of

    torch.set_num_threads(1)
    experiment = Experiment(**SETTINGS)
    with tempfile.TemporaryDirectory() as temporary, one_core():
        folder = Path(temporary)
        given = some_clips(clips, folder)
        needed = {feature for cell in experiment.cells for feature in inputs_of(experiment, cell).values()}
        upstream = ("audio", "mel", "frames")
        store = affectstore.open(given.publish((*upstream, *sorted(needed - set(upstream))), folder))
        for cell in experiment.cells:
            yield from _lines(experiment, cell, store, given, rounds, repeats, folder)


def _lines(
    experiment: Any, cell: Any, store: Any, given: Clips, rounds: int, repeats: int, folder: Path
) -> Iterator[Line]:
    import pandas as pd
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments import LightningEnvironment

    from affectstore.models.data.batch import make_batch, scales_of
    from affectstore.models.data.dataset import load_clips
    from affectstore.models.engine.fit import fit
    from affectstore.models.engine.order import batches
    from affectstore.models.network import Network
    from affectstore.models.recipe import recipe_of

    recipe, settings = recipe_of(experiment, cell, CLASSES), experiment.training_of(cell)
    readable = set.intersection(*(set(store[feature].clip_ids) for feature in recipe.inputs.values()))
    ids = [clip_id for clip_id in given.plan["clip_id"] if clip_id in readable] * repeats
    table = pd.DataFrame({"clip_id": ids, "speaker": "1001", "label": np.resize(CLASSES, len(ids))})
    began = time.perf_counter()
    train = load_clips(store, recipe, table, folder)
    read_ms = 1000 * (time.perf_counter() - began) / len(ids)
    scales = scales_of(train, recipe)
    fabric = Fabric(accelerator="cpu", devices=1, plugins=[LightningEnvironment()])
    ready = [
        make_batch(train, index, recipe, scales, fabric.device)
        for index in batches(len(train), settings.batch_size, 0, 1)
    ]
    torch.manual_seed(0)
    bare = Network(recipe).train()
    optimiser = torch.optim.Adam(bare.parameters(), lr=settings.learning_rate, fused=True)
    seconds = Rounds()
    for number in range(rounds + 1):
        torch.manual_seed(0)
        fitted = fit(fabric, Network(recipe), train, None, scales, settings, 0, {}, folder / "checkpoint")
        began = time.perf_counter()
        for batch in ready:
            loss = torch.nn.functional.cross_entropy(bare(batch.values, batch.masks, batch.labels).logits, batch.labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if number:  # the first round warms up
            seconds.add("bare", time.perf_counter() - began)
            seconds.add("ours", fitted.train_s)
    ours_ms, bare_ms = (1000 * seconds.median(what) / len(ready) for what in ("ours", "bare"))
    yield at_most(
        f"training step of {cell.id}, {settings.batch_size} clips, one core",
        f"{ours_ms:.0f} ms",
        f"tensors in memory: {bare_ms:.0f} ms",
        seconds.ratio(["ours"], ["bare"]),
        MOST_TIMES_SLOWER,
    )
    yield Line("- reading and scaling a clip for it, once a job", f"{read_ms:.1f} ms", "", "")
