"""The clips of one side of a fold, in memory or on the GPU: every picture is read and scaled once."""

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
_CPU = torch.device("cpu")


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


def load_clips(
    store: Any,
    recipe: Recipe,
    table: pd.DataFrame,
    folder: Path,
    device: torch.device = _CPU,
    resident: bool = False,
) -> ClipSet:
    """Read the features of some clips; pictures are scaled, rows of sequences pooled.

    Pictures go to the device clip by clip as they are stored, are scaled there, and stay there or come back.

    An image is the middle row of its feature; a clip is `pictures.frames` frames, evenly spread where
    the feature has more rows, zero-padded where it has less. The steps of a sequence may come behind an array
    that the feature has once a clip (`sequences.first`).

    Args:
        store: an open store.
        recipe: says which features, and what becomes of them.
        table: columns clip_id, speaker and label (NA where a clip has none); every clip usable.
        folder: where values that do not fit into memory are kept, in files that are mapped; the caller
            removes it.
        device: where pictures are scaled.
        resident: whether all values stay on the device (see `bytes_of`), instead of in memory.

    Raises:
        TrainingError: a feature's rows are no pictures, no numbers, or not finite; or it lacks the array that is put
            before them.
    """
    table = table.reset_index(drop=True)
    index = {label: k for k, label in enumerate(recipe.classes)}
    known = table["label"].notna()
    places = [index[label] if has else UNLABELLED for label, has in zip(table["label"], known, strict=True)]
    labels = torch.tensor(places, dtype=torch.int64)
    home, clip_ids = device if resident else _CPU, table["clip_id"].tolist()
    inputs: dict[str, Inputs | StepInputs] = {}
    for modality in recipe.modalities:
        given = recipe.given[modality]
        path = folder / f"{modality}-{clip_ids[0]}-{len(clip_ids)}"
        if isinstance(given, GivenSteps):
            inputs[modality] = _load_steps(store, recipe, modality, clip_ids, given.columns, home, path)
        else:
            inputs[modality] = _load_pictures(store, recipe, modality, clip_ids, given.frames or 1, device, home, path)
    return ClipSet(table, labels.to(home), inputs, load_spans(store, recipe, table["clip_id"]))


def bytes_of(store: Any, recipe: Recipe, clip_ids: list[str]) -> int:
    """Bytes that the values of some clips will take, without reading more than one row of each feature of pictures.

    Args:
        store, recipe: as of `load_clips`.
        clip_ids: every clip usable.

    Raises:
        TrainingError: a feature's rows are no pictures.
    """
    total = 0
    for modality, given in recipe.given.items():
        feature = store[recipe.inputs[modality]]
        if isinstance(given, GivenSteps):
            steps = sum(_steps_of(feature, recipe, modality, clip_id) for clip_id in clip_ids)
            total += steps * given.columns * _dtype_of(feature).itemsize
        else:
            picture = _pictures_of(store, recipe, modality, clip_ids[0], 1, _CPU)
            total += len(clip_ids) * (given.frames or 1) * picture.numel() * picture.element_size()
    return total


def _load_pictures(
    store: Any,
    recipe: Recipe,
    modality: str,
    clip_ids: list[str],
    frames: int,
    device: torch.device,
    home: torch.device,
    path: Path,
) -> Inputs:
    values, mask = torch.zeros(0), torch.zeros(len(clip_ids), frames, dtype=torch.bool)
    for k, clip_id in enumerate(clip_ids):
        chosen = _pictures_of(store, recipe, modality, clip_id, frames, device)
        if k == 0:
            shape = (len(clip_ids), chosen.shape[1], frames, *chosen.shape[2:])
            values = _allocate(shape, chosen.dtype, home, path)
        values[k, :, : len(chosen)] = chosen.transpose(0, 1)
        mask[k, : len(chosen)] = True
    return Inputs(values, mask.to(home))


def _pictures_of(store: Any, recipe: Recipe, modality: str, clip_id: str, frames: int, device: torch.device) -> Tensor:
    feature = store[recipe.inputs[modality]]
    rows = feature.take(clip_id, spread(feature.rows(clip_id), frames))
    return to_pictures(rows, recipe.pictures, f"feature {recipe.inputs[modality]!r} of clip {clip_id!r}", device)


def _steps_of(feature: Any, recipe: Recipe, modality: str, clip_id: str) -> int:
    rows = feature.rows(clip_id)
    return -(-rows // pooling(rows, recipe.sequences, modality)) + (modality in recipe.sequences.first)


def _dtype_of(feature: Any) -> torch.dtype:
    """What steps are kept as."""
    return torch.float16 if feature.spec.dtype == "float16" else torch.float32


def _load_steps(
    store: Any, recipe: Recipe, modality: str, clip_ids: list[str], columns: int, home: torch.device, path: Path
) -> StepInputs:
    feature, settings = store[recipe.inputs[modality]], recipe.sequences
    first = settings.first.get(modality)  # type: ignore[call-overload]
    edges = np.cumsum([0, *(_steps_of(feature, recipe, modality, clip_id) for clip_id in clip_ids)])
    values = _allocate((int(edges[-1]), columns), _dtype_of(feature), home, path)
    for clip_id, begin, end in zip(clip_ids, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        source = f"feature {recipe.inputs[modality]!r} of clip {clip_id!r}"
        steps = to_steps(feature[clip_id], settings, source, modality)
        if first is not None:
            steps = np.concatenate([to_first(feature, first, clip_id, source), steps])
        values[begin:end] = torch.from_numpy(steps)
    return StepInputs(values, torch.from_numpy(edges))


def _allocate(shape: tuple[int, ...], dtype: torch.dtype, home: torch.device, path: Path) -> Tensor:
    """Zeros on a GPU or in memory, or in a mapped file where they would fill more than half of that."""
    import psutil

    if home.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=home)
    numpy_dtype = torch.zeros(0, dtype=dtype).numpy().dtype
    if int(np.prod(shape)) * numpy_dtype.itemsize < _MEMORY_SHARE * psutil.virtual_memory().available:
        return torch.zeros(shape, dtype=dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    return torch.from_numpy(np.memmap(path, dtype=numpy_dtype, mode="w+", shape=shape))
