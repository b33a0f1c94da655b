"""The clips of one side of a fold, resident in memory: every picture is read and scaled once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectstore.models.pictures import spread, to_pictures
from affectstore.models.recipe import Recipe

_MEMORY_SHARE = 0.5  # of what is free: the rest is for the network and its gradients


@dataclass(frozen=True)
class Inputs:
    """One modality of every clip.

    Attributes:
        values: (clip, channel, frame, height, width), uint8, or float16 from 0 to 1; zero where padded.
        mask: bool (clip, frame), False where padded.
    """

    values: Tensor
    mask: Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the values."""
        return self.values.numel() * self.values.element_size()


@dataclass(frozen=True)
class ClipSet:
    """The clips of one side.

    Attributes:
        table: columns clip_id, speaker and label, one row a clip.
        labels: index of each clip's class, int64 (clip,).
        inputs: modality -> its values.
    """

    table: pd.DataFrame
    labels: Tensor
    inputs: Mapping[str, Inputs]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        return sum(inputs.nbytes for inputs in self.inputs.values())

    def ids(self, index: Iterable[int]) -> list[str]:
        """Clip ids at these places."""
        return self.table["clip_id"].iloc[list(index)].tolist()

    def to(self, device: torch.device) -> ClipSet:
        """The same clips with their values on a device."""
        inputs = {m: Inputs(i.values.to(device), i.mask.to(device)) for m, i in self.inputs.items()}
        return replace(self, labels=self.labels.to(device), inputs=inputs)


def unusable(store: Any, features: Iterable[str], clip_ids: Iterable[str]) -> dict[str, str]:
    """Clip id -> why it cannot be used, for those whose status is not ok in every feature.

    Args:
        store: an open store.
        features: the features a network reads.
        clip_ids: the clips that are asked for.
    """
    wanted = list(clip_ids)
    reasons: dict[str, str] = {}
    for feature in dict.fromkeys(features):
        table = store[feature].status.set_index("clip_id").reindex(wanted)
        for clip_id, state, reason, rows in zip(wanted, table["status"], table["reason"], table["rows"], strict=True):
            if pd.isna(state):
                reasons.setdefault(clip_id, f"{feature}: not in the store")
            elif state != "ok":
                reasons.setdefault(clip_id, f"{feature}: {state}" + (f", {reason}" if reason else ""))
            elif rows == 0:
                reasons.setdefault(clip_id, f"{feature}: no rows")
    return reasons


def load_clips(store: Any, recipe: Recipe, table: pd.DataFrame, folder: Path) -> ClipSet:
    """Read and scale the features of some clips.

    An image is the middle row of its feature; a clip is `pictures.frames` frames, evenly spread where
    the feature has more rows, zero-padded where it has less.

    Args:
        store: an open store.
        recipe: says which features, and what becomes of them.
        table: columns clip_id, speaker and label; every clip usable.
        folder: where values that do not fit into memory are kept, in files that are mapped; the caller
            removes it.

    Raises:
        TrainingError: a feature's rows are no pictures, or not finite.
    """
    table = table.reset_index(drop=True)
    index = {label: k for k, label in enumerate(recipe.classes)}
    labels = torch.tensor([index[label] for label in table["label"]], dtype=torch.int64)
    inputs = {m: _load_inputs(store, recipe, m, table["clip_id"].tolist(), folder) for m in recipe.modalities}
    return ClipSet(table, labels, inputs)


def _load_inputs(store: Any, recipe: Recipe, modality: str, clip_ids: list[str], folder: Path) -> Inputs:
    feature = store[recipe.inputs[modality]]
    frames = recipe.given[modality].frames or 1
    values, mask = torch.zeros(0), torch.zeros(len(clip_ids), frames, dtype=torch.bool)
    for k, clip_id in enumerate(clip_ids):
        source = f"feature {recipe.inputs[modality]!r} of clip {clip_id!r}"
        chosen = to_pictures(feature.take(clip_id, spread(feature.rows(clip_id), frames)), recipe.pictures, source)
        if k == 0:
            shape = (len(clip_ids), chosen.shape[1], frames, *chosen.shape[2:])
            values = _allocate(shape, chosen.dtype, folder / f"{modality}-{clip_ids[0]}-{len(clip_ids)}")
        values[k, :, : len(chosen)] = chosen.transpose(0, 1)
        mask[k, : len(chosen)] = True
    return Inputs(values, mask)


def _allocate(shape: tuple[int, ...], dtype: torch.dtype, path: Path) -> Tensor:
    """Zeros in memory, or in a mapped file where they would fill more than half of it."""
    import psutil

    numpy_dtype = np.dtype("uint8" if dtype == torch.uint8 else "float16")
    if int(np.prod(shape)) * numpy_dtype.itemsize < _MEMORY_SHARE * psutil.virtual_memory().available:
        return torch.zeros(shape, dtype=dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    return torch.from_numpy(np.memmap(path, dtype=numpy_dtype, mode="w+", shape=shape))
