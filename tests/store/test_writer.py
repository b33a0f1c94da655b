"""Shards are written unchanged, completely, by one writer, in little memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
import zarr
from hypothesis import given, settings

from affectstore.errors import ClipError, IntegrityError, StoreError
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.content import find_problems
from affectstore.store.index.ledger import Ledger
from affectstore.store.shard import ShardReader
from affectstore.store.spec import DTYPES, ArraySpec
from affectstore.store.writer import ShardWriter
from affectstore.timeline import Grid

Clip = Callable[..., ClipArrays]
GRID = Grid(Fraction(0), Fraction(24))


@settings(max_examples=40, deadline=None)
@given(
    dtype=st.sampled_from(sorted(DTYPES)),
    container=st.sampled_from(["zarr", "zarr-zstd", "hdf5"]),
    shape=st.lists(st.integers(1, 4), max_size=3).map(tuple),
    rows=st.lists(st.integers(1, 6), max_size=4),
    timed=st.booleans(),
    data=st.data(),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    container: str,
    shape: tuple[int, ...],
    rows: list[int],
    timed: bool,
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("round")
    container, _, codec = container.partition("-")
    specs = (ArraySpec("values", dtype, ("row", *"xyz"[: len(shape)]), shape, codec or "none"),)  # type: ignore[arg-type]
    if timed:
        specs += (ArraySpec("times", "float64", ("row",)),)
    fraction = st.fractions(min_value=Fraction(1, 1000), max_value=50_000, max_denominator=10**6)
    clips = {}
    for index, count in enumerate(rows):
        rng = np.random.default_rng(index)
        arrays = {"values": rng.integers(0, 2 if dtype == "bool" else 100, (count, *shape)).astype(dtype)}
        if timed:
            arrays["times"] = np.sort(rng.random(count))
        clips[f"clip {index} é"] = ClipArrays(arrays, None if timed else Grid(data.draw(fraction), data.draw(fraction)))
    with ShardWriter(folder, "7", "d", specs, {}, container) as writer:  # type: ignore[arg-type]
        for clip_id, arrays in clips.items():
            writer.append(clip_id, "k" + clip_id, arrays)
        writer.fail("bad", "kb", "failed", "no face")
        ledger = writer.finish()
    assert Ledger.read(folder / "shards" / "7.json") == ledger
    assert find_problems(folder / ledger.data) == []
    reader = ShardReader(folder / ledger.data)
    assert reader.clip_ids == (*clips, "bad")
    for clip_id, arrays in clips.items():
        found = reader.arrays(clip_id)
        assert found.grid == arrays.grid
        for name, array in arrays.arrays.items():
            np.testing.assert_array_equal(found.arrays[name], array)
            assert found.arrays[name].dtype == array.dtype
            assert not found.arrays[name].flags.writeable
    with pytest.raises(StoreError, match="no face"):
        reader.arrays("bad")


def test_other_readers_find_clips_by_the_stored_arrays(tmp_path: Path, clip: Clip, mel: tuple[ArraySpec, ...]) -> None:
    with ShardWriter(tmp_path, "0", "d", mel, {}, "zarr") as writer:
        writer.fail("né", "k0", "not_applicable", "no sound")
        writer.append("zwei", "k1", clip(1, rows=3))
        writer.append("b", "k2", clip(2, rows=2))
        writer.fail("c", "k3", "failed", "no face")
        ledger = writer.finish()
    group = zarr.open_group(tmp_path / ledger.data, mode="r", use_consolidated=False)
    stored = {name: group[name][:] for name in ("offsets", "clip_id", "clip_id_offsets", "status", "start", "rate")}
    assert stored["offsets"].tolist() == [0, 0, 3, 5, 5]
    assert stored["status"].tolist() == [2, 0, 0, 1]
    assert stored["clip_id_offsets"].tolist() == [0, 3, 7, 8, 9]
    assert stored["clip_id"].tobytes().decode() == "nézweibc"
    assert stored["start"].tolist() == [[0, 1], [1, 30], [1, 30], [0, 1]]
    assert stored["rate"].tolist() == [[0, 1], [11025, 256], [11025, 256], [0, 1]]
    np.testing.assert_array_equal(group["values"][3:5], clip(2, rows=2).arrays["values"])


def test_the_same_content_gives_the_same_folder_and_ledger(
    tmp_path: Path, clip: Clip, write_shard: Callable[..., Ledger]
) -> None:
    clips = {"a": clip(1), "b": "no face"}
    first = write_shard(tmp_path / "one", "0", clips, attributes={"x": 1, "y": {"p": 1, "q": 2}})
    second = write_shard(tmp_path / "two", "0", clips, attributes={"y": {"q": 2, "p": 1}, "x": 1})
    assert first.encoded == second.encoded
    one, two = (
        {p.relative_to(r): p.read_bytes() for p in r.rglob("*") if p.is_file() and "lock" not in p.name}
        for r in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    stamp = (tmp_path / "one" / first.data).stat().st_mtime_ns
    again = write_shard(tmp_path / "one", "0", clips, attributes={"x": 1, "y": {"p": 1, "q": 2}})
    assert again == first
    assert (tmp_path / "one" / first.data).stat().st_mtime_ns == stamp  # what stood was kept
    other = write_shard(tmp_path / "one", "0", {"a": clip(2), "b": "no face"})
    assert other.data != first.data


def test_damaged_data_of_the_same_content_are_replaced(
    tmp_path: Path, clip: Clip, write_shard: Callable[..., Ledger]
) -> None:
    ledger = write_shard(tmp_path, "0", {"a": clip(1)})
    file = tmp_path / ledger.data / "values" / "c" / "0" / "0"
    file.write_bytes(b"\xff" + file.read_bytes()[1:])
    assert write_shard(tmp_path, "0", {"a": clip(1)}) == ledger
    assert find_problems(tmp_path / ledger.data) == []
    assert len([path for path in (tmp_path / "shards").iterdir() if path.is_dir()]) == 1


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"values": np.zeros((3, 5), "float64")}, "'c'.*float64 instead of float32"),
        ({"values": np.zeros((3, 4), "float32")}, r"'c'.*\(3, 4\) instead of \(column, 5\)"),
        ({"values": np.float32(1)}, "instead of"),
        ({"other": np.zeros((3, 5), "float32")}, r"\['other'\] instead of \['values'\]"),
        ({"values": np.zeros((0, 5), "float32")}, "no rows"),
        ({"values": np.full((3, 5), np.nan, "float32")}, "15 of 15 numbers are not finite"),
    ],
)
def test_arrays_other_than_declared_are_refused_and_nothing_is_added(
    tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip, arrays: dict[str, np.ndarray], told: str
) -> None:
    with ShardWriter(tmp_path, "0", "d", mel, {}, "zarr") as writer:
        writer.append("a", "ka", clip(1))
        with pytest.raises((StoreError, ClipError), match=told):
            writer.append("c", "kc", ClipArrays(arrays, GRID))
        writer.fail("c", "kc", "failed", "it was refused")
        with pytest.raises(StoreError, match="already"):
            writer.append("a", "ka", clip(1))
        ledger = writer.finish()
    assert [(entry.clip_id, entry.rows) for entry in ledger.clips] == [("a", 4), ("c", 0)]
    np.testing.assert_array_equal(
        ShardReader(tmp_path / ledger.data).arrays("a").arrays["values"], clip(1).arrays["values"]
    )


def test_arrays_of_unequal_length_and_rows_without_time_are_refused(
    tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip
) -> None:
    specs = (*mel, ArraySpec("box", "int16", ("column",)))
    with ShardWriter(tmp_path, "0", "d", specs, {}, "zarr") as writer:
        with pytest.raises(StoreError, match="2 rows, but 'values' has 4"):
            writer.append("a", "k", ClipArrays({**clip(1).arrays, "box": np.zeros(2, "int16")}, GRID))
        with pytest.raises(StoreError, match="'times'"):
            writer.append("a", "k", ClipArrays({**clip(1).arrays, "box": np.zeros(4, "int16")}, None))
    timed = (*mel, ArraySpec("times", "float64", ("column",)))
    with ShardWriter(tmp_path, "0", "d", timed, {}, "zarr") as writer, pytest.raises(StoreError, match="times go back"):
        writer.append("a", "k", ClipArrays({**clip(1).arrays, "times": np.array([0.0, 2.0, 1.0, 3.0])}, None))


def test_unfinished_shards_are_discarded(tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip) -> None:
    def interrupted() -> None:
        with ShardWriter(tmp_path, "0", "d", mel, {}, "zarr") as writer:
            writer.append("a", "k", clip(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [".0.lock", "zarr.json"]


def test_two_writers_of_one_shard_are_refused(tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip) -> None:
    with ShardWriter(tmp_path, "0", "d", mel, {}, "zarr") as writer:
        with pytest.raises(StoreError, match=r"of feature .+ is being written by process"):
            ShardWriter(tmp_path, "0", "d", mel, {}, "zarr").__enter__()
        with ShardWriter(tmp_path, "1", "d", mel, {}, "zarr") as neighbour:
            neighbour.finish()
        writer.append("a", "k", clip(1))
        writer.finish()


def test_the_lock_of_a_killed_writer_is_free_and_its_leftovers_go(
    tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip
) -> None:
    program = """
import sys, pathlib
from affectstore.store.writer import ShardWriter
from affectstore.store.spec import ArraySpec
specs = (ArraySpec("values", "float32", ("row", "x"), (5,)),)
writer = ShardWriter(pathlib.Path(sys.argv[1]), "0", "d", specs, {}, "zarr")
writer.__enter__()
print("held", flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"process {child.pid}"):
            ShardWriter(tmp_path, "0", "d", mel, {}, "zarr").__enter__()
    finally:
        child.kill()
        child.communicate()
    assert list((tmp_path / "shards").glob(".0.tmp-*"))
    with ShardWriter(tmp_path, "0", "d", mel, {}, "zarr") as writer:
        writer.append("a", "k", clip(1))
        writer.finish()
    assert not list((tmp_path / "shards").glob(".0.tmp-*"))


def test_copies_are_the_same_bytes_under_a_new_name(
    tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip, write_shard: Callable[..., Ledger]
) -> None:
    old = write_shard(tmp_path, "0", {"a": clip(1), "b": clip(2, rows=7), "mute": "no sound"})
    source = ShardReader(tmp_path / old.data)
    with ShardWriter(tmp_path, "1", "d", mel, {}, "zarr") as writer:
        writer.copy(source, "b", "renamed", "key-b")
        writer.copy(source, "mute", "still mute", "key-mute")
        new = writer.finish()
    assert new.clips[0] == old.clips[1]._replace(clip_id="renamed")
    assert new.clips[1] == old.clips[2]._replace(clip_id="still mute")
    np.testing.assert_array_equal(
        ShardReader(tmp_path / new.data).arrays("renamed").arrays["values"], clip(2, rows=7).arrays["values"]
    )


def test_damaged_clips_are_not_copied(
    tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip, write_shard: Callable[..., Ledger]
) -> None:
    old = write_shard(tmp_path, "0", {"a": clip(1), "b": clip(2)})
    file = tmp_path / old.data / "values" / "c" / "0" / "0"
    data = bytearray(file.read_bytes())
    data[7] ^= 1
    file.write_bytes(data)
    with ShardWriter(tmp_path, "1", "d", mel, {}, "zarr") as writer:
        with pytest.raises(IntegrityError, match="'a'"):
            writer.copy(ShardReader(tmp_path / old.data), "a", "a", "key-a")
        writer.copy(ShardReader(tmp_path / old.data), "b", "b", "key-b")
        assert [entry.clip_id for entry in writer.finish().clips] == ["b"]


def test_copying_between_different_arrays_is_refused(
    tmp_path: Path, mel: tuple[ArraySpec, ...], clip: Clip, write_shard: Callable[..., Ledger]
) -> None:
    old = write_shard(tmp_path, "0", {"a": clip(1)})
    wider = (ArraySpec("values", "float32", ("column", "band"), (6,)),)
    with (
        ShardWriter(tmp_path, "1", "d", wider, {}, "zarr") as writer,
        pytest.raises(StoreError, match="this shard takes"),
    ):
        writer.copy(ShardReader(tmp_path / old.data), "a", "a", "key-a")


@pytest.mark.parametrize("container", ["zarr", "zarr-zstd", "hdf5"])
def test_memory_is_bounded_by_a_clip(tmp_path: Path, container: str) -> None:
    container, _, codec = container.partition("-")
    specs = (ArraySpec("values", "uint8", ("frame", "byte"), (10_000,), codec or "none"),)  # type: ignore[arg-type]
    one_clip = np.random.default_rng(0).integers(0, 255, (100, 10_000), dtype=np.uint8)  # 1 MB
    with ShardWriter(tmp_path / "warm", "0", "d", specs, {}, container) as writer:  # type: ignore[arg-type]
        writer.append("0", "k", ClipArrays({"values": one_clip}, GRID))
        writer.finish()
    tracemalloc.start()
    try:
        with ShardWriter(tmp_path, "0", "d", specs, {}, container) as writer:  # type: ignore[arg-type]
            for index in range(40):
                writer.append(str(index), f"k{index}", ClipArrays({"values": one_clip}, GRID))
            ledger = writer.finish()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert ledger.size_bytes > 39_000_000
    assert peak < 20_000_000, f"{peak / 1e6:.1f} MB for clips of 1 MB"


def test_an_empty_shard_is_a_shard(tmp_path: Path, mel: tuple[ArraySpec, ...]) -> None:
    for container in ("zarr", "hdf5"):
        with ShardWriter(tmp_path / container, "0", "d", mel, {}, container) as writer:
            ledger = writer.finish()
        assert ledger.clips == ()
        assert find_problems(tmp_path / container / ledger.data) == []


@pytest.mark.parametrize("shard", ["", "../x", "a/b", ".hidden", "zarr", "0003.stats"])
def test_shard_names_stay_in_their_folder(tmp_path: Path, mel: tuple[ArraySpec, ...], shard: str) -> None:
    with pytest.raises(StoreError, match="shard name"):
        ShardWriter(tmp_path, shard, "d", mel, {}, "zarr")
