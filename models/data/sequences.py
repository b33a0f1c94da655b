"""Stored rows as steps of sequences, kept for all clips of a subset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectstore.config.inputs import Sequences
from affectstore.models.spec import TrainingError


@dataclass(frozen=True)
class StepInputs:
    """Sequences of one modality, for all clips of a subset; padded only in a batch.

    Attributes:
        values: (step, dim), float32, or float16 where it is stored so; the clips' steps joined.
        edges: int64 (clip + 1,), on the CPU: clip k is steps edges[k]:edges[k + 1].
    """

    values: Tensor
    edges: Tensor

    @cached_property
    def lengths(self) -> Tensor:
        """Number of steps of each clip, int64 (clip,)."""
        return self.edges.diff()

    @property
    def padded_size(self) -> int:
        """Number of values, with all clips padded to the longest one."""
        return len(self.lengths) * int(self.lengths.max()) * self.values.shape[1]

    def gather(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Steps of the clips at these places, as stored: (clip, step, dim), arbitrary where padded.

        Returns:
            Values on their device, and the mask, bool (clip, step), on the CPU.
        """
        begins, lengths = self.edges[places], self.lengths[places]
        step = torch.arange(int(lengths.max()))
        mask = step < lengths[:, None]
        # A padded step reads any step of the data; it is set to zero after normalising.
        rows = torch.where(mask, begins[:, None] + step, begins[:, None])
        # One row after the other is several times faster than indexing by a matrix.
        values = self.values.index_select(0, rows.flatten().to(self.values.device))
        return values.unflatten(0, rows.shape), mask


def pool_factor(rows: int, settings: Sequences, modality: str) -> int:
    """Number of a clip's rows that are averaged to one step of a modality."""
    pool = (
        settings.pool
        if isinstance(settings.pool, int)
        else {str(m): k for m, k in settings.pool.items()}.get(modality, 1)
    )
    return max(pool, -(-rows // settings.max_steps))


def to_float_rows(rows: np.ndarray, source: str) -> np.ndarray:
    """Flatten rows to float32 (row, dim).

    Args:
        rows: Numbers (row, ...).
        source: Name of the rows in messages: feature and clip.

    Raises:
        TrainingError: The rows are not numbers, or not finite.
    """
    if rows.dtype.kind not in "fiu":
        raise TrainingError(f"{source} has rows of {rows.dtype}: a sequence is made of numbers; choose another feature")
    values = rows.reshape(len(rows), -1).astype(np.float32)
    if not np.isfinite(values).all():
        raise TrainingError(f"{source} has values that are not finite; compute it again")
    return values


def to_steps(rows: np.ndarray, settings: Sequences, source: str, modality: str) -> np.ndarray:
    """Average rows over time to steps.

    Args:
        rows: Numbers (row, ...); the values of a row become those of a step.
        settings: Number of rows per step, and maximum number of steps.
        source: Name of the rows in messages: feature and clip.
        modality: Modality of the rows.

    Returns:
        float32 (step, dim).

    Raises:
        TrainingError: The rows are not numbers, or not finite.
    """
    values = to_float_rows(rows, source)
    pool = pool_factor(len(values), settings, modality)
    if pool == 1:
        return values
    starts = np.arange(0, len(values), pool)
    sums = np.add.reduceat(values.astype(np.float64), starts, axis=0)
    counts = np.diff(np.append(starts, len(values)))
    return (sums / counts[:, None]).astype(np.float32)


def to_prepended_step(feature: Any, name: str, clip_id: str, source: str) -> np.ndarray:
    """Read an array that has one row per clip as a step, float32 (1, dim).

    Args:
        feature: Feature of an open store.
        name: Name of an array with one row per clip, of the same length as the feature's rows.
        clip_id: The clip.
        source: Name of feature and clip in messages.

    Raises:
        TrainingError: The feature has no such array, or its values are not numbers, or not finite.
    """
    shape = feature.spec.shape
    fitting = [n for n, spec in feature.specs.items() if spec.granularity == "clip" and spec.shape == shape]
    if name not in fitting:
        raise TrainingError(
            f"`sequences.prepend` puts {name!r} before the rows of {source}, which has no array of that name with one "
            f"row per clip of the same length; it has {', '.join(fitting) or 'none'}"
        )
    return to_float_rows(feature.array(clip_id, name), source)
