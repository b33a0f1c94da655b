"""Stored rows as steps of a sequence: what each step is the mean of."""

from __future__ import annotations

from typing import Any

import numpy as np

from affectstore.config.experiment import Sequences
from affectstore.models.base import TrainingError


def pooling(rows: int, settings: Sequences, modality: str) -> int:
    """How many of a clip's rows a step of a modality is the mean of."""
    pool = settings.pool if isinstance(settings.pool, int) else settings.pool.get(modality, 1)  # type: ignore[call-overload]
    return max(pool, -(-rows // settings.most_steps))


def to_columns(rows: np.ndarray, source: str) -> np.ndarray:
    """Rows as float32 (row, column).

    Args:
        rows: numbers (row, ...).
        source: what messages call them: feature and clip.

    Raises:
        TrainingError: the rows are no numbers, or not finite.
    """
    if rows.dtype.kind not in "fiu":
        raise TrainingError(f"{source} has rows of {rows.dtype}: a sequence is made of numbers; choose another feature")
    values = rows.reshape(len(rows), -1).astype(np.float32)
    if not np.isfinite(values).all():
        raise TrainingError(f"{source} has values that are not finite; compute it again")
    return values


def to_steps(rows: np.ndarray, settings: Sequences, source: str, modality: str) -> np.ndarray:
    """Rows pooled over time.

    Args:
        rows: numbers (row, ...); what a row holds becomes its columns.
        settings: how many rows a step is the mean of, and how many steps there may be.
        source: what messages call the rows: feature and clip.
        modality: which it is.

    Returns:
        float32 (step, column).

    Raises:
        TrainingError: the rows are no numbers, or not finite.
    """
    values = to_columns(rows, source)
    pool = pooling(len(values), settings, modality)
    if pool == 1:
        return values
    starts = np.arange(0, len(values), pool)
    sums = np.add.reduceat(values.astype(np.float64), starts, axis=0)
    counts = np.diff(np.append(starts, len(values)))
    return (sums / counts[:, None]).astype(np.float32)


def to_first(feature: Any, name: str, clip_id: str, source: str) -> np.ndarray:
    """The step that an array of a clip makes, float32 (1, column).

    Args:
        feature: of an open store.
        name: of an array that has one row a clip, with the columns of the feature's rows.
        clip_id: which clip.
        source: what messages call feature and clip.

    Raises:
        TrainingError: the feature has no such array, or it holds no numbers, or not finite ones.
    """
    fitting = [n for n, spec in feature.specs.items() if spec.per == "clip" and spec.shape == feature.spec.shape]
    if name not in fitting:
        raise TrainingError(
            f"`sequences.first` puts {name!r} before the rows of {source}, which has no array of that name with one "
            f"row a clip and as many columns; it has {', '.join(fitting) or 'none'}"
        )
    return to_columns(feature.array(clip_id, name), source)
