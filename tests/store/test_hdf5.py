"""HDF5 container: the same names as in Zarr, mapped, and one virtual dataset over the shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import affectstore
from affectstore.errors import IntegrityError, StoreError
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.commit import commit
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec

Clip = Callable[..., ClipArrays]
WriteShard = Callable[..., Ledger]


@pytest.fixture
def store(tmp_path: Path, clip: Clip, write_shard: WriteShard) -> Path:
    """Store of `mel` in HDF5, the second of three shards empty."""
    mel = tmp_path / "corpus" / "mel"
    write_shard(mel, "0", {"a": clip(1), "b": clip(2, rows=3), "mute": "no sound"}, container="hdf5")
    write_shard(mel, "1", {}, container="hdf5")
    write_shard(mel, "2", {"c": clip(3)}, container="hdf5")
    commit(mel, ["0", "1", "2"], {})
    return mel.parent


def test_digests_are_those_of_zarr(store: Path, tmp_path: Path, clip: Clip, write_shard: WriteShard) -> None:
    hdf5 = Ledger.read(store / "mel" / "shards" / "0.json")
    clips = {"a": clip(1), "b": clip(2, rows=3), "mute": "no sound"}
    zarr = write_shard(tmp_path / "zarr", "0", clips)
    assert hdf5.clips == zarr.clips
    assert (hdf5.container, zarr.container) == ("hdf5", "zarr")
    assert hdf5.data != zarr.data
    again = write_shard(
        tmp_path / "again", "0", {"a": clip(1), "b": clip(2, rows=3), "mute": "no sound"}, container="hdf5"
    )
    assert (tmp_path / "again" / again.data / "data.h5").read_bytes() == (
        store / "mel" / hdf5.data / "data.h5"
    ).read_bytes()


def test_reads_are_mapped(store: Path, clip: Clip) -> None:
    mel = affectstore.open(store)["mel"]
    np.testing.assert_array_equal(mel["b"], clip(2, rows=3).arrays["values"])
    assert np.shares_memory(mel["a"], mel["a"])
    assert mel["a"].flags.aligned
    assert not mel["a"].flags.writeable
    assert mel.catalog.container == "hdf5"
    with pytest.raises(KeyError, match="no sound"):
        mel["mute"]


def test_any_reader_finds_the_clips(store: Path, clip: Clip) -> None:
    ledger = Ledger.read(store / "mel" / "shards" / "0.json")
    with h5py.File(store / "mel" / ledger.data / "data.h5") as file:
        assert file["offsets"][:].tolist() == [0, 4, 7, 7]
        assert file["status"][:].tolist() == [0, 0, 1]
        assert file["clip_id"][:].tobytes() == b"abmute"
        assert [axis.label for axis in file["values"].dims] == ["column", "band"]
        assert file["values"].attrs["unit"] == "dB"
        np.testing.assert_array_equal(file["values"][4:7], clip(2, rows=3).arrays["values"])


def test_the_virtual_dataset_joins_the_shards(store: Path, clip: Clip) -> None:
    with h5py.File(store / "mel" / "virtual.h5") as file:
        np.testing.assert_array_equal(file["values"][4:7], clip(2, rows=3).arrays["values"])
        np.testing.assert_array_equal(file["values"][7:], clip(3).arrays["values"])
        assert len(file["data"]) == 3


def test_zstd_is_refused(tmp_path: Path, clip: Clip, write_shard: WriteShard) -> None:
    specs = (ArraySpec("values", "float32", ("column", "band"), (5,), "zstd"),)
    with pytest.raises(StoreError, match="needs the zarr container"):
        write_shard(tmp_path, "0", {"a": clip(1)}, specs=specs, container="hdf5")
    assert not list((tmp_path / "shards").glob(".0.tmp-*"))


def test_a_truncated_file_is_refused(store: Path) -> None:
    ledger = Ledger.read(store / "mel" / "shards" / "0.json")
    file = store / "mel" / ledger.data / "data.h5"
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(IntegrityError, match=r"data\.h5"):
        affectstore.open(store)["mel"]["a"]
