"""Clips of one subset of a fold, in memory or on the GPU: every image is read and resized once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch
from torch import Tensor

from affectstore.models.cells.recipe import Recipe
from affectstore.models.data.images import ImageInputs, not_images, sample_frames, to_images
from affectstore.models.data.sequences import StepInputs, pool_factor, to_prepended_step, to_steps
from affectstore.models.data.word_spans import WordSpans, load_spans
from affectstore.models.modules import UNLABELLED
from affectstore.models.spec import ClipShape, SequenceShape, TrainingError

_MEMORY_SHARE = 0.5  # of the free memory: the rest is for the network and its gradients
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class ClipSet:
    """Clips of one subset.

    Attributes:
        table: Columns clip_id, speaker and label, one row per clip.
        labels: Index of each clip's class, int64 (clip,); `UNLABELLED` where it has none.
        inputs: Modality -> its values.
        spans: Steps under each word, for fusions that align modalities with words.
    """

    table: pd.DataFrame
    labels: Tensor
    inputs: Mapping[str, ImageInputs | StepInputs]
    spans: WordSpans | None = None

    def __len__(self) -> int:
        return len(self.table)

    def ids(self, places: Iterable[int]) -> list[str]:
        """Clip ids at these places."""
        return self.table["clip_id"].iloc[list(places)].tolist()

    @cached_property
    def lengths(self) -> np.ndarray | None:
        """Number of steps of each clip's longest sequence, int64 (clip,); None where there are images alone."""
        steps = [inputs.lengths.numpy() for inputs in self.inputs.values() if isinstance(inputs, StepInputs)]
        return np.maximum.reduce(steps) if steps else None


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """Move values to a device; to a GPU through pinned memory, so that it keeps computing meanwhile."""
    if device.type != "cuda" or values.device.type == "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


def find_unusable(store: Any, features: Iterable[str], clip_ids: Iterable[str]) -> dict[str, str]:
    """Clip id -> reason, for clips whose status is not ok in every feature.

    Args:
        store: An open store.
        features: Features that a network reads.
        clip_ids: Clips to look up.
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
    """Read the features of some clips; images are resized, rows of sequences averaged to steps.

    Images go to the device clip by clip as they are stored, are resized there, and stay there or come back. An image is
    the middle row of its feature; a clip is `images.frames` frames, evenly sampled where the feature has more rows,
    zero-padded where it has less. An array with one row per clip may precede the steps of a sequence
    (`sequences.prepend`).

    Args:
        store: An open store.
        recipe: Recipe of the network.
        table: Columns clip_id, speaker and label (NA where a clip has none); every clip usable.
        folder: For values that do not fit into memory, in files that are mapped; the caller removes it.
        device: Where images are resized.
        resident: Keep all values on the device (see `estimate_nbytes`), instead of in memory.

    Raises:
        TrainingError: Rows of a feature are neither images nor numbers, or not finite; or it lacks the array that is
            prepended.
    """
    table = table.reset_index(drop=True)
    index = {label: k for k, label in enumerate(recipe.classes)}
    known = table["label"].notna()
    places = [index[label] if has else UNLABELLED for label, has in zip(table["label"], known, strict=True)]
    labels = torch.tensor(places, dtype=torch.int64)
    home, clip_ids = device if resident else _CPU, table["clip_id"].tolist()
    inputs: dict[str, ImageInputs | StepInputs] = {}
    for modality in recipe.modalities:
        shape = recipe.shapes[modality]
        path = folder / f"{modality}-{clip_ids[0]}-{len(clip_ids)}"
        if isinstance(shape, SequenceShape):
            inputs[modality] = _load_steps(store, recipe, modality, clip_ids, shape.dim, home, path)
        else:
            frames = shape.frames if isinstance(shape, ClipShape) else 1
            inputs[modality] = _load_images(store, recipe, modality, clip_ids, frames, device, home, path)
    spans = None if recipe.words is None else load_spans(store, recipe, table["clip_id"])
    return ClipSet(table, labels.to(home), inputs, spans)


def estimate_nbytes(store: Any, recipe: Recipe, clip_ids: list[str]) -> int:
    """Bytes that the values of some clips will take, without reading more than one row of each feature of images.

    Args:
        store, recipe: As of `load_clips`.
        clip_ids: Clips; every one usable.

    Raises:
        TrainingError: Rows of a feature are not images.
    """
    total = 0
    for modality, shape in recipe.shapes.items():
        feature = store[recipe.inputs[modality]]
        if isinstance(shape, SequenceShape):
            steps = sum(_num_steps(feature, recipe, modality, clip_id) for clip_id in clip_ids)
            total += steps * shape.dim * _step_dtype(feature).itemsize
        else:
            image = _read_images(store, recipe, modality, clip_ids[0], 1, _CPU)
            frames = shape.frames if isinstance(shape, ClipShape) else 1
            total += len(clip_ids) * frames * image.numel() * image.element_size()
    return total


def _load_images(
    store: Any,
    recipe: Recipe,
    modality: str,
    clip_ids: list[str],
    frames: int,
    device: torch.device,
    home: torch.device,
    path: Path,
) -> ImageInputs:
    values, mask = torch.zeros(0), torch.zeros(len(clip_ids), frames, dtype=torch.bool)
    for k, clip_id in enumerate(clip_ids):
        images = _read_images(store, recipe, modality, clip_id, frames, device)
        if k == 0:
            shape = (len(clip_ids), images.shape[1], frames, *images.shape[2:])
            values = _allocate(shape, images.dtype, home, path)
        values[k, :, : len(images)] = images.transpose(0, 1)
        mask[k, : len(images)] = True
    return ImageInputs(values, mask.to(home))


def _read_images(store: Any, recipe: Recipe, modality: str, clip_id: str, frames: int, device: torch.device) -> Tensor:
    name = recipe.inputs[modality]
    feature = store[name]
    rows = feature.take(clip_id, sample_frames(feature.rows(clip_id), frames))
    source = f"feature {name!r} of clip {clip_id!r}"
    if rows.dtype.kind not in "fiu":
        raise not_images(source, rows.dtype, rows.shape[1:])
    # Checked before the rows are moved, so that nothing waits for a GPU.
    if rows.dtype.kind == "f" and rows.ndim == 3 and not np.isfinite(rows).all():
        raise TrainingError(f"{source} has values that are not finite; compute it again")
    return to_images(to_device(torch.from_numpy(np.array(rows)), device), recipe.images, source)


def _load_steps(
    store: Any, recipe: Recipe, modality: str, clip_ids: list[str], dim: int, home: torch.device, path: Path
) -> StepInputs:
    feature, settings = store[recipe.inputs[modality]], recipe.sequences
    prepend = {str(m): name for m, name in settings.prepend.items()}.get(modality)
    edges = np.cumsum([0, *(_num_steps(feature, recipe, modality, clip_id) for clip_id in clip_ids)])
    values = _allocate((int(edges[-1]), dim), _step_dtype(feature), home, path)
    for clip_id, begin, end in zip(clip_ids, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        source = f"feature {recipe.inputs[modality]!r} of clip {clip_id!r}"
        steps = to_steps(feature[clip_id], settings, source, modality)
        if prepend is not None:
            steps = np.concatenate([to_prepended_step(feature, prepend, clip_id, source), steps])
        values[begin:end] = torch.from_numpy(steps)
    return StepInputs(values, torch.from_numpy(edges))


def _num_steps(feature: Any, recipe: Recipe, modality: str, clip_id: str) -> int:
    rows = feature.rows(clip_id)
    return -(-rows // pool_factor(rows, recipe.sequences, modality)) + (modality in recipe.sequences.prepend)


def _step_dtype(feature: Any) -> torch.dtype:
    """Type that steps are kept as."""
    return torch.float16 if feature.spec.dtype == "float16" else torch.float32


def _allocate(shape: tuple[int, ...], dtype: torch.dtype, home: torch.device, path: Path) -> Tensor:
    """Zeros on a GPU or in memory, or in a mapped file where they would fill more than half of the free memory."""
    if home.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=home)
    numpy_dtype = torch.zeros(0, dtype=dtype).numpy().dtype
    if int(np.prod(shape)) * numpy_dtype.itemsize < _MEMORY_SHARE * psutil.virtual_memory().available:
        return torch.zeros(shape, dtype=dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    return torch.from_numpy(np.memmap(path, dtype=numpy_dtype, mode="w+", shape=shape))
