"""What a row cost: parameters, time and memory, from its runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from affectstore.evaluation.flags import devices_of
from affectstore.evaluation.runs import Run


@dataclass(frozen=True)
class Cost:
    """Means over a cell's runs; NaN where no run says.

    Attributes:
        parameters: of one network.
        train_s: seconds of training per run.
        inference_ms: milliseconds per clip when scoring.
        peak_mem_mb: largest memory of any run, in 2**20 bytes.
        best_epoch: epoch that was chosen.
        epochs: epochs that were trained.
        n_train: clips that were trained on.
        devices: what the runs were trained on.
    """

    parameters: float
    train_s: float
    inference_ms: float
    peak_mem_mb: float
    best_epoch: float
    epochs: float
    n_train: float
    devices: tuple[str, ...]


def cost_of(runs: Sequence[Run]) -> Cost:
    """Cost of one cell.

    Args:
        runs: of the cell.
    """

    def mean(*keys: str) -> float:
        values = [value for run in runs if (value := _fact(run, keys)) is not None]
        return sum(values) / len(values) if values else math.nan

    peaks = [value for run in runs if (value := _fact(run, ("peak_mem_mb",))) is not None]
    return Cost(
        parameters=mean("parameters"),
        train_s=mean("train_s"),
        inference_ms=mean("infer_ms_per_clip"),
        peak_mem_mb=max(peaks, default=math.nan),
        best_epoch=mean("best_epoch"),
        epochs=mean("epochs"),
        n_train=mean("n", "train"),
        devices=tuple(devices_of(runs)),
    )


def _fact(run: Run, keys: Sequence[str]) -> float | None:
    value: Any = run.facts
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None
