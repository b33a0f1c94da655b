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
#: Small images, as a CPU trains on them.
SETTINGS: dict[str, Any] = {
    "title": "one step",
    "corpus": "synthetic",
    "images": {"image_px": 64, "frames": 16, "colour": "grayscale"},
    "train": {"batch_size": 16, "epochs": 1},
    "cells": [
        {"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "horizontal"},
        {"modalities": ["vision"], "encoder": "simple3d"},
        # Small networks, of which the work beside the step itself is a larger part.
        {"modalities": ["audio", "vision"], "encoder": "image_cnn", "fusion": "channel"},
        {"modalities": ["audio"], "encoder": "blstm", "encoder_options": {"hidden_dim": 32, "layers": 1}},
        {
            "modalities": ["audio"],
            "encoder": "transformer",
            "encoder_options": {"dim": 64, "layers": 2, "ffn_dim": 128},
        },
        {"modalities": ["audio"], "encoder": "audio_cnn", "inputs": {"audio": "mfcc"}},
    ],
    "sequences": {"pool": {"audio": 10}},
}


def lines(clips: int = 24, rounds: int = 9, repeats: int = 4) -> Iterator[Line]:
    """Milliseconds of a step, forward, backward and optimiser, of large and small networks.

    Args:
        clips: Number of different clips.
        rounds: Number of measured epochs of each kind, in turn.
        repeats: Number of times that each clip is in an epoch.
    """
    import torch

    import affectstore
    from affectstore.config.experiment import Experiment
    from affectstore.models.cells.inputs import input_features
    from affectstore.models.training.distributed import make_fabric
    from affectstore.models.training.machine import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()  # as a training job does
    experiment = Experiment(**SETTINGS)
    with tempfile.TemporaryDirectory() as temporary, one_core():
        folder = Path(temporary)
        given = some_clips(clips, folder)
        needed = {feature for cell in experiment.cells for feature in input_features(experiment, cell).values()}
        upstream = ("audio", "mel", "frames")
        store = affectstore.open(given.publish((*upstream, *sorted(needed - set(upstream))), folder))
        for one in experiment.cells:
            cell = read(experiment, one, store, given, repeats, folder)
            seconds = seconds_of_steps(cell, make_fabric("32-true", "cpu", 1), rounds, folder)
            yield at_most(
                f"training step of {one.id}, {cell.batch_size} clips, one core",
                f"{1000 * seconds.median('ours'):.1f} ms",
                f"tensors in memory: {1000 * seconds.median('bare'):.1f} ms",
                seconds.ratio(["ours"], ["bare"]),
                MOST_TIMES_SLOWER,
            )
            yield Line("- reading and scaling a clip for it, once a job", f"{1000 * cell.read_s:.1f} ms", "", "")
