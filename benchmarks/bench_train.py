"""A training step through the store, against the same step on tensors that lie ready in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.line import Line, at_most
from benchmarks.media import some_clips
from benchmarks.steps import read, seconds_of_steps
from benchmarks.timing import one_core

MOST_TIMES_SLOWER = 1.05
#: Small pictures, as a CPU trains on them.
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
    from affectstore.models.engine.processes import fabric_of
    from affectstore.models.needs import inputs_of

    torch.set_num_threads(1)
    experiment = Experiment(**SETTINGS)
    with tempfile.TemporaryDirectory() as temporary, one_core():
        folder = Path(temporary)
        given = some_clips(clips, folder)
        needed = {feature for cell in experiment.cells for feature in inputs_of(experiment, cell).values()}
        upstream = ("audio", "mel", "frames")
        store = affectstore.open(given.publish((*upstream, *sorted(needed - set(upstream))), folder))
        for one in experiment.cells:
            cell = read(experiment, one, store, given, repeats, folder)
            seconds = seconds_of_steps(cell, fabric_of("32-true", "cpu", 1), rounds, folder)
            yield at_most(
                f"training step of {one.id}, {cell.settings.batch_size} clips, one core",
                f"{1000 * seconds.median('ours'):.0f} ms",
                f"tensors in memory: {1000 * seconds.median('bare'):.0f} ms",
                seconds.ratio(["ours"], ["bare"]),
                MOST_TIMES_SLOWER,
            )
            yield Line("- reading and scaling a clip for it, once a job", f"{1000 * cell.read_s:.1f} ms", "", "")
