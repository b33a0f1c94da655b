"""Batches are copies of values that were normalised once, where those are small, and the same where they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support import tiny_store
from torch import Tensor

import affectstore
from affectstore.config.experiment import Experiment
from affectstore.config.training import Augmentation
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.data import batch as module
from affectstore.models.data.batch import Batch, BatchMaker, compute_scales
from affectstore.models.data.dataset import load_clips
from affectstore.models.data.rng import RngStreams
from affectstore.models.training.loader import training_batches

CPU = torch.device("cpu")
CLASSES = tiny_store.CLASSES
BOTH = {"modalities": ["audio", "vision"]}
CELLS = {
    "images": BOTH | {"encoder": "image_cnn", "fusion": "concat"},
    "clips of images": BOTH | {"encoder": "simple3d", "fusion": "channel"},
    "sequences": BOTH | {"encoder": "blstm", "fusion": "gmu"},
}
AUGMENT = Augmentation(flip=0.5, brightness=0.3, time_masks=1, freq_masks=1)
every = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def makers(
    cell: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch, augment: Augmentation | None = None
) -> tuple[BatchMaker, ...]:
    """Makers of the same batches, from values that are kept normalised and from stored ones."""
    tiny_store.write_store(folder / "store")
    store = affectstore.open(folder / "store")
    experiment = Experiment(title="t", corpus="c", cells=(cell,), images={"image_px": 16, "frames": 4})
    dims = dict.fromkeys(("lld", "vggface"), tiny_store.COLUMNS)
    recipe = recipe_for(experiment, experiment.cells[0], CLASSES, dims)
    ids = sorted(store.clips["clip_id"])[:7]
    table = pd.DataFrame({"clip_id": ids, "speaker": "s", "label": np.resize(CLASSES, len(ids))})
    clips = load_clips(store, recipe, table, folder)
    scales = compute_scales(clips, recipe)
    kept = BatchMaker(clips, recipe, scales, CPU, augment)
    monkeypatch.setattr(module, "NORMALISED_BYTES", 0)
    return kept, BatchMaker(clips, recipe, scales, CPU, augment)


def same(one: Batch, other: Batch) -> bool:
    """True where two batches are equal, but for the sign of zeros."""
    pairs: list[tuple[Tensor, Tensor]] = [(one.labels, other.labels), (one.places, other.places)]
    for part in ("values", "masks"):
        mine, theirs = getattr(one, part), getattr(other, part)
        pairs += [(mine[m], theirs[m]) for m in theirs]
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in pairs)


@every
@pytest.mark.parametrize("augment", [None, AUGMENT, Augmentation(time_masks=2)])
def test_batches_are_the_same_either_way(
    cell: dict[str, Any], augment: Augmentation | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = kept, stored = makers(cell, tmp_path, monkeypatch, augment)
    assert kept.is_normalised
    assert not stored.is_normalised
    for places in ([0], [2, 0], list(range(len(kept)))[::-1]):
        for rng in (None, RngStreams(0, 1, 0)):
            assert same(*(maker.make(places, rng) for maker in both))
    epochs = [list(training_batches(maker, 2, RngStreams(0, 1, 0))) for maker in both]
    assert len(epochs[0]) == 3  # of 7 clips; the last one joins the batch before it
    assert all(same(a, b) for a, b in zip(*epochs, strict=True))


@every
def test_a_changed_batch_leaves_the_kept_values_alone(
    cell: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, stored = makers(cell, tmp_path, monkeypatch, AUGMENT)
    places = list(range(len(kept)))
    for rng in (None, RngStreams(0, 1, 0)):
        for x in kept.make(places, rng).values.values():
            x[:, :1] = 1000  # one channel: an image of one is repeated without copies
    assert same(kept.make(places), stored.make(places))


def test_large_values_are_normalised_batch_by_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, _ = makers(CELLS["images"], tmp_path, monkeypatch)
    sizes = {m: 4 * inputs.padded_size for m, inputs in kept.clips.inputs.items()}
    for limit, fits in ((max(sizes.values()), True), (min(sizes.values()) - 1, False)):
        monkeypatch.setattr(module, "NORMALISED_BYTES", limit)
        assert BatchMaker(kept.clips, kept.recipe, kept.scales, CPU).is_normalised is fits
    elsewhere = BatchMaker(kept.clips, kept.recipe, kept.scales, torch.device("cuda"))
    assert not elsewhere.is_normalised  # bytes go to a GPU faster than floats
