"""Cost of a row: parameters, time and memory, from its runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from affectstore.evaluation.row_notes import device_kinds
from affectstore.evaluation.runs import Run


@dataclass(frozen=True)
class Cost:
    """Means over the runs of a cell; NaN where no run reports a value.

    Attributes:
        parameters: Number of parameters of one network.
        train_s: Seconds of training per run.
        train_ms: Milliseconds of training per clip and epoch; per clip in total for a baseline.
        inference_ms: Milliseconds of inference per clip.
        peak_mem_mb: Largest memory of any run in 2**20 bytes: of the GPU in that run, or of the CPU process so far.
        best_epoch: Selected epoch.
        epochs: Number of trained epochs.
        n_train: Number of training clips.
        devices: Devices of the runs.
    """

    parameters: float
    train_s: float
    train_ms: float
    inference_ms: float
    peak_mem_mb: float
    best_epoch: float
    epochs: float
    n_train: float
    devices: tuple[str, ...]


def cost_of(runs: Sequence[Run]) -> Cost:
    """Average the cost of one cell over its runs."""

    def mean(*keys: str) -> float:
        return _mean([_fact(run, keys) for run in runs])

    peaks = [value for run in runs if (value := _fact(run, ("peak_mem_mb",))) is not None]
    return Cost(
        parameters=mean("parameters"),
        train_s=mean("train_s"),
        train_ms=_mean([_train_ms(run) for run in runs]),
        inference_ms=mean("infer_ms_per_clip"),
        peak_mem_mb=max(peaks, default=math.nan),
        best_epoch=mean("best_epoch"),
        epochs=mean("epochs"),
        n_train=mean("n", "train"),
        devices=tuple(device_kinds(runs)),
    )


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _train_ms(run: Run) -> float | None:
    """Time per clip and epoch from run.json; runs of older versions have seconds, epochs and clips instead."""
    reported = _fact(run, ("train_ms_per_clip",))
    if reported is not None:
        return reported
    seconds, clips = _fact(run, ("train_s",)), _fact(run, ("n", "train"))
    epochs = 1.0 if "baseline" in run.facts else _fact(run, ("epochs",))
    if seconds is None or not clips or not epochs:
        return None
    return 1000 * seconds / (epochs * (clips + (_fact(run, ("n", "unlabelled")) or 0)))


def _fact(run: Run, keys: Sequence[str]) -> float | None:
    """Number under nested keys of run.json, or None."""
    value: Any = run.facts
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None
