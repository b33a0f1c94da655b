"""Training steps on a GPU: through the store against tensors in its memory, bf16 against fp32, and how busy it is."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.bench_train import MOST_TIMES_SLOWER
from benchmarks.line import Line, at_least, at_most
from benchmarks.media import some_clips
from benchmarks.steps import Cell, read, seconds_of_steps
from benchmarks.timing import Rounds

#: The second study's networks at its sizes.
SETTINGS: dict[str, Any] = {
    "title": "one step",
    "corpus": "synthetic",
    "images": {"image_px": 224, "frames": 32},
    "train": {"batch_size": 32, "epochs": 1},
    "cells": [
        {"modalities": ["audio", "vision"], "encoder": "resnet18", "fusion": "horizontal"},
        {"modalities": ["vision"], "encoder": "i3d", "train": {"batch_size": 8}},
    ],
}
STEP = "training step of {}, {} clips, GPU"
ROWS = (
    "fp32, clips on the GPU",
    "fp32, clips read ahead from memory",
    "bf16 instead of fp32, times faster",
    "how busy the GPU is in the first of these",
)
_EVERY_S = 0.2


def lines(
    clips: int = 24,
    rounds: int = 9,
    repeats: int = 16,
    accelerator: str = "cuda",
    settings: dict[str, Any] | None = None,
) -> Iterator[Line]:
    """Milliseconds a step of two networks; "not measured" where there is no GPU.

    Args:
        clips: Number of different clips.
        rounds: Number of measured epochs of each kind, in turn.
        repeats: Number of times that each clip is in an epoch.
        accelerator: Fabric's; "cpu" runs the same statements without a GPU.
        settings: Settings of the experiment, instead of `SETTINGS`.
    """
    import torch

    import affectstore
    from affectstore.config.experiment import Experiment

    experiment = Experiment(**(settings or SETTINGS))
    if accelerator == "cuda" and not torch.cuda.is_available():
        for one in experiment.cells:
            what = STEP.format(one.id, experiment.training_of(one).batch_size)
            yield from (Line(f"{what}, {row}", "not measured", "", "") for row in ROWS)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        given = some_clips(clips, folder)
        store = affectstore.open(given.publish(("audio", "mel", "mel_image", "frames", "faces"), folder))
        for one in experiment.cells:
            yield from _lines(read(experiment, one, store, given, repeats, folder), one.id, accelerator, rounds, folder)


def _lines(cell: Cell, name: str, accelerator: str, rounds: int, folder: Path) -> Iterator[Line]:
    from affectstore.models.training.distributed import make_fabric

    what = STEP.format(name, cell.batch_size)
    fp32 = make_fabric("32-true", accelerator, 1)
    with _Busy() as busy:
        resident = seconds_of_steps(cell, fp32, rounds, folder, resident=True)
    ahead = seconds_of_steps(cell, fp32, rounds, folder)
    bf16 = seconds_of_steps(cell, make_fabric("bf16-mixed", accelerator, 1), rounds, folder, resident=True)
    for row, seconds in zip(ROWS, (resident, ahead), strict=False):
        ratio = seconds.ratio(["ours"], ["bare"])
        bare = f"tensors on the GPU: {_ms(seconds, 'bare')}"
        yield at_most(f"{what}, {row}", _ms(seconds, "ours"), bare, ratio, MOST_TIMES_SLOWER)
    faster = resident.median("ours") / bf16.median("ours")
    yield at_least(f"{what}, {ROWS[2]}", _ms(bf16, "ours"), f"fp32: {_ms(resident, 'ours')}", faster)
    share = f"{fmean(busy.percent):.0f}%" if busy.percent else "not measured"
    yield Line(f"{what}, {ROWS[3]}", share, "", "")


def _ms(seconds: Rounds, what: str) -> str:
    return f"{1000 * seconds.median(what):.1f} ms"


class _Busy:
    """Samples what `nvidia-smi` calls utilisation, in percent, while the block runs; nothing where it is not there."""

    def __init__(self) -> None:
        self.percent: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> _Busy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while not self._over.wait(_EVERY_S):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            except (OSError, subprocess.CalledProcessError):
                return
            self.percent.append(float(done.stdout))
