"""Features pooled over time: one vector per clip and modality, the input of classical baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from affectstore.models.baseline_spec import Examples, Pool
from affectstore.models.cells.recipe import BaselineRecipe
from affectstore.models.data.batch import MIN_STD
from affectstore.models.data.sequences import to_float_rows


@dataclass(frozen=True)
class ClipVectors:
    """Clips of one subset.

    Attributes:
        table: Columns clip_id, speaker and label, one row per clip.
        y: Index of each clip's class, int64 (clip,).
        parts: Modality -> float32 (clip, column), as pooled.
    """

    table: pd.DataFrame
    y: np.ndarray
    parts: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> tuple[str, ...]:
        """Clip ids, in order."""
        return tuple(self.table["clip_id"])


@dataclass(frozen=True)
class ColumnScale:
    """Standardisation of a modality's columns.

    Attributes:
        mean, std: float64 (column,), of the training subset; the std of a constant column is 1.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> ColumnScale:
        """Mean and standard deviation of the clips of a training subset, (clip, column)."""
        mean, std = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        constant = std <= MIN_STD * np.maximum(np.abs(mean), 1e-12)
        return cls(mean, np.where(constant, 1.0, std))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Standardise (clip, column) to float32: 0 is the mean of the training subset."""
        return ((x - self.mean) / self.std).astype(np.float32)


def pool_rows(rows: np.ndarray, pool: Pool) -> np.ndarray:
    """Mean, or mean and standard deviation, of each column over time.

    Args:
        rows: (row, column).
        pool: Statistics.

    Returns:
        float32 (column,), or (2 column,): all means, then all standard deviations (of the population; 0 for one row).
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    if pool == "mean":
        return mean.astype(np.float32)
    return np.concatenate([mean, rows.std(axis=0, dtype=np.float64)]).astype(np.float32)


def load_vectors(store: Any, recipe: BaselineRecipe, table: pd.DataFrame) -> ClipVectors:
    """Read and pool the features of some clips, clip by clip.

    Args:
        store: An open store.
        recipe: Names the features and how they are pooled; nothing is read where the baseline reads no features.
        table: Columns clip_id, speaker and label; every clip usable.

    Raises:
        TrainingError: Rows of a feature are not numbers, or not finite.
    """
    table = table.reset_index(drop=True)
    index = {label: k for k, label in enumerate(recipe.classes)}
    y = np.array([index[label] for label in table["label"]], dtype=np.int64)
    pool = recipe.pool
    if pool is None:
        return ClipVectors(table, y, {m: np.zeros((len(table), 0), dtype=np.float32) for m in recipe.modalities})
    return ClipVectors(table, y, {m: _load(store, recipe.inputs[m], table["clip_id"], pool) for m in recipe.modalities})


def _load(store: Any, name: str, clip_ids: pd.Series, pool: Pool) -> np.ndarray:
    feature = store[name]
    one_row = feature.spec.dims[0] == "clip"
    found = []
    for clip_id in clip_ids:
        rows = to_float_rows(feature[clip_id], f"feature {name!r} of clip {clip_id!r}")
        found.append(rows[0] if one_row else pool_rows(rows, pool))
    return np.stack(found)


def standardise(clips: ClipVectors, scales: Mapping[str, ColumnScale], without: str | None = None) -> Examples:
    """Standardise the columns of all modalities, and join them in order.

    Args:
        clips: The clips.
        scales: Modality -> standardisation of its columns, in the order in which they are joined.
        without: A modality whose columns are set to the mean of the training subset.
    """
    parts = [
        np.zeros_like(clips.parts[modality]) if modality == without else scale(clips.parts[modality])
        for modality, scale in scales.items()
    ]
    return Examples(clips.ids, np.concatenate(parts, axis=1), clips.y)
