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
        train_ms: milliseconds of training per clip, in each epoch that sees it; of a baseline, in all.
        inference_ms: milliseconds per clip when scoring.
        peak_mem_mb: largest memory of any run, in 2**20 bytes: of the GPU in that run, or of the CPU's process so far.
        best_epoch: epoch that was chosen.
        epochs: epochs that were trained.
        n_train: clips that were trained on.
        devices: what the runs were trained on.
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
    """Cost of one cell.

    Args:
        runs: of the cell.
    """

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
        devices=tuple(devices_of(runs)),
    )


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def _train_ms(run: Run) -> float | None:
    """As the run says it, or of one that was written before runs did: from seconds, epochs and clips."""
    said = _fact(run, ("train_ms_per_clip",))
    if said is not None:
        return said
    seconds, clips = _fact(run, ("train_s",)), _fact(run, ("n", "train"))
    epochs = 1.0 if "baseline" in run.facts else _fact(run, ("epochs",))
    if seconds is None or not clips or not epochs:
        return None
    return 1000 * seconds / (epochs * (clips + (_fact(run, ("n", "unlabelled")) or 0)))


def _fact(run: Run, keys: Sequence[str]) -> float | None:
    value: Any = run.facts
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return float(value) if isinstance(value, int | float) else None
