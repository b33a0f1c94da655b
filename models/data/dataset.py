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

from affectstore.models.base import GivenSteps
from affectstore.models.data.pictures import spread, to_pictures
from affectstore.models.data.sequences import pooling, to_first, to_steps
from affectstore.models.data.step_inputs import StepInputs
from affectstore.models.data.word_spans import WordSpans, load_spans
from affectstore.models.engine.loss import UNLABELLED
from affectstore.models.recipe import Recipe

_MEMORY_SHARE = 0.5  # of what is free: the rest is for the network and its gradients


@dataclass(frozen=True)
class Inputs:
    """One modality of every clip, as pictures.

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

    def to(self, device: torch.device) -> Inputs:
        """The same on a device."""
        return Inputs(self.values.to(device), self.mask.to(device))


@dataclass(frozen=True)
class ClipSet:
    """The clips of one side.

    Attributes:
        table: columns clip_id, speaker and label, one row a clip.
        labels: index of each clip's class, int64 (clip,); `UNLABELLED` where it has none.
        inputs: modality -> its values.
        spans: the steps under each word, where the fusion goes word by word.
    """

    table: pd.DataFrame
    labels: Tensor
    inputs: Mapping[str, Inputs | StepInputs]
    spans: WordSpans | None = None

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
        inputs = {modality: inputs.to(device) for modality, inputs in self.inputs.items()}
        return replace(self, labels=self.labels.to(device), inputs=inputs)

    @property
    def lengths(self) -> np.ndarray | None:
        """int64 (clip,), steps of each clip's longest sequence; None where there are pictures alone."""
        steps = [inputs.lengths.numpy() for inputs in self.inputs.values() if isinstance(inputs, StepInputs)]
        return np.maximum.reduce(steps) if steps else None


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
    """Read the features of some clips; pictures are scaled, rows of sequences pooled.

    An image is the middle row of its feature; a clip is `pictures.frames` frames, evenly spread where
    the feature has more rows, zero-padded where it has less. The steps of a sequence may come behind an array
    that the feature has once a clip (`sequences.first`).

    Args:
        store: an open store.
        recipe: says which features, and what becomes of them.
        table: columns clip_id, speaker and label (NA where a clip has none); every clip usable.
        folder: where values that do not fit into memory are kept, in files that are mapped; the caller
            removes it.

    Raises:
        TrainingError: a feature's rows are no pictures, no numbers, or not finite; or it lacks the array that is put
            before them.
    """
    table = table.reset_index(drop=True)
    index = {label: k for k, label in enumerate(recipe.classes)}
    known = table["label"].notna()
    places = [index[label] if has else UNLABELLED for label, has in zip(table["label"], known, strict=True)]
    labels = torch.tensor(places, dtype=torch.int64)
    inputs = {m: _load_inputs(store, recipe, m, table["clip_id"].tolist(), folder) for m in recipe.modalities}
    return ClipSet(table, labels, inputs, load_spans(store, recipe, table["clip_id"]))


def _load_inputs(store: Any, recipe: Recipe, modality: str, clip_ids: list[str], folder: Path) -> Inputs | StepInputs:
    given = recipe.given[modality]
    if isinstance(given, GivenSteps):
        return _load_steps(store, recipe, modality, clip_ids, folder, given.columns)
    feature = store[recipe.inputs[modality]]
    frames = given.frames or 1
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


def _load_steps(
    store: Any, recipe: Recipe, modality: str, clip_ids: list[str], folder: Path, columns: int
) -> StepInputs:
    feature, settings = store[recipe.inputs[modality]], recipe.sequences
    first = settings.first.get(modality)  # type: ignore[call-overload]

    def steps_of(clip_id: str) -> int:
        rows = feature.rows(clip_id)
        return -(-rows // pooling(rows, settings, modality)) + (first is not None)

    edges = np.cumsum([0, *(steps_of(clip_id) for clip_id in clip_ids)])
    dtype = torch.float16 if feature.spec.dtype == "float16" else torch.float32
    shape = (int(edges[-1]), columns)
    values = _allocate(shape, dtype, folder / f"{modality}-{clip_ids[0]}-{len(clip_ids)}")
    for clip_id, begin, end in zip(clip_ids, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        source = f"feature {recipe.inputs[modality]!r} of clip {clip_id!r}"
        steps = to_steps(feature[clip_id], settings, source, modality)
        if first is not None:
            steps = np.concatenate([to_first(feature, first, clip_id, source), steps])
        values[begin:end] = torch.from_numpy(steps)
    return StepInputs(values, torch.from_numpy(edges))


def _allocate(shape: tuple[int, ...], dtype: torch.dtype, path: Path) -> Tensor:
    """Zeros in memory, or in a mapped file where they would fill more than half of it."""
    import psutil

    numpy_dtype = torch.zeros(0, dtype=dtype).numpy().dtype
    if int(np.prod(shape)) * numpy_dtype.itemsize < _MEMORY_SHARE * psutil.virtual_memory().available:
        return torch.zeros(shape, dtype=dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    return torch.from_numpy(np.memmap(path, dtype=numpy_dtype, mode="w+", shape=shape))
