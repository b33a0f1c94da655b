"""Training from a store on disk, through the reading client."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from support.training import train_cell

import affectstore
from affectstore.models.cells.recipe import recipe_for
from affectstore.models.data.dataset import load_clips
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

CLASSES = ("ANG", "HAP", "SAD")
CELL = {"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "time"}
SPECS = {
    "frames": ArraySpec("values", "uint8", ("frame", "height", "width", "channel"), (16, 16, 3), codec="jpeg"),
    "mel_chunks": ArraySpec("values", "float16", ("frame", "band", "column"), (16, 4), unit="dB"),
}


@pytest.fixture
def published(tmp_path: Path, fake: Any) -> tuple[Path, Any]:
    """A store of two features in one shard, one clip without a face, and the values that were written."""
    written = fake.store()
    root = tmp_path / "store"
    for name, spec in SPECS.items():
        with ShardWriter(root / name, "000", "ab" * 32, (spec,), {}) as writer:
            for clip_id, rows in written.features[name].arrays.items():
                if (name, clip_id) == ("frames", "002"):
                    writer.fail(clip_id, "cd" * 32, "failed", "no video")
                else:
                    writer.append(clip_id, "cd" * 32, ClipArrays({"values": rows}, Grid(Fraction(0), Fraction(24))))
            writer.finish()
        commit(root / name, ["000"], {})
    written.clips.to_parquet(root / "clips.parquet")
    return root, written


def test_taken_rows_are_those_of_the_clip(published: tuple[Path, Any]) -> None:
    store = affectstore.open(published[0])
    for name in SPECS:
        feature = store[name]
        whole = feature["003"]
        assert np.array_equal(feature.take("003", [2, 0, 2]), whole[[2, 0, 2]])
        assert feature.take("003", []).shape == (0, *whole.shape[1:])
        with pytest.raises(IndexError):
            feature.take("003", [len(whole)])


def test_a_fold_is_trained_from_the_store(published: tuple[Path, Any], tmp_path: Path, fake: Any) -> None:
    root, written = published
    fake.split(written).to_parquet(tmp_path / "split.parquet")
    experiment = fake.experiment(CELL)
    train_cell(experiment, tmp_path, store=root, digests={"config": "c"}, keys="k", threads=1)
    run = json.loads((tmp_path / "out" / "0" / "run.json").read_text())
    assert run["n"] == {"train": 11, "val": 6, "test": 6}
    assert run["skipped"] == {"frames: failed, no video": 1}
    assert json.loads((tmp_path / "out" / "fold.json").read_text())["keys"] == "k"
    assert len(pd.read_parquet(tmp_path / "out" / "0" / "predictions.parquet")) == 6 + 3 * 6


def test_stored_levels_reach_the_network_unchanged(published: tuple[Path, Any], tmp_path: Path, fake: Any) -> None:
    root, written = published
    experiment = fake.experiment({"modalities": ["audio"], "encoder": "simple3d"})
    recipe = recipe_for(experiment, experiment.cells[0], CLASSES)
    table = pd.DataFrame({"clip_id": ["004", "001"], "speaker": "s", "label": "HAP"})
    from_disk = load_clips(affectstore.open(root), recipe, table, tmp_path)
    from_memory = load_clips(written, recipe, table, tmp_path)
    assert torch.equal(from_disk.inputs["audio"].values, from_memory.inputs["audio"].values)
    assert torch.equal(from_disk.inputs["audio"].mask, from_memory.inputs["audio"].mask)
