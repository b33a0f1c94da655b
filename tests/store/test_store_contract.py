"""Stores on disk, of both containers, and the store in memory of the tests keep the contract of stores."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.fake_store import FakeFeature, FakeStore

import affectstore
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.spec import ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.testing.store import StoreContract
from affectstore.timeline import Grid

SPECS = {
    "mel": ArraySpec("values", "float32", ("frame", "band"), (5,), unit="dB"),
    "frames": ArraySpec("values", "uint8", ("frame", "height", "width", "channel"), (4, 4, 3)),
    "audio": ArraySpec("values", "int16", ("sample",), ()),
}
FAILED = {name: {"mute": "no sound"} for name in SPECS}
CLIPS = ("a", "b", "c")


def values_of(spec: ArraySpec, clip_id: str) -> np.ndarray:
    """Values of a clip: four rows, three or one."""
    rows = {"a": 4, "b": 3, "c": 1}[clip_id]
    return np.random.default_rng(rows).integers(0, 100, (rows, *spec.shape)).astype(spec.dtype)


WRITTEN = {name: {clip_id: values_of(spec, clip_id) for clip_id in CLIPS} for name, spec in SPECS.items()}
TABLE = pd.DataFrame({"clip_id": [*CLIPS, "mute"]})


@pytest.fixture(scope="module", params=["zarr", "hdf5"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A store of two shards per feature, opened."""
    root = tmp_path_factory.mktemp("store")
    for name, spec in SPECS.items():
        for shard, clip_ids in (("0", ("a", "mute")), ("1", ("b", "c"))):
            with ShardWriter(root / name, shard, "ab" * 32, (spec,), {}, request.param) as writer:
                for clip_id in clip_ids:
                    if clip_id == "mute":
                        writer.fail(clip_id, "cd" * 32, "failed", "no sound")
                    else:
                        arrays = ClipArrays({"values": WRITTEN[name][clip_id]}, Grid(Fraction(0), Fraction(25)))
                        writer.append(clip_id, "cd" * 32, arrays)
                writer.finish()
        commit(root / name, ["0", "1"], {})
    TABLE.to_parquet(root / "clips.parquet")
    return affectstore.open(root)


class Written(StoreContract):
    """The values of this file."""

    @pytest.fixture
    def written(self) -> Any:
        """Values by feature and clip."""
        return WRITTEN

    @pytest.fixture
    def failed(self) -> Any:
        """Reasons by feature and clip."""
        return FAILED


class TestStore(Written):
    """A store on disk."""

    @pytest.fixture
    def store(self, opened: Any) -> Any:
        """The opened store."""
        return opened


class TestFakeStore(Written):
    """The store in memory that tests of networks read."""

    @pytest.fixture
    def store(self) -> Any:
        """The store."""
        return FakeStore({name: FakeFeature(clips, FAILED[name]) for name, clips in WRITTEN.items()}, TABLE)
