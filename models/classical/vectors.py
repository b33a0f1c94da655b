"""Time-pooled features of clips: one vector a clip and modality, what classical baselines read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from affectstore.models.baselines.base import Examples, Pool
from affectstore.models.classical.recipe import BaselineRecipe
from affectstore.models.data.scale import FLAT
from affectstore.models.data.sequences import to_columns


@dataclass(frozen=True)
class ClipVectors:
    """The clips of one side.

    Attributes:
        table: columns clip_id, speaker and label, one row a clip.
        y: index of each clip's class, int64 (clip,).
        parts: modality -> float32 (clip, column), as pooled.
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
    """How a modality's columns are standardised.

    Attributes:
        mean, std: float64 (column,), of the training side; a constant column deviates by 1.
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> ColumnScale:
        """Of the clips of a training side, (clip, column)."""
        mean, std = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
        constant = std <= FLAT * np.maximum(np.abs(mean), 1e-12)
        return cls(mean, np.where(constant, 1.0, std))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float32 (clip, column): 0 is the training side's mean."""
        return ((x - self.mean) / self.std).astype(np.float32)


def pool_rows(rows: np.ndarray, pool: Pool) -> np.ndarray:
    """Mean, or mean and standard deviation, of each column over time.

    Args:
        rows: (row, column).
        pool: which.

    Returns:
        float32 (column,), or (2 column,): all means, then all deviations (of the population; 0 for one row).
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    if pool == "mean":
        return mean.astype(np.float32)
    return np.concatenate([mean, rows.std(axis=0, dtype=np.float64)]).astype(np.float32)


def load_vectors(store: Any, recipe: BaselineRecipe, table: pd.DataFrame) -> ClipVectors:
    """Read and pool the features of some clips, clip by clip.

    Args:
        store: an open store.
        recipe: says which features, and how they are pooled; nothing is read where the baseline reads nothing.
        table: columns clip_id, speaker and label; every clip usable.

    Raises:
        TrainingError: a feature's rows are no numbers, or not finite.
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
        rows = to_columns(feature[clip_id], f"feature {name!r} of clip {clip_id!r}")
        found.append(rows[0] if one_row else pool_rows(rows, pool))
    return np.stack(found)


def examples(clips: ClipVectors, scales: Mapping[str, ColumnScale], without: str | None = None) -> Examples:
    """Standardised columns of all modalities, joined in their order.

    Args:
        clips: the clips.
        scales: modality -> how its columns are standardised, in the order in which they are joined.
        without: a modality whose columns are set to the training side's mean.
    """
    parts = [
        np.zeros_like(clips.parts[modality]) if modality == without else scale(clips.parts[modality])
        for modality, scale in scales.items()
    ]
    return Examples(clips.ids, np.concatenate(parts, axis=1), clips.y)
